"""Whether a model may be pushed: its metrics with their intervals, beside the served model's, against the gates.

What holds for all rows is judged by itself; that a model is better or no worse than the served one must be shown on the
same rows. Slices are many, so one of them fails by chance now and then: what is held against a slice must be shown for
all tests of the run together (Holm, "A simple sequentially rejective multiple test procedure", 1979).
"""

import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, ConfigDict

from models.settings import Settings
from pipeline.bootstrap import Estimate, estimate, farthest, gap_of, resampled, weigh
from pipeline.evaluation import BASELINE, CANDIDATE, METRICS
from pipeline.formulas import Array, Formula, Ranked
from pipeline.judging import Bounds, Evaluation

Slice = dict[str, str]
Key = tuple[tuple[str, str], ...]
BLESSING_FILE = "blessing.json"


def _read(value: Any) -> Any:
    return math.nan if value is None else value


Number = Annotated[float, BeforeValidator(_read)]
"""NaN is null in JSON."""


class _Numbers(Settings):
    model_config = ConfigDict(allow_inf_nan=True)


class Judged(_Numbers):
    """A metric of a slice.

    Attributes:
        metric: its name.
        slice: value by column, empty for all rows.
        rows: of the slice.
        value: of the candidate.
        low, high: its interval.
        served: the served model's value, None without one.
        difference: candidate less served, with its interval, None without a served model.
        negligible: difference that two trainings of one model may have.
    """

    metric: str
    slice: Slice
    rows: int
    value: Number
    low: Number
    high: Number
    served: float | None = None
    difference: tuple[Number, Number, Number] | None = None
    negligible: Number = 0.0

    def verdict(self) -> Literal["better", "worse", "same"] | None:
        """Return what the interval of the difference shows; None without a served model or a direction.

        Two trainings of one model differ on any rows, however many: so much must be exceeded.
        """
        higher = METRICS[self.metric].higher_is_better
        if self.difference is None or higher is None:
            return None
        _, low, high = self.difference
        above, below = low > self.negligible, high < -self.negligible
        ahead, behind = (above, below) if higher else (below, above)
        return "better" if ahead else "worse" if behind else "same"


class GateResult(_Numbers):
    """One gate's answer.

    Attributes:
        metric: its name.
        gate: min, max, not_worse_than_served_by, better_than_served_by or max_gap.
        slice: that it looks at, empty for all rows; of max_gap, the two values that show a gap best.
        value: what was found: the metric, or a difference.
        low, high: its interval.
        bound: what was asked for.
        passed: whether it lets the model through.
    """

    metric: str
    gate: str
    slice: Slice
    value: Number
    low: Number
    high: Number
    bound: float
    passed: bool

    def words(self) -> str:
        """Return the answer as a sentence: gate, value, interval, bound, slice."""
        asked = {
            "min": f"at least {self.bound:g}",
            "max": f"at most {self.bound:g}",
            "not_worse_than_served_by": f"no more than {self.bound:g} worse than the served model",
            "better_than_served_by": f"more than {self.bound:g} better than the served model",
            "max_gap": f"a gap of at most {self.bound:g}",
        }[self.gate]
        of = {"min": "", "max": "", "max_gap": "'s gap"}.get(self.gate, " less the served model's")
        where = " of " + ", ".join(f"{name} {value}" for name, value in self.slice.items()) if self.slice else ""
        found = (
            "is not a number" if math.isnan(self.value) else f"is {self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"
        )
        return f"{self.metric}{of}{where} {found}, the gate asks for {asked}"


class Blessing(_Numbers):
    """What the Evaluator came to.

    Attributes:
        blessed: whether every gate lets the model through.
        split: that was judged.
        threshold: from which probability on a decision was yes; None where nothing is decided.
        confidence: of the intervals.
        metrics: of all rows first, then by slice.
        gates: every answer.
        broken: metrics that must be a number and are none.
    """

    blessed: bool
    split: str
    threshold: float | None
    confidence: float
    metrics: tuple[Judged, ...]
    gates: tuple[GateResult, ...]
    broken: tuple[str, ...] = ()

    @property
    def refusals(self) -> list[str]:
        """Why it is not blessed, in words."""
        failed = [gate for gate in self.gates if not gate.passed]
        told = {gate.metric for gate in failed if not gate.slice and math.isnan(gate.value)}
        broken = [f"{name} is not a number" for name in self.broken if name not in told]
        return broken + [gate.words() for gate in failed]


class Rows(NamedTuple):
    """What is judged.

    Attributes:
        labels: `[rows, ...]`.
        predictions: `[rows, any]`, of the candidate and, if there is one, of the served model.
        slices: rows of each slice, `((column, value), ...)`; all rows have `()`.
    """

    labels: Array
    predictions: Mapping[str, Array]
    slices: Mapping[Key, Array]


class _Found(NamedTuple):
    """The estimates of one metric in one slice."""

    metric: str
    slice: Slice
    rows: int
    candidate: Estimate
    served: Estimate | None
    difference: Estimate | None


class _Test(NamedTuple):
    """What is held against a slice.

    Attributes:
        chance: how likely chance alone would show it.
        result: the answer.
        tests: how many it is the likeliest of.
    """

    chance: float
    result: GateResult
    tests: int = 1


def judge(
    rows: Rows, metrics: Mapping[str, Formula | Ranked], evaluation: Evaluation, losses: tuple[str, ...] = ()
) -> tuple[list[Judged], list[GateResult], list[str]]:
    """Return the metrics of every slice, every gate's answer, and which metrics are no number and should be.

    Args:
        rows: labels and predictions.
        metrics: formulas by name.
        evaluation: gates, confidence and resamples.
        losses: metrics that are NaN if a prediction is.
    """
    found = list(_estimates(rows, metrics, evaluation))
    overall = {each.metric: each for each in found if not each.slice}
    gates = [result for name in evaluation.gates if name in overall for result in _of_all(overall[name], evaluation)]
    tests = [test for name in evaluation.gates for test in _of_slices(name, found, evaluation)]
    tests += [test for name in evaluation.gates for test in _gaps(name, found, evaluation)]
    must = [name for name in overall if name in losses or name in evaluation.gates]
    broken = [name for name in must if math.isnan(overall[name].candidate.value)]
    return [_judged(each, evaluation) for each in found], [*gates, *_holm(tests, 1 - evaluation.confidence)], broken


def _estimates(rows: Rows, metrics: Mapping[str, Formula | Ranked], evaluation: Evaluation) -> Iterator[_Found]:
    weights = weigh(len(rows.labels), evaluation.resamples)

    def estimate_slice(key: Key) -> list[_Found]:
        return list(_of_rows(rows, key, metrics, weights))

    # numpy leaves the interpreter alone while it works
    with ThreadPoolExecutor() as pool:
        for found in pool.map(estimate_slice, rows.slices):
            yield from found


def _of_rows(rows: Rows, key: Key, metrics: Mapping[str, Formula | Ranked], weights: Array) -> Iterator[_Found]:
    """Yield the estimates of one slice."""
    places, count = rows.slices[key], len(rows.labels)
    drawn, labels = (weights, rows.labels) if len(places) == count else (weights[:, places], rows.labels[places])
    values = {model: resampled(metrics, labels, found[places], drawn) for model, found in rows.predictions.items()}
    for name, candidate in values[CANDIDATE].items():
        served = values[BASELINE][name] if BASELINE in values else None
        yield _Found(
            name,
            dict(key),
            len(places),
            _spread(estimate(candidate)),
            None if served is None else _spread(estimate(served)),
            None if served is None else estimate(candidate - served),
        )


def _spread(found: Estimate) -> Estimate:
    """Return the estimate; one that no resample changes (no hit in three positive rows) has an error nobody knows."""
    return found if found.deviation > 0 else found._replace(deviation=math.nan)


def _judged(found: _Found, evaluation: Evaluation) -> Judged:
    low, high = found.candidate.interval(evaluation.confidence)
    return Judged(
        metric=found.metric,
        slice=found.slice,
        rows=found.rows,
        value=found.candidate.value,
        low=low,
        high=high,
        served=found.served.value if found.served else None,
        difference=(found.difference.value, *found.difference.interval(evaluation.confidence))
        if found.difference
        else None,
        negligible=_negligible(found, evaluation),
    )


def _of_all(found: _Found, evaluation: Evaluation) -> Iterator[GateResult]:
    gate = evaluation.gates[found.metric]
    low, high = found.candidate.interval(evaluation.confidence)

    def answer(name: str, bound: float, *, passed: bool, value: tuple[float, float, float]) -> GateResult:
        own = dict(zip(("value", "low", "high"), value, strict=True))
        return GateResult(metric=found.metric, gate=name, slice={}, bound=bound, passed=passed, **own)

    own = (found.candidate.value, low, high)
    if gate.min is not None:
        yield answer("min", gate.min, passed=own[0] >= gate.min, value=own)
    if gate.max is not None:
        yield answer("max", gate.max, passed=own[0] <= gate.max, value=own)
    if found.difference is None:
        return
    gained = _gain(found)
    least = gained.interval(evaluation.confidence)[0]
    between = (found.difference.value, *found.difference.interval(evaluation.confidence))
    if gate.not_worse_than_served_by is not None:
        passed = _at_least(gained, least, -gate.not_worse_than_served_by)
        yield answer("not_worse_than_served_by", gate.not_worse_than_served_by, passed=passed, value=between)
    if gate.better_than_served_by is not None:
        passed = least > max(gate.better_than_served_by, _negligible(found, evaluation))
        yield answer("better_than_served_by", gate.better_than_served_by, passed=passed, value=between)


def _at_least(gained: Estimate, least: float, bound: float) -> bool:
    """Return whether it is shown; the same predictions have no difference, and no error of it."""
    return least >= bound or (gained.value >= bound and gained.deviation == 0)


def _negligible(found: _Found, evaluation: Evaluation) -> float:
    """Return the share of what the served model leaves to gain."""
    served = found.served.value if found.served else math.nan
    if math.isnan(served):
        return 0.0
    return evaluation.negligible * abs(1 - served if METRICS[found.metric].higher_is_better else served)


def _gain(found: _Found) -> Estimate:
    """Return the difference so that more is better."""
    assert found.difference is not None
    higher = METRICS[found.metric].higher_is_better
    return found.difference if higher is not False else found.difference._replace(value=-found.difference.value)


def _of_slices(name: str, found: list[_Found], evaluation: Evaluation) -> Iterator[_Test]:
    bounds = evaluation.gates[name].slices
    for each in found:
        if bounds and each.metric == name and each.slice and each.rows >= evaluation.min_rows:
            yield from _of_slice(each, bounds, evaluation)


def _of_slice(found: _Found, bounds: Bounds, evaluation: Evaluation) -> Iterator[_Test]:
    """Yield a test for each bound: what must be shown to be above 0 for the gate to fail, and what is told."""
    own, asked = found.candidate, list[tuple[str, float, Estimate, Estimate]]()
    if bounds.min is not None:
        asked.append(("min", bounds.min, own._replace(value=bounds.min - own.value), own))
    if bounds.max is not None:
        asked.append(("max", bounds.max, own._replace(value=own.value - bounds.max), own))
    allowed = bounds.not_worse_than_served_by
    if found.difference is not None and allowed is not None:
        lost = found.difference._replace(value=-_gain(found).value - allowed)
        asked.append(("not_worse_than_served_by", allowed, lost, found.difference))
    for gate, bound, against, told in asked:
        if math.isfinite(against.value):
            yield _test(found, gate, bound, against, told, evaluation)


def _test(found: _Found, gate: str, bound: float, against: Estimate, told: Estimate, evaluation: Evaluation) -> _Test:
    low, high = told.interval(evaluation.confidence)
    result = GateResult(
        metric=found.metric,
        gate=gate,
        slice=found.slice,
        value=told.value,
        low=low,
        high=high,
        bound=bound,
        passed=True,
    )
    return _Test(against.chance_below(0.0), result)


def _gaps(name: str, found: list[_Found], evaluation: Evaluation) -> Iterator[_Test]:
    """Yield, by column with a largest gap, the test of the two values that show it best; it counts as all of them."""
    for column, bound in evaluation.gates[name].max_gap.items():
        groups = [
            each
            for each in found
            if each.metric == name
            and list(each.slice) == [column]
            and each.rows >= evaluation.min_rows
            and math.isfinite(each.candidate.value)
        ]
        if len(groups) < 2:
            continue
        one, other = (groups[place] for place in farthest([each.candidate for each in groups], bound))
        gap = gap_of(one.candidate, other.candidate)
        values = {column: f"{one.slice[column]} and {other.slice[column]}"}
        against = gap._replace(value=gap.value - bound)
        test = _test(one._replace(slice=values), "max_gap", bound, against, gap, evaluation)
        yield test._replace(tests=math.comb(len(groups), 2))


def _holm(tests: list[_Test], level: float) -> list[GateResult]:
    """Return the answers: failed are those that chance alone would not bring about in `level` of all runs."""
    order = sorted(range(len(tests)), key=lambda index: tests[index].chance)
    failed, count = set[int](), sum(test.tests for test in tests)
    for rank, index in enumerate(order):
        if tests[index].chance > level / (count - rank):
            break
        failed.add(index)
    return [test.result.model_copy(update={"passed": index not in failed}) for index, test in enumerate(tests)]


def read_blessing(folder: Path) -> Blessing:
    """Return the verdict in an Evaluator's output."""
    return Blessing.model_validate_json((folder / BLESSING_FILE).read_bytes())
