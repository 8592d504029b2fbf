"""The report of one run, from what its components left behind; also of a run that the data gate has blocked."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from models.spec import columns_read, target_kind
from pipeline.errors import InputError
from pipeline.examples.load import Label
from pipeline.examples.ranking import RANKING_FILE, Ranking
from pipeline.gate.verdict import Verdict, read_verdict
from pipeline.lineage import Run, find_maker, find_run, read_runs
from pipeline.metadata.connection import place
from pipeline.metrics import read_folds
from pipeline.problem import LoadedProblem
from pipeline.reasons import read_reasons
from pipeline.report.model import model_sources
from pipeline.report.origin import read_origin
from pipeline.report.page import write_report
from pipeline.report.sources import Counts, ReportSources
from pipeline.stage import Stage, rejected_files
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from schemas.anomalies import Anomaly

LOOK_BACK = 20
"""Runs that are searched for the newest that read its data, and for the data before."""


def choose_run(workspace: Workspace, wanted: str | None = None) -> Run:
    """Return the `wanted` run (`lineage.find_run`); left out, the newest that read its data.

    Raises:
        InputError: no such run.
    """
    if wanted is not None:
        return find_run(workspace, wanted)
    for run in read_runs(workspace, LOOK_BACK):
        if run.output("Examples"):
            return run
    raise InputError(f"{place(workspace)}: expected a run that read its data, received none; `penstock run` is one")


def write_run_report(loaded: LoadedProblem, run: Run, out: Path | None = None) -> Path:
    """Write the report of `run` to `out` (None: into the workspace, by the run's id) and return the file's path.

    Raises:
        InputError: the run did not come as far as ExampleGen, its examples are gone or the file can't be written.
    """
    out = out or loaded.workspace.reports / f"{run.run_id}.html"
    sources = read_sources(loaded, run)
    try:
        write_report(sources, out)
    except OSError as error:
        raise InputError(f"{out}: the report can't be written: {error.strerror}") from error
    return out


def read_sources(loaded: LoadedProblem, run: Run) -> ReportSources:
    """Return what the report of `run` is made of.

    Raises:
        InputError: the run did not come as far as ExampleGen, or what a component left is damaged.
    """
    examples = run.output("Examples")
    if examples is None:
        raise InputError(f"run {run.run_id}: expected one that read its data, received one that stopped before")
    target, split, workspace = loaded.problem.target, loaded.problem.split, loaded.workspace
    verdict = _verdict(run, loaded.file.path)
    previous_run, previous = _previous(workspace, run, verdict)
    stages = _stages(workspace, examples)
    return ReportSources(
        problem=loaded.problem.name,
        run_id=run.run_id,
        examples=Path(examples.uri),
        splits=tuple(json.loads(examples.properties["split_names"].string_value)),
        label=Label(column=target.column, kind=target_kind(target).LABELS, positive=getattr(target, "positive", None)),
        features=tuple(columns_read(loaded.problem.features or {})),
        time_column=split.column if split.by == "time" else None,
        slice_columns=tuple(
            keys[0] for keys in loaded.problem.evaluation.sliced if len(keys) == 1 and isinstance(keys[0], str)
        ),
        spans=tuple(_text(examples, "spans").split()),
        previous=previous,
        previous_run=previous_run,
        ranking=_ranking(run),
        anomalies=_anomalies(run),
        verdict=verdict,
        folds=read_folds(run),
        model=model_sources(run),
        origin=read_origin(run, {each.id: each.reason for each in read_reasons(workspace, run.run_id)}),
        counts=_counts(examples, stages),
        quarantine=None
        if stages is None
        else tuple(file for each in stages for file in rejected_files(workspace.stages, each.digest)),
    )


def _ranking(run: Run) -> Ranking | None:
    """Return what the run's features were selected by; None if they were not."""
    artifact = run.output("RankedFeatures")
    if artifact is None:
        return None
    try:
        return Ranking.model_validate_json(Path(artifact.uri, RANKING_FILE).read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{artifact.uri}: expected the ranking of the features: {error}") from error


def _text(artifact: Any, name: str) -> str:
    text: str = artifact.custom_properties[name].string_value
    return text


def _verdict(run: Run, problem: Path) -> Verdict | None:
    """Return what the data gate decided, its commands with the problem's file; None if it did not run."""
    artifact = run.output("DataVerdict")
    if artifact is None:
        return None
    try:
        verdict = read_verdict(Path(artifact.uri))
    except (OSError, ValueError) as error:
        raise InputError(f"{artifact.uri}: expected the data gate's verdict: {error}") from error
    file = shlex.quote(str(problem))
    findings = [
        each.model_copy(update={"accept": each.accept.replace(" PROBLEM ", f" {file} ", 1)})
        for each in verdict.findings
    ]
    return verdict.model_copy(update={"findings": tuple(findings)})


class _Previous(NamedTuple):
    """An earlier run: its id, and the folder of its examples if they are there and others than this run's."""

    run_id: str = ""
    examples: Path | None = None


def _previous(workspace: Workspace, run: Run, verdict: Verdict | None) -> _Previous:
    """Return the run that the gate compared with; if it did not run, the newest one before with other data."""
    if verdict is not None:
        earlier = _find(workspace, verdict.compared_with)
        return _Previous(earlier.run_id, _other_examples(earlier, run)) if earlier else _Previous()
    for earlier in read_runs(workspace, LOOK_BACK, before=run.run_id):
        folder = _other_examples(earlier, run)
        if folder:
            return _Previous(earlier.run_id, folder)
    return _Previous()


def _find(workspace: Workspace, verdict_id: str) -> Run | None:
    """Return the run that made the verdict of that id in ML Metadata."""
    if not verdict_id.isdecimal():
        return None
    maker = find_maker(workspace, int(verdict_id))
    made = maker.output("DataVerdict") if maker else None
    return maker if made is not None and made.id == int(verdict_id) else None


def _other_examples(earlier: Run, run: Run) -> Path | None:
    examples = earlier.output("Examples")
    if examples is None or examples.uri == run.output("Examples").uri or not Path(examples.uri).exists():
        return None
    return Path(examples.uri)


def _stages(workspace: Workspace, examples: Any) -> list[Stage] | None:
    """Return what was read for these examples; None if a later reading has taken its place."""
    files = [workspace.stages / digest / "stage.json" for digest in _text(examples, "content_digest").split()]
    if not files or not all(file.exists() for file in files):
        return None
    return [Stage.model_validate_json(file.read_text("utf-8")) for file in files]


def _counts(examples: Any, stages: list[Stage] | None) -> Counts:
    """Return the counts of what was read, as far as it is still there, and of the examples."""
    written = examples.custom_properties
    read = stages or []
    return Counts(
        read=sum(sum(each.read.values()) for each in read) if read else None,
        rejected=sum(sum(each.rejected.values()) for each in read) if read else None,
        repeated=sum(each.duplicates for each in read) if read else None,
        without_label=written["rows_without_label"].int_value,
        overlapping=written["rows_overlapping"].int_value,
    )


def _anomalies(run: Run) -> "tuple[Anomaly, ...] | None":
    """Return what ExampleValidator found in any split, each once; None if it did not run."""
    from google.protobuf.message import DecodeError
    from tensorflow_metadata.proto.v0.anomalies_pb2 import Anomalies

    from schemas.anomalies import explain

    folder = run.output("ExampleAnomalies")
    if folder is None:
        return None
    found: dict[tuple[str, str, str], Anomaly] = {}
    for file in sorted(Path(folder.uri).glob("Split-*/SchemaDiff.pb")):
        try:
            split = Anomalies.FromString(file.read_bytes())
        except DecodeError as error:
            raise InputError(f"{file}: expected ExampleValidator's anomalies: {error}") from error
        found |= {(each.feature, each.kind, each.found): each for each in explain(split, split.baseline)}
    return tuple(found.values())
