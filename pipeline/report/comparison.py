"""Two runs side by side: data, schema, settings, metrics, gates, times. Needs no TensorFlow.

Where both have judged the same rows, the difference of a metric has a paired interval (`pipeline.bootstrap`): what is
hard about the rows cancels in it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from models.settings import Settings
from models.spec import InputSpec
from pipeline.blessing import BLESSING_FILE, Blessing, Judged, read_blessing
from pipeline.bootstrap import estimate, resampled, weigh
from pipeline.errors import InputError
from pipeline.evaluation import CANDIDATE, LABEL, METRICS, formula_of, metric_settings
from pipeline.formulas import Array, Formula, Ranked
from pipeline.judging import Evaluation
from pipeline.lineage import Run, find_run, read_properties, read_runs
from pipeline.predictions import ROWS_FILE, stacked
from pipeline.report.origin import Origin, pushed_version, read_origin
from pipeline.workspace import Workspace

ALL = 10_000
"""Runs that are looked through for a version."""
STATUS_NAME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
"""What `penstock status` calls a run: when its first component started."""


class Side(Settings):
    """One of the runs.

    Attributes:
        run_id: TFX's id.
        started: when its first component did.
        outcome: what it came to, in words.
        version: that is served after it; empty without one.
        rows: by split.
        digests: of the rows of each split.
        origin: data, schema, transform, model and version with their digests; times.
        failed: the gates' answers that did not let the model through, in words.
        passed: the others.
        split: that was judged; empty of a run without a verdict.
    """

    run_id: str
    started: datetime
    outcome: str
    version: str
    rows: dict[str, int]
    digests: dict[str, str]
    origin: Origin
    failed: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    split: str = ""


class Change(Settings):
    """A setting that differs: its key path in the YAML, and its value in either run; None: not there."""

    key: str
    first: str | None
    second: str | None


class MetricPair(Settings):
    """A metric of all judged rows in either run; of the same rows the second less the first with its interval."""

    metric: str
    first: Judged | None
    second: Judged | None
    difference: tuple[float, float, float] | None = None
    verdict: Literal["better", "worse", "same"] | None = None


class Comparison(Settings):
    """Two runs side by side.

    Attributes:
        problem: its name.
        sides: the runs.
        settings: those that differ.
        metrics: of all judged rows.
        paired_rows: how many rows both have judged; None if they are not the same.
    """

    problem: str
    sides: tuple[Side, Side]
    settings: tuple[Change, ...]
    metrics: tuple[MetricPair, ...]
    paired_rows: int | None


class _Read(NamedTuple):
    """A run, what its components were given, and the verdict on its model."""

    run: Run
    given: dict[str, Any]
    blessing: Blessing | None


def choose(workspace: Workspace, wanted: str) -> Run:
    """Return a run by its id, the beginning of it, -1, -2, ..., its name in `penstock status`, or a pushed version.

    Raises:
        InputError: no such run.
    """
    if wanted.isdecimal() or STATUS_NAME.fullmatch(wanted):
        named = [run for run in read_runs(workspace, ALL) if wanted in {pushed_version(run), _status_name(run)}]
        if named:
            # the run that pushed it is the oldest that knows it
            return named[-1]
    return find_run(workspace, wanted)


def _status_name(run: Run) -> str:
    return f"{run.started:%Y-%m-%d %H:%M:%S}"


def compare(workspace: Workspace, first: Run, second: Run) -> Comparison:
    """Return what is different in two runs.

    Raises:
        InputError: what a component left is damaged.
    """
    one, other = _read(workspace, first), _read(workspace, second)
    sides = (_side(one), _side(other))
    rows = _same_rows(one, other, sides)
    return Comparison(
        problem=workspace.name,
        sides=sides,
        settings=tuple(_changes(one.given, other.given)),
        metrics=tuple(_pairs(one, other, rows)),
        paired_rows=len(rows.labels) if rows else None,
    )


def _read(workspace: Workspace, run: Run) -> _Read:
    evaluation = run.output("ModelEvaluation")
    blessing = None
    if evaluation is not None and Path(evaluation.uri, BLESSING_FILE).exists():
        try:
            blessing = read_blessing(Path(evaluation.uri))
        except ValueError as error:
            raise InputError(f"{evaluation.uri}: expected what an Evaluator leaves: {error}") from error
    return _Read(run, _settings(read_properties(workspace, run)), blessing)


def _side(read: _Read) -> Side:
    run, blessing = read.run, read.blessing
    examples = run.output("Examples")
    written = examples.custom_properties if examples else {}
    splits = json.loads(examples.properties["split_names"].string_value) if examples else []
    return Side(
        run_id=run.run_id,
        started=run.started,
        outcome=_outcome(read),
        version=pushed_version(run),
        rows={split: written[f"rows_{split}"].int_value for split in splits if f"rows_{split}" in written},
        digests={split: written[f"digest_{split}"].string_value for split in splits if f"digest_{split}" in written},
        origin=read_origin(run),
        failed=tuple(blessing.refusals) if blessing else (),
        passed=tuple(gate.words() for gate in blessing.gates if gate.passed) if blessing else (),
        split=blessing.split if blessing else "",
    )


def _outcome(read: _Read) -> str:
    if broken := read.run.broken:
        return f"{broken.component} {broken.state}"
    if read.run.is_blocked:
        return "blocked by the data gate"
    if read.blessing and not read.blessing.blessed:
        return "blocked by a gate"
    return f"version {version}" if (version := pushed_version(read.run)) else "complete"


def _settings(properties: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return what the components were given in the YAML's form, with the digest of the code of each."""
    request = _parsed(properties, "ExampleGen", "request")
    trainer, pusher = (_parsed(properties, name, "custom_config") for name in ("Trainer", "Pusher"))
    spec = json.loads(trainer.get("spec", "{}"))
    judged = json.loads(_parsed(properties, "Evaluator", "settings").get("request", "{}"))
    codes = {
        "ExampleGen": request.get("code"),
        "Transform": _parsed(properties, "Transform", "custom_config").get("code"),
        "Trainer": trainer.get("code"),
        "Evaluator": judged.get("code"),
    }
    return {
        "split": request.get("split", {}),
        "source": {"query": request["query"]} if request.get("query") else {},
        "target": spec.get("inputs", {}).get("target", {}),
        "features": spec.get("inputs", {}).get("features", {}),
        "model": spec.get("model", {}),
        "training": spec.get("training", {}),
        "evaluation": judged.get("evaluation", {}),
        "push": pusher.get("problem", {}).get("push", {}),
        "code": {name: digest for name, digest in codes.items() if digest},
    }


def _parsed(properties: Mapping[str, Mapping[str, str]], component: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(properties.get(component, {}).get(name, "{}"))
    return found


def _changes(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Change]:
    one, other = dict(_flat(first)), dict(_flat(second))
    for key in dict.fromkeys([*one, *other]):
        if one.get(key) != other.get(key):
            yield Change(key=key, first=one.get(key), second=other.get(key))


def _flat(settings: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield key paths and values as text; what is null is not there."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{name}.")
        elif value is not None:
            yield f"{path}{name}", value if isinstance(value, str) else json.dumps(value)


class _Rows(NamedTuple):
    """The rows that both have judged: labels, and the predictions of either."""

    labels: Array
    first: Array
    second: Array


def _same_rows(one: _Read, other: _Read, sides: tuple[Side, Side]) -> _Rows | None:
    split, digests = sides[0].split, [side.digests.get(side.split) for side in sides]
    if not split or split != sides[1].split or not digests[0] or digests[0] != digests[1]:
        return None
    first, second = _predictions(one), _predictions(other)
    if first is None or second is None or not np.array_equal(first[0], second[0], equal_nan=True):
        return None
    return _Rows(first[0], first[1], second[1])


def _predictions(read: _Read) -> tuple[Array, Array] | None:
    """Return the labels and predictions of the rows that a run judged; None if they are gone."""
    import pyarrow.parquet as pq

    file = Path(read.run.output("ModelEvaluation").uri, ROWS_FILE)
    if not file.exists():
        return None
    table = pq.read_table(file, columns=[LABEL, CANDIDATE])
    return stacked(table[LABEL]), stacked(table[CANDIDATE])


def _pairs(one: _Read, other: _Read, rows: _Rows | None) -> Iterator[MetricPair]:
    first, second = (_overall(each.blessing) for each in (one, other))
    differences = _differences(one, other, rows) if rows else {}
    for name in [name for name in METRICS if name in first or name in second]:
        pair = MetricPair(metric=name, first=first.get(name), second=second.get(name))
        if name in differences:
            told = second[name].model_copy(update={"difference": differences[name]})
            pair = pair.model_copy(update={"difference": differences[name], "verdict": told.verdict()})
        yield pair


def _overall(blessing: Blessing | None) -> dict[str, Judged]:
    return {each.metric: each for each in blessing.metrics if not each.slice} if blessing else {}


def _differences(one: _Read, other: _Read, rows: _Rows) -> dict[str, tuple[float, float, float]]:
    """Return the second less the first with its interval, of the metrics that both have."""
    metrics, others = _formulas(one), _formulas(other)
    both = [name for name in metrics if name in others]
    evaluation = Evaluation.model_validate(other.given["evaluation"])
    weights = weigh(len(rows.labels), evaluation.resamples)
    first = resampled({name: metrics[name] for name in both}, rows.labels, rows.first, weights)
    second = resampled({name: others[name] for name in both}, rows.labels, rows.second, weights)
    found = {}
    for name in both:
        between = estimate(second[name] - first[name])
        if np.isfinite(between.value) and np.isfinite(between.deviation):
            found[name] = (between.value, *between.interval(evaluation.confidence))
    return found


def _formulas(read: _Read) -> dict[str, Formula | Ranked]:
    """Return the run's metrics, each model's decisions at its own threshold."""
    assert read.blessing is not None
    threshold = 0.5 if read.blessing.threshold is None else read.blessing.threshold
    try:
        evaluation = Evaluation.model_validate(read.given["evaluation"])
        inputs = InputSpec.model_validate({"types": {}, **{name: read.given[name] for name in ("features", "target")}})
    except ValueError as error:
        raise InputError(f"run {read.run.run_id}: expected settings that this version knows: {error}") from error
    settings = metric_settings(inputs.target, evaluation, threshold)
    return {name: formula_of(name, settings) for name in _overall(read.blessing) if METRICS[name].formula}
