"""From examples to a verdict: measure, let every check look, apply the problem's policy."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from models.discovery import discover
from models.settings import Settings
from models.spec import ModelSpec, target_kind
from pipeline.examples.load import ExamplesFolder, Label
from pipeline.gate.checks import Found, Seen
from pipeline.gate.facts import FACTS_FILE, Facts, read_facts
from pipeline.gate.measure import Question, measure
from pipeline.gate.statistics import STATISTICS_FILE, to_statistics
from pipeline.gate.verdict import VERDICT_FILE, Finding, Level, Verdict
from pipeline.problem import DataGate, Problem
from pipeline.splits import columns, names
from pipeline.tables import connect, explain_errors
from schemas.anomalies import Anomaly

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.schema_pb2 import Schema
    from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList as Statistics

CHECKS = "pipeline.gate.checks"
ORDER: dict[Level, int] = {"block": 0, "accepted": 1, "warn": 2}


class GateRequest(Settings):
    """The gate's part of the problem, and the key of its cache.

    Attributes:
        splits: names, the training split first.
        label: what the model predicts.
        features: what it reads.
        split_by: how the rows are split.
        split_columns: the columns that this goes by.
        policy: the problem's `data_gate`.
        accepted: names of findings that somebody has accepted for this data.
        schema_source: which schema it is held against.
        serving: file with TFDV's statistics of the data that was served.
        code: digest of the gate's code.
    """

    splits: tuple[str, ...]
    label: Label
    features: tuple[str, ...]
    split_by: str
    split_columns: tuple[str, ...] = ()
    policy: DataGate = DataGate()
    accepted: tuple[str, ...] = ()
    schema_source: Literal["curated", "inferred"] = "curated"
    serving: Path | None = None
    code: str = ""


def request_for(problem: Problem, spec: ModelSpec, **more: Any) -> GateRequest:
    """Return the gate's part of a problem; `more` are what the problem does not know: accepted, serving, code."""
    target, split = problem.target, problem.split
    return GateRequest(
        splits=tuple(names(split)),
        label=Label(column=target.column, kind=target_kind(target).LABELS, positive=getattr(target, "positive", None)),
        features=tuple(spec.inputs.columns),
        split_by=split.by,
        split_columns=tuple(columns(split).values()),
        policy=problem.data_gate,
        schema_source="curated" if problem.schema_file else "inferred",
        **more,
    )


class Case(NamedTuple):
    """What is judged.

    Attributes:
        request: the problem's part.
        examples: folder of the examples.
        schema: what the data has to be like.
        anomalies: what ExampleValidator found.
        overlapping: rows of other splits that equal a training row.
        previous: folder of the verdict on the data to compare with.
        compared_with: ML Metadata's id of that verdict.
        named: that data in words.
    """

    request: GateRequest
    examples: Path
    schema: "Schema"
    anomalies: tuple[Anomaly, ...] = ()
    overlapping: int = 0
    previous: Path | None = None
    compared_with: str = ""
    named: str = "the data before"


def judge(case: Case, out: Path) -> Verdict:
    """Return the verdict; write it, and what the next run's data will be compared with, to the folder `out`."""
    request = case.request
    before = read_facts(case.previous) if case.previous else None
    question = Question(
        ExamplesFolder(case.examples, request.splits, request.label),
        request.features,
        request.split_columns[0] if request.split_by == "time" else None,
        case.overlapping,
        before,
    )
    with connect() as connection, explain_errors():
        measured = measure(connection, question)
    statistics = to_statistics(measured)
    seen = Seen(
        facts=measured.facts,
        before=before,
        named=case.named,
        schema=case.schema,
        is_curated=request.schema_source == "curated",
        statistics=statistics,
        earlier=_read_statistics(case.previous / STATISTICS_FILE) if case.previous else None,
        serving=_read_statistics(request.serving) if request.serving else None,
        anomalies=case.anomalies,
        features=request.features,
        label_kind=request.label.kind,
        split_by=request.split_by,
        split_columns=request.split_columns,
    )
    verdict = Verdict(
        schema_source=request.schema_source,
        compared_with=case.compared_with,
        named=case.named if before else "",
        findings=find_all(seen, request),
    )
    _write(out, verdict, measured.facts, statistics)
    return verdict


def find_all(seen: Seen, request: GateRequest) -> tuple[Finding, ...]:
    """Return what the checks find, blocking findings first."""
    findings = []
    for name, check in discover(CHECKS).items():
        if name in request.policy.ignore:
            continue
        limits = check.Limits.model_validate(request.policy.limits.get(name, {}))
        level = level_of(request.policy, name, check.LEVEL)
        findings += [_finding(name, level, found, request) for found in check.find(seen, limits)]
    return tuple(sorted(findings, key=lambda finding: ORDER[finding.level]))


def level_of(policy: DataGate, check: str, default: Level) -> Level:
    """Return what the check's findings do by the problem's policy."""
    return "block" if check in policy.block else "warn" if check in policy.warn else default


def _finding(check: str, level: Level, found: Found, request: GateRequest) -> Finding:
    finding = Finding(check=check, level=level, feature=found.feature, message=found.message)
    if level == "block" and not found.certain:
        return finding.model_copy(update={"level": "warn"})
    if level == "block" and finding.name in request.accepted:
        return finding.model_copy(update={"level": "accepted"})
    return finding.model_copy(update={"accept": f"penstock {found.accept or f'run PROBLEM --accept {finding.name}'}"})


def _read_statistics(file: Path) -> "Statistics":
    from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList

    return DatasetFeatureStatisticsList.FromString(file.read_bytes())


def _write(out: Path, verdict: Verdict, facts: Facts, statistics: "Statistics") -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / FACTS_FILE).write_text(facts.model_dump_json())
    (out / STATISTICS_FILE).write_bytes(statistics.SerializeToString())
    (out / VERDICT_FILE).write_text(verdict.model_dump_json(indent=1))
