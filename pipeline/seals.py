"""Whether what a run takes from the cache is still what was written: a digest of each file, kept beside it.

TFX's cache asks only whether the folder exists. A power cut may leave empty files in it, and people edit.
"""

from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from models.settings import Settings
from pipeline.fingerprint import file_digest
from pipeline.lineage import open_store
from pipeline.recovery import EXECUTIONS, SYSTEM
from pipeline.workspace import Workspace
from serving.store import write_file

SEAL = "seal.json"


class Sealed(Settings):
    """One file: size in bytes, time of its last change in nanoseconds, SHA-256."""

    size: int
    modified_ns: int
    digest: str


class Seal(Settings):
    """All outputs of an execution, by their paths in the component's folder."""

    files: dict[str, Sealed]


class Altered(NamedTuple):
    """An execution whose outputs are no longer what it wrote.

    Attributes:
        component: its id.
        execution: its number in ML Metadata.
        file: one that differs.
    """

    component: str
    execution: int
    file: Path


def seal_outputs(component: Path) -> None:
    """Seal what was written last to the folder of a component, unless it is sealed.

    Raises:
        OSError: a file can't be read or the seal can't be written.
    """
    execution = max(_executions(component), default=None)
    if execution is None or _seal(component, execution).exists():
        return
    files = {str(file.relative_to(component)): _describe(file) for file in _outputs(component, execution)}
    if files:
        write_file(_seal(component, execution), Seal(files=files).model_dump_json())


def find_altered(workspace: Workspace) -> list[Altered]:
    """Return the executions whose outputs differ from their seals.

    The last of each component, the one that an unchanged run takes, is read in full; of the others size and time of
    each file are compared. A folder that is gone is no fault: TFX sees that itself.
    """
    found = []
    for component in sorted(workspace.artifacts.glob("*")):
        executions = sorted(number for number in _executions(component) if _seal(component, number).exists())
        for number in executions:
            file = _find_difference(component, number, whole=number == executions[-1])
            if file:
                found.append(Altered(component.name, number, file))
    return found


def forget(workspace: Workspace, altered: list[Altered]) -> None:
    """Let the cache not take the outputs of these executions again: ML Metadata gets to know that they are spoilt.

    Raises:
        RunError: ML Metadata can't be read or written.
    """
    from ml_metadata.proto.metadata_store_pb2 import Artifact, Event

    with open_store(workspace) as store:
        events = store.get_events_by_execution_ids([each.execution for each in altered])
        artifacts = store.get_artifacts_by_id({each.artifact_id for each in events if each.type == Event.OUTPUT})
        for each in artifacts:
            each.state = Artifact.MARKED_FOR_DELETION
        store.put_artifacts(artifacts)
    for execution in altered:
        _seal(workspace.artifacts / execution.component, execution.execution).unlink()


def _executions(component: Path) -> list[int]:
    return [int(path.name) for path in component.glob(f"{EXECUTIONS}/*") if path.name.isdecimal()]


def _seal(component: Path, execution: int) -> Path:
    return component / EXECUTIONS / str(execution) / SEAL


def _outputs(component: Path, execution: int) -> list[Path]:
    folders = [path for path in component.glob(f"*/{execution}") if path.parent.name != SYSTEM]
    return sorted(file for folder in folders for file in folder.rglob("*") if file.is_file())


def _describe(file: Path) -> Sealed:
    stat = file.stat()
    return Sealed(size=stat.st_size, modified_ns=stat.st_mtime_ns, digest=file_digest(file))


def _find_difference(component: Path, execution: int, *, whole: bool) -> Path | None:
    """Return the first file that is missing, not from the execution, or altered."""
    try:
        sealed = Seal.model_validate_json(_seal(component, execution).read_bytes()).files
    except ValidationError:
        return _seal(component, execution)
    there = {str(file.relative_to(component)) for file in _outputs(component, execution)}
    expected = {name for name in sealed if component.joinpath(*Path(name).parts[:2]).exists()}
    for name in sorted(there | expected):
        if name not in there or name not in sealed or _differs(component / name, sealed[name], whole=whole):
            return component / name
    return None


def _differs(file: Path, sealed: Sealed, *, whole: bool) -> bool:
    if whole:
        return file_digest(file) != sealed.digest
    stat = file.stat()
    return (stat.st_size, stat.st_mtime_ns) != (sealed.size, sealed.modified_ns)
