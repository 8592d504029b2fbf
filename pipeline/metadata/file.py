"""ML Metadata's SQLite file before and after a run: free, whole, with the runs whose artifacts are there; its copy."""

import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from models.settings import Settings
from pipeline.errors import InputError, RunError
from pipeline.metadata import sqlite_child
from pipeline.metadata.connection import metadata_file, open_store, place
from pipeline.metadata.contexts import read_executions
from pipeline.metadata.holder import describe_holder
from pipeline.workspace import Workspace

TIMEOUT_S = 300.0
LOOK_S = 0.5


class Condition(Settings):
    """What there is to say of a file.

    Attributes:
        locked: whether another process has locked it; then nothing else is known.
        fault: what SQLite finds wrong; empty if it is whole.
        schema_version: ML Metadata's; None for a database without its tables.
        rows: by table.
    """

    locked: bool = False
    fault: str = ""
    schema_version: int | None = None
    rows: dict[str, int] = Field(default_factory=dict)


def look(file: Path) -> Condition:
    """Return the condition of `file`, which exists."""
    return Condition.model_validate(_ask("look", file))


def copy(file: Path, target: Path) -> None:
    """Copy a database to `target` in one step.

    Raises:
        RunError: it is not whole, locked, or the disk refuses.
    """
    answer = Condition.model_validate(_ask("copy", file, target))
    if answer.locked or answer.fault:
        raise RunError(f"{file}: can't be copied to {target}: {answer.fault or describe_holder(file)}")


def _ask(command: str, *files: Path) -> object:
    # -I -S: neither the environment nor site-packages, which would take ten times as long
    child = [sys.executable, "-I", "-S", sqlite_child.__file__, command, *map(str, files)]
    done = subprocess.run(child, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"fault": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]}
    return json.loads(done.stdout)


def backup_of(file: Path) -> Path:
    """Return the last good copy's path: as of the latest complete run."""
    return file.with_name(f"{file.name}.backup")


def keep_copy(workspace: Workspace) -> None:
    """Keep a copy of the file as it is after a complete run; a server's own backups are its administrator's."""
    file = metadata_file(workspace)
    if file is None:
        return
    try:
        copy(file, backup_of(file))
    except RunError as error:  # what was pushed is pushed
        logging.getLogger(__name__).warning("%s", error)


def require_good(workspace: Workspace, tell: Callable[[str], None], timeout_s: float = TIMEOUT_S) -> None:
    """Wait until the metadata is free, and refuse what a run must not write to. Before any work; changes nothing.

    Raises:
        InputError: damaged, of another schema version, or without the runs whose artifacts are there.
        RunError: another process keeps it locked, or it can't be opened.
    """
    file = metadata_file(workspace)
    found = _require_whole(file, tell, timeout_s) if file else None
    known = False
    if found is None or found.schema_version is not None:
        with open_store(workspace, "READONLY") as store:
            known = bool(read_executions(store, workspace.name))
    emptied = bool(file and found and not found.rows.get("Execution") and backup_of(file).exists())
    if emptied or (not known and has_artifacts(workspace)):
        raise InputError(_miss_runs(workspace, file))


def _require_whole(file: Path, tell: Callable[[str], None], timeout_s: float) -> Condition:
    file.parent.mkdir(parents=True, exist_ok=True)
    found = wait_until_free(file, tell, timeout_s) if file.exists() else Condition()
    if found.fault:
        raise InputError(
            f"{file}: expected ML Metadata's SQLite file, received a damaged one: {found.fault}. {_remedy(file)}"
        )
    return found


def _miss_runs(workspace: Workspace, file: Path | None) -> str:
    folders = [workspace.artifacts, *([backup_of(file)] if file else [])]
    there = " and ".join(str(path) for path in folders if path.exists())
    message = f"{place(workspace)}: expected the runs that {there} tell of, received none of them."
    return f"{message}{f' {_remedy(file)}' if file else ''} To start anew, remove {there}"


def has_artifacts(workspace: Workspace) -> bool:
    """Return whether a run has left artifacts."""
    return any(workspace.artifacts.glob("*/*/*"))


def wait_until_free(file: Path, tell: Callable[[str], None], timeout_s: float) -> Condition:
    """Return the file's condition as soon as no other process has it locked; `tell` gets a sentence if that takes time.

    Raises:
        RunError: it is still locked after `timeout_s` seconds.
    """
    began, told = time.monotonic(), False
    while (found := look(file)).locked:
        waited = time.monotonic() - began
        if waited > timeout_s:
            raise RunError(f"{file}: locked for {waited:.0f} s, {describe_holder(file)}; try again when it has ended")
        if not told:
            tell(f"waiting for {file.name}, {describe_holder(file)}")
            told = True
        time.sleep(LOOK_S)
    return found


def restore(workspace: Workspace) -> Path:
    """Put the last good copy in the file's place, what was there beside it; return the latter's path.

    Raises:
        InputError: there is no copy, or it is not whole.
    """
    file = metadata_file(workspace)
    backup = backup_of(file) if file else None
    if file is None or backup is None or not backup.exists():
        raise InputError(f"{place(workspace)}: expected a copy to go back to, received none")
    found = look(backup)
    if found.fault or found.schema_version is None:
        raise InputError(f"{backup}: expected a whole copy, received {found.fault or 'one without runs'}")
    aside = file.with_name(f"{file.name}.{stamp()}.damaged")
    if file.exists():
        file.replace(aside)
    # what a killed process left of a transaction belongs to the damaged file; SQLite would apply it to the copy
    journal = file.with_name(f"{file.name}-journal")
    if journal.exists():
        journal.replace(aside.with_name(f"{aside.name}-journal"))
    copy(backup, file)
    return aside


def stamp() -> str:
    """Return the moment as a part of a file's name."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}"


def _remedy(file: Path) -> str:
    backup = backup_of(file)
    if not backup.exists():
        return "There is no copy to go back to."
    made = datetime.fromtimestamp(backup.stat().st_mtime, UTC)
    return f"`penstock doctor PROBLEM --restore-metadata` goes back to {backup} of {made:%Y-%m-%d %H:%M} UTC."
