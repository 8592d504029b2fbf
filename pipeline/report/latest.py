"""The report of a problem's newest run, from what its components left behind."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.examples.load import Label
from pipeline.lineage import Run, read_runs
from pipeline.problem import LoadedProblem
from pipeline.report.page import write_report
from pipeline.report.sources import Counts, ReportSources
from pipeline.splits import names
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from schemas.anomalies import Anomaly

LOOK_BACK = 20
"""Runs that are searched for the data before."""


def report_latest(loaded: LoadedProblem, workspace: Workspace, out: Path | None = None) -> Path:
    """Write the report of the newest run whose data was ingested to `out` and return the file's path.

    Raises:
        InputError: no run came as far as ExampleGen.
    """
    runs = [run for run in read_runs(workspace, LOOK_BACK) if run.output("Examples")]
    if not runs:
        raise InputError(
            f"{workspace.metadata}: expected a run that read its data, received none; `penstock run` is one"
        )
    newest, examples = runs[0], runs[0].output("Examples")
    earlier = (run.output("Examples").uri for run in runs[1:])
    previous = next((uri for uri in earlier if uri != examples.uri and Path(uri).exists()), None)
    target, split = loaded.problem.target, loaded.problem.split
    sources = ReportSources(
        problem=loaded.problem.name,
        run_id=newest.run_id,
        examples=Path(examples.uri),
        splits=tuple(names(split)),
        label=Label(column=target.column, kind=target.kind, positive=getattr(target, "positive", None)),
        features=tuple(loaded.problem.features or ()),
        time_column=split.column if split.by == "time" else None,
        slice_columns=tuple(keys[0] for keys in loaded.problem.evaluation.slices if len(keys) == 1),
        spans=tuple(_text(examples, "spans").split()),
        previous=Path(previous) if previous else None,
        anomalies=_anomalies(newest),
        counts=Counts(
            without_label=examples.custom_properties["rows_without_label"].int_value,
            overlapping=examples.custom_properties["rows_overlapping"].int_value,
        ),
        quarantine=workspace.quarantine if workspace.quarantine.exists() else None,
    )
    out = out or workspace.reports / f"{newest.run_id}.html"
    out.parent.mkdir(parents=True, exist_ok=True)
    write_report(sources, out)
    return out


def _text(artifact: Any, name: str) -> str:
    text: str = artifact.custom_properties[name].string_value
    return text


def _anomalies(run: Run) -> "tuple[Anomaly, ...] | None":
    """Return what ExampleValidator found in any split, each once."""
    from tensorflow_metadata.proto.v0.anomalies_pb2 import Anomalies

    from schemas.anomalies import explain

    folder = run.output("ExampleAnomalies")
    if folder is None:
        return None
    found: dict[tuple[str, str, str], Anomaly] = {}
    for file in sorted(Path(folder.uri).glob("Split-*/SchemaDiff.pb")):
        split = Anomalies.FromString(file.read_bytes())
        found |= {(each.feature, each.kind, each.found): each for each in explain(split, split.baseline)}
    return tuple(found.values())
