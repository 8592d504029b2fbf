"""Who runs a problem: one process at a time, for its whole time. The lock goes with the process, even by kill -9."""

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import IO

from pydantic import AwareDatetime, ValidationError

from models.settings import Settings
from pipeline.errors import RunError
from pipeline.workspace import Workspace
from serving.store import describe_fault


class Owner(Settings):
    """A process that runs a problem.

    Attributes:
        pid: its number on `host`.
        started: when it took the lock.
        command: `run`, `tune`, `push`, `gc` or `doctor`.
        host: its machine's name.
    """

    pid: int
    started: AwareDatetime
    command: str
    host: str


@contextmanager
def own(workspace: Workspace, command: str, tell: Callable[[str], None] | None = None) -> Iterator[None]:
    """Let nobody else run the problem meanwhile; with `tell` say who does, and wait, instead of raising.

    Raises:
        RunError: another process runs it (names its pid and when it began), or the disk refuses.
    """
    with ExitStack() as stack:
        try:
            # Python's files are closed in a child as it starts another program: the lock is this process's alone
            file = stack.enter_context(workspace.owner.open("a+", encoding="utf-8"))
            _lock(file, workspace.name, tell)
            owner = Owner(pid=os.getpid(), started=datetime.now(UTC), command=command, host=socket.gethostname())
            file.truncate(0)
            file.write(owner.model_dump_json())
            file.flush()
        except OSError as error:
            raise RunError(describe_fault(error, workspace.folder)) from error
        yield


def is_owned(workspace: Workspace) -> bool:
    """Return whether a process runs the problem."""
    return who_owns(workspace) is not None


def who_owns(workspace: Workspace) -> str | None:
    """Return in words which process runs the problem; None: nobody does."""
    if not workspace.owner.exists():
        return None
    with workspace.owner.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _describe(file)
    return None


def _lock(file: IO[str], problem: str, tell: Callable[[str], None] | None) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        said = f"{problem}: {_describe(file)} is at it"
        if tell is None:
            raise RunError(f"{said}; wait for its end (--wait), or stop it") from None
        tell(f"{said}; waiting for its end")
        fcntl.flock(file, fcntl.LOCK_EX)


def _describe(file: IO[str]) -> str:
    file.seek(0)
    try:
        owner = Owner.model_validate_json(file.read())
    except ValidationError:  # it has the lock, and has not yet said who it is
        return "another process"
    return (
        f"process {owner.pid} on {owner.host} (`penstock {owner.command}` since {owner.started:%Y-%m-%d %H:%M:%S} UTC)"
    )
