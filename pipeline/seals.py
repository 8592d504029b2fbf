"""Whether what a run takes from the cache is still what was written: a digest of each file, kept as it was written.

TFX's cache asks only whether the folder exists. A power cut may leave empty files in it, and people edit.
"""

from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from models.settings import Settings
from pipeline.fingerprint import file_digest
from pipeline.metadata.connection import open_store
from pipeline.workspace import Workspace
from serving.store import write_file


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


def seal_outputs(workspace: Workspace, component: str) -> None:
    """Seal what a component wrote last, unless it is sealed.

    Raises:
        OSError: a file can't be read or the seal can't be written.
    """
    folder = workspace.artifacts / component
    execution = max((int(path.name) for path in folder.glob("*/*") if path.name.isdecimal()), default=None)
    seal = workspace.seals / component / f"{execution}.json"
    if execution is None or seal.exists():
        return
    files = {str(file.relative_to(folder)): _describe(file) for file in _outputs(folder, execution)}
    seal.parent.mkdir(parents=True, exist_ok=True)
    write_file(seal, Seal(files=files).model_dump_json())


def find_altered(workspace: Workspace) -> list[Altered]:
    """Return the executions whose outputs differ from their seals.

    The last of each component, the one that an unchanged run takes, is read in full; of the others size and time of
    each file are compared. A folder that is gone is no fault, TFX sees that itself; a seal without any is removed.
    """
    found = []
    for folder in sorted(workspace.seals.glob("*")):
        seals = sorted(folder.glob("*.json"), key=lambda seal: int(seal.stem))
        for seal in seals:
            component = workspace.artifacts / folder.name
            if not any(component.glob(f"*/{seal.stem}")):
                seal.unlink()
            elif file := _find_difference(component, seal, whole=seal is seals[-1]):
                found.append(Altered(folder.name, int(seal.stem), file))
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
        (workspace.seals / execution.component / f"{execution.execution}.json").unlink()


def _outputs(component: Path, execution: int) -> list[Path]:
    return sorted(file for path in component.glob(f"*/{execution}") for file in path.rglob("*") if file.is_file())


def _describe(file: Path) -> Sealed:
    stat = file.stat()
    return Sealed(size=stat.st_size, modified_ns=stat.st_mtime_ns, digest=file_digest(file))


def _find_difference(component: Path, seal: Path, *, whole: bool) -> Path | None:
    """Return the first file that is missing, not from the execution, or altered."""
    try:
        sealed = Seal.model_validate_json(seal.read_bytes()).files
    except ValidationError:
        return seal
    there = {str(file.relative_to(component)) for file in _outputs(component, int(seal.stem))}
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
