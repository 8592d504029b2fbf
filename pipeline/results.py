"""What a run came to: the object that `penstock run --json` prints and the summary shows."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.settings import Settings
from pipeline.blessing import Blessing, read_blessing
from pipeline.evaluation import EVAL_SPLIT
from pipeline.examples.ranking import Ranking
from pipeline.gate.verdict import Verdict, read_verdict
from pipeline.infra.verdict import Verdict as InfraVerdict
from pipeline.infra.verdict import read_infra
from pipeline.lineage import Run
from pipeline.memory import peak_memory_bytes
from pipeline.metrics import Folds, SliceMetrics, read_folds, read_metrics
from pipeline.reasons import ComponentResult

if TYPE_CHECKING:
    from pipeline.graph import Plan


class PushedModel(Settings):
    """The model that is served: `fresh` if this run pushed it."""

    version: int
    path: Path
    fresh: bool


class RunResult(Settings):
    """A finished run.

    Attributes:
        problem: its name.
        run_id: TFX's id of the run.
        seconds: from the loading of TFX to the push; the checks before it are not in it.
        components: in the order they ran, each with the reason.
        rows: by split.
        rows_without_label: dropped.
        rows_rejected: refused while reading, in the quarantine.
        rows_duplicated: that equal an earlier row.
        rows_overlapping: outside of the train split, that equal a training row.
        spans: that were read; empty without spans.
        features: how many.
        ranking: what they and those that were left out tell of the label; None if none was selected.
        evaluated_split: which one the metrics are of.
        metrics: all rows first, then by slice.
        folds: how far the metrics can be trusted; None without a cross-validation.
        data_gate: what the data gate found, with the schema that the data was held against.
        blessing: the metrics with their intervals, beside the served model's, and the gates' answers.
        infra: what a server of its own showed of the model.
        blessed: whether the gates and the server let the model through.
        refusals: which did not, in words.
        pushed: the served version, None if there is none.
        withheld: why a blessed model was not pushed: somebody rolled it back, or `--no-push` holds it.
        peak_memory_bytes: of this process.
        log: the run's log file.
    """

    problem: str
    run_id: str
    seconds: float
    components: list[ComponentResult]
    rows: dict[str, int]
    rows_without_label: int
    rows_rejected: int
    rows_duplicated: int
    rows_overlapping: int
    spans: tuple[str, ...]
    features: int
    ranking: Ranking | None = None
    evaluated_split: str
    metrics: list[SliceMetrics]
    folds: Folds | None
    data_gate: Verdict
    blessing: Blessing
    infra: InfraVerdict
    blessed: bool
    refusals: list[str]
    pushed: PushedModel | None
    withheld: str = ""
    peak_memory_bytes: int
    log: Path


def collect(plan: "Plan", run: Run, reasons: list[ComponentResult], seconds: float, log: Path) -> RunResult:
    """Read the result of `run` from its artifacts; `reasons` are its components with why they ran."""
    from pipeline.splits import judged, names

    examples = run.output("Examples").custom_properties
    evaluation = Path(run.output("ModelEvaluation").uri)
    blessing = read_blessing(evaluation)
    infra = read_infra(run)
    splits = names(plan.problem.split)
    return RunResult(
        problem=plan.problem.name,
        run_id=run.run_id,
        seconds=round(seconds, 2),
        components=reasons,
        rows={split: examples[f"rows_{split}"].int_value for split in splits},
        rows_without_label=examples["rows_without_label"].int_value,
        rows_rejected=sum(count for each in plan.stages for count in each.rejected.values()),
        rows_duplicated=sum(each.duplicates for each in plan.stages),
        rows_overlapping=examples["rows_overlapping"].int_value,
        spans=plan.request.spans,
        features=len(plan.spec.inputs.features),
        ranking=plan.ranking,
        evaluated_split=judged(plan.problem.split),
        metrics=[each for each in read_metrics(evaluation) if EVAL_SPLIT not in each.slice],
        blessing=blessing,
        folds=read_folds(run),
        data_gate=read_verdict(Path(run.output("DataVerdict").uri)),
        infra=infra,
        blessed=blessing.blessed and not infra.refusals,
        refusals=[*blessing.refusals, *infra.refusals],
        pushed=_pushed(run.output("PushedModel")),
        withheld=run.output("PushedModel").custom_properties["withheld"].string_value,
        peak_memory_bytes=peak_memory_bytes(),
        log=log,
    )


def _pushed(artifact: Any) -> PushedModel | None:
    properties = artifact.custom_properties
    if properties["pushed"].int_value != 1:
        return None
    return PushedModel(
        version=int(properties["pushed_version"].string_value),
        path=Path(properties["pushed_destination"].string_value),
        fresh=properties["fresh"].int_value == 1,
    )
