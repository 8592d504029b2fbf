"""Where a run's model comes from, and what its components took: what ML Metadata knows of them."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from models.settings import Settings
from pipeline.fingerprint import file_digest
from pipeline.lineage import Run
from pipeline.report.model import SERVING_FOLDER
from serving.manifest import digest_files, digest_model, read_manifest


class Ancestor(Settings):
    """Something that a version was made of.

    Attributes:
        name: what it is.
        artifact: its id in ML Metadata.
        digest: of its content; empty if it is gone.
        made: when.
        detail: what else there is to say.
    """

    name: str
    artifact: int
    digest: str
    made: datetime
    detail: str = ""


class Timing(Settings):
    """What a component took and why it ran; `state` is a value of `pipeline.lineage.STATES`."""

    component: str
    state: str
    seconds: float
    reason: str = ""


class Origin(Settings):
    """Data, schema, transform, model and version, as far as the run came; and every component."""

    ancestors: tuple[Ancestor, ...]
    timings: tuple[Timing, ...]


def read_origin(run: Run, reasons: Mapping[str, str] = MappingProxyType({})) -> Origin:
    """Return where the run's model comes from; `reasons` tell why each component ran."""
    timings = [
        Timing(
            component=each.component,
            state=each.state,
            seconds=round(each.seconds, 2),
            reason=reasons.get(each.component, ""),
        )
        for each in run.executions
    ]
    return Origin(ancestors=tuple(_ancestors(run)), timings=tuple(timings))


def folder_digest(folder: Path) -> str:
    """Return a digest of a folder's files, of a model the one of its pushed version; empty without files."""
    files = digest_files(folder)
    return digest_model(files) if files else ""


def pushed_version(run: Run) -> str:
    """Return the version that is served after the run; empty if it pushed none and found none."""
    pushed = run.output("PushedModel")
    version: str = pushed.custom_properties["pushed_version"].string_value if pushed else ""
    return version


def _ancestors(run: Run) -> Iterator[Ancestor]:
    examples, schema = run.output("Examples"), run.output("Schema")
    if examples:
        rows = sum(value.int_value for name, value in examples.custom_properties.items() if _is_count(name))
        yield _ancestor("data", examples, examples.custom_properties["content_digest"].string_value, f"{rows:,} rows")
    if schema:
        file = Path(schema.uri, "schema.pbtxt")
        yield _ancestor("schema", schema, file_digest(file) if file.exists() else "")
    for name, type_name, folder in (("transform", "TransformGraph", ""), ("model", "Model", SERVING_FOLDER)):
        artifact = run.output(type_name)
        if artifact:
            yield _ancestor(name, artifact, folder_digest(Path(artifact.uri, folder)))
    version = pushed_version(run)
    if version:
        pushed = run.output("PushedModel")
        destination = Path(pushed.custom_properties["pushed_destination"].string_value)
        manifest = read_manifest(destination)
        yield _ancestor("version", pushed, manifest.digest if manifest else "", version)


def _is_count(name: str) -> bool:
    return name.startswith("rows_") and name not in {"rows_without_label", "rows_overlapping"}


def _ancestor(name: str, artifact: Any, digest: str, detail: str = "") -> Ancestor:
    made = datetime.fromtimestamp(artifact.create_time_since_epoch / 1000, UTC)
    return Ancestor(name=name, artifact=artifact.id, digest=digest, made=made, detail=detail)
