"""What nobody needs any more of a problem's workspace, and its removal. The serving folder is never touched."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from models.settings import Settings
from pipeline.metadata.connection import open_store
from pipeline.metadata.contexts import read_executions, read_run_contexts
from pipeline.metadata.file import keep_copy, require_good
from pipeline.workspace import Workspace
from serving.history import read_history
from serving.store import find_versions

if TYPE_CHECKING:
    from ml_metadata import MetadataStore

DONE = {3, 5}
"""ml_metadata's Execution.State: complete and cached."""
LIVE, DELETED = 2, 4
"""ml_metadata's Artifact.State."""
OUTPUT = 4
"""ml_metadata's Event.Type."""
REMEMBERED = {"DataVerdict", "ModelBlessing", "InfraBlessing", "PushedModel"}
"""Types of artifacts that stay, of every run: a few kilobytes, and what later runs look back on."""
SYSTEM = ".system"
"""TFX's own folder below each component's: without a file but for what a killed process left there."""


class Item(Settings):
    """A file or folder that may go.

    Attributes:
        path: where it is.
        size: in bytes.
        why: nobody needs it.
        artifact: its id in ML Metadata, None for other things.
    """

    path: Path
    size: int
    why: str
    artifact: int | None = None


class _Known(NamedTuple):
    """What ML Metadata knows.

    Attributes:
        live: artifacts of components that completed, by their folder.
        kept: ids of those that a kept run has read or made.
        texts: what components of kept runs were given, as one text.
        since: when the oldest of the newest runs began, None if there are no older ones.
    """

    live: dict[Path, Any]
    kept: set[int]
    texts: str
    since: datetime | None


def find_garbage(workspace: Workspace, keep_runs: int) -> list[Item]:
    """Return what may go if the newest `keep_runs` runs are kept, and those that the pushed versions come from.

    Raises:
        InputError: the metadata is damaged, or lacks the runs whose artifacts are there.
        RunError: it can't be read.
    """
    require_good(workspace, lambda _: None)
    with open_store(workspace, "READONLY") as store:
        known = _read_known(store, workspace, keep_runs)
    return [*_find_orphans(workspace, known), *_find_old(workspace, known), *_find_leftovers(workspace, known)]


def remove(workspace: Workspace, items: list[Item]) -> None:
    """Mark the artifacts as deleted, so that TFX's cache does not hand them out, and remove the files."""
    artifacts = [item.artifact for item in items if item.artifact is not None]
    if artifacts:
        with open_store(workspace) as store:
            found = store.get_artifacts_by_id(artifacts)
            for artifact in found:
                artifact.state = DELETED
            store.put_artifacts(found)
    for item in items:
        if item.path.is_dir():
            shutil.rmtree(item.path)
        else:
            item.path.unlink(missing_ok=True)
    # else an older copy that is restored tells of artifacts that are gone
    keep_copy(workspace)


def _read_known(store: "MetadataStore", workspace: Workspace, keep_runs: int) -> _Known:
    executions = {each.id: each for each in read_executions(store, workspace.name)}
    events = store.get_events_by_execution_ids(list(executions)) if executions else []
    artifacts = {each.id: each for each in store.get_artifacts_by_id({event.artifact_id for event in events})}
    made = {event.artifact_id for event in events if event.type == OUTPUT and _is_done(executions[event.execution_id])}
    runs = [
        [each.id for each in store.get_executions_by_context(context.id)]
        for context in read_run_contexts(store, workspace.name)
    ]
    complete = next((run for run in runs if all(_is_done(executions[each]) for each in run)), [])
    wanted = _wanted_versions(workspace)
    pushers = {
        event.execution_id
        for event in events
        if event.type == OUTPUT and _is_pushed(artifacts[event.artifact_id], wanted)
    }
    served = [run for run in runs if pushers & set(run)]
    kept = {each for run in [*runs[:keep_runs], complete, *served] for each in run}
    newest = [executions[each].create_time_since_epoch for run in runs[:keep_runs] for each in run]
    return _Known(
        live={Path(artifacts[each].uri): artifacts[each] for each in made if artifacts[each].state == LIVE},
        kept={event.artifact_id for event in events if event.execution_id in kept},
        texts="\n".join(value.string_value for each in kept for value in executions[each].custom_properties.values()),
        since=datetime.fromtimestamp(min(newest) / 1000, UTC) if len(runs) > keep_runs and newest else None,
    )


def _is_done(execution: Any) -> bool:
    return execution.last_known_state in DONE


def _wanted_versions(workspace: Workspace) -> set[str]:
    """Return the numbers under which the models that are there were ever pushed: a rollback gives them another."""
    events, there = read_history(workspace.serving).events, find_versions(workspace.serving)
    digests = {event.digest for event in events if event.version in there and event.digest}
    return {str(event.version) for event in events if event.digest in digests} | {str(version) for version in there}


def _is_pushed(artifact: Any, versions: set[str]) -> bool:
    properties = artifact.custom_properties
    return (
        artifact.type == "PushedModel"
        and properties["fresh"].int_value == 1
        and properties["pushed_version"].string_value in versions
    )


def _find_orphans(workspace: Workspace, known: _Known) -> Iterator[Item]:
    """Yield folders that no completed component has made."""
    for folder in sorted(workspace.artifacts.glob("*/*/*")):
        if folder.parent.name == SYSTEM:
            left = [
                _item(path, "left behind by a component that did not complete") for path in sorted(folder.iterdir())
            ]
            yield from (item for item in left if item.size)
        elif folder not in known.live:
            yield _item(folder, "of no component that completed")


def _find_old(workspace: Workspace, known: _Known) -> Iterator[Item]:
    """Yield the artifacts of older runs."""
    for folder, artifact in known.live.items():
        old = artifact.id not in known.kept and artifact.type not in REMEMBERED
        if old and folder.is_relative_to(workspace.artifacts) and folder.exists():
            yield _item(folder, "of an older run", artifact.id)


def _find_leftovers(workspace: Workspace, known: _Known) -> Iterator[Item]:
    """Yield logs, reports and intermediate results from before the oldest kept run."""
    if known.since is None:
        return
    searches = sorted(workspace.tuning.glob("*.json"), key=lambda file: file.stat().st_mtime)
    spared = {workspace.reports / "tuning.html", *(searches[-1:]), *(file.with_suffix("") for file in searches[-1:])}
    folders = ("logs", "reports", "inputs", "checkpoints", "tuning", "rankings")
    for path in sorted(path for name in folders for path in getattr(workspace, name).glob("*")):
        before = path.stat().st_mtime < known.since.timestamp()
        if before and path not in spared and str(path) not in known.texts:
            yield _item(path, "from before the oldest kept run")
    for path in sorted(workspace.stages.glob(".reading-*")):
        if path.stat().st_mtime < known.since.timestamp():
            yield _item(path, "left by a reading that did not complete")


def _item(path: Path, why: str, artifact: int | None = None) -> Item:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return Item(path=path, size=sum(file.lstat().st_size for file in files), why=why, artifact=artifact)
