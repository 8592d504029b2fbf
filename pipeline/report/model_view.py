"""The model's part of the page: metrics beside the served model's, slices, gates, importance, training, times."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup

from pipeline.blessing import Blessing, Judged
from pipeline.components.importance import Importance
from pipeline.infra.verdict import Verdict
from pipeline.report import charts
from pipeline.report.axes import Tick, number_axis
from pipeline.report.curve_view import Card, view_curves
from pipeline.report.model import Epoch, ModelFacts
from pipeline.report.origin import Origin, Timing
from pipeline.report.views import Cell, Plot
from pipeline.report.words import MINUS, NONE, count, decimal, number_scale, plural

FEWEST_ROWS = 100
"""Of a slice that is drawn."""
MOST_SLICES = 40
MOST_FORESTS = 3
MOST_EPOCHS = 12
"""Ticks of the axis of epochs, about."""
DIGEST = 12
VERDICTS = {"better": "passed", "worse": "error", "same": "", None: ""}


class MetricRow(NamedTuple):
    """A metric of all rows, or of a slice, in words; `css` is the class of the verdict."""

    name: str
    value: str
    interval: str
    served: str
    difference: str
    verdict: str
    css: str


class SliceRow(NamedTuple):
    """A slice: its metric, its rows and the drawing of its interval."""

    metric: MetricRow
    rows: Cell
    sort: float
    drawing: Markup


class Forest(NamedTuple):
    """A metric by slice: the axis of the drawings, and how many slices are not drawn."""

    metric: str
    rows: list[SliceRow]
    ticks: list[Tick]
    overall: str
    more: int


class GateView(NamedTuple):
    """A verdict: its class, title and basis, and lines (class, word, sentence), those that failed first."""

    css: str
    title: str
    basis: str
    lines: list[tuple[str, str, str]]


class AncestorView(NamedTuple):
    """One of the things that a version was made of."""

    name: str
    lines: list[str]
    digest: str
    whole: str


class OriginView(NamedTuple):
    """Where a model comes from, and rows (component, seconds) of the run."""

    ancestors: list[AncestorView]
    timings: list[tuple[str, Cell, str]]
    total: str


class ModelView(NamedTuple):
    """A model on the page.

    Attributes:
        gates: the verdicts by name: of the metrics, and of the trial on a server.
        has_served: whether there is a model to compare with.
        metrics: of all rows.
        forests: metrics by slice.
        curves: drawings of the predictions beside the labels.
        training: loss and watched metrics by epoch.
        importance: rows (features, loss, deviation).
        importance_basis: in a sentence.
    """

    gates: dict[str, GateView]
    has_served: bool
    metrics: list[MetricRow]
    forests: list[Forest]
    curves: list[Card]
    training: list[Card]
    importance: list[tuple[str, Cell, str]]
    importance_basis: str


def view_model(facts: ModelFacts | None) -> ModelView | None:
    """Return the model as the page shows it; None without one."""
    if facts is None:
        return None
    blessing = facts.blessing
    overall = [each for each in blessing.metrics if not each.slice]
    return ModelView(
        gates={"gates": view_gates(blessing)} | ({"trial": view_trial(facts.infra)} if facts.infra else {}),
        has_served=any(each.difference for each in overall),
        metrics=[metric_row(each, each.metric) for each in overall],
        forests=[found for name in _chosen(blessing) if (found := _forest(blessing, name))],
        curves=view_curves(facts),
        training=list(_training(facts.epochs)),
        importance=list(_importance(facts.importance)) if facts.importance else [],
        importance_basis=_importance_basis(facts.importance) if facts.importance else "",
    )


def view_gates(blessing: Blessing) -> GateView:
    """Return the gates' answers in words."""
    basis = _basis(blessing)
    passed = [("passed", "passed", gate.words()) for gate in blessing.gates if gate.passed]
    failed = [("error", "failed", reason) for reason in blessing.refusals]
    if blessing.blessed:
        title = f"Passed {plural(len(passed), 'gate')} on metrics" if passed else "No gate on metrics"
        return GateView("passed" if passed else "", title, basis, passed)
    return GateView("error", "Blocked by a gate on metrics: nothing was pushed", basis, failed + passed)


def view_trial(verdict: Verdict) -> GateView:
    """Return what the InfraValidator's server showed, in words."""
    failed = [("error", "failed", reason) for reason in verdict.refusals]
    measured = [("passed", "edge", str(verdict.edge))] if verdict.edge else []
    basis = ": ".join(part for part in (f"Asked through {verdict.server}", verdict.measured()) if part) + "."
    if failed:
        return GateView("error", "Blocked by the trial on a server: nothing was pushed", basis, failed + measured)
    return GateView("passed", "Passed the trial on a server", basis, measured)


def metric_row(judged: Judged, name: str) -> MetricRow:
    """Return a metric in words."""
    verdict = judged.verdict()
    difference = ""
    if judged.difference is not None:
        value, low, high = judged.difference
        difference = NONE if math.isnan(value) else f"{_signed(value)} [{_signed(low)}, {_signed(high)}]"
    return MetricRow(
        name=name,
        value=figure(judged.value),
        interval=NONE if math.isnan(judged.low) else f"{figure(judged.low)} to {figure(judged.high)}",
        served=figure(judged.served),
        difference=difference,
        verdict=verdict or "",
        css=VERDICTS[verdict],
    )


def figure(value: float | None) -> str:
    """Return a metric's value."""
    if value is None or math.isnan(value):
        return NONE
    return decimal(value, 4 if abs(value) < 1000 else 1)


def _signed(value: float) -> str:
    text = figure(value)
    return text if text.startswith(MINUS) or text == NONE else f"+{text}"


def _basis(blessing: Blessing) -> str:
    overall = next((each for each in blessing.metrics if not each.slice), None)
    rows = plural(overall.rows, "row") if overall else "No row"
    threshold = f", yes from a probability of {blessing.threshold:.3g} on" if blessing.threshold is not None else ""
    return f"{rows} of the {blessing.split} split{threshold}; intervals hold with {blessing.confidence:.0%} confidence."


def _chosen(blessing: Blessing) -> list[str]:
    """Return the metrics that are drawn by slice: the headline one and those that gates look at."""
    headline = [each.metric for each in blessing.metrics[:1]]
    return list(dict.fromkeys([*headline, *(gate.metric for gate in blessing.gates)]))[:MOST_FORESTS]


def _forest(blessing: Blessing, name: str) -> Forest | None:
    found = [each for each in blessing.metrics if each.metric == name and each.slice]
    known = [each for each in found if each.rows >= FEWEST_ROWS and math.isfinite(each.low + each.high)]
    if not known:
        return None
    largest = sorted(range(len(known)), key=lambda index: -known[index].rows)[:MOST_SLICES]
    shown = [known[index] for index in sorted(largest)]
    overall = next(each for each in blessing.metrics if each.metric == name and not each.slice)
    ends = [number for each in [*shown, overall] for number in (each.low, each.high, each.served)]
    numbers = [number for number in ends if number is not None and math.isfinite(number)]
    low, high, ticks = number_axis(
        min(numbers), max(numbers), number_scale(numbers, max(numbers) - min(numbers), whole=False)
    )
    most = max(each.rows for each in shown)

    def place(value: float) -> float:
        return (value - low) / (high - low)

    rows = []
    for each in shown:
        dots = [(place(each.value), "s0")]
        if each.served is not None and math.isfinite(each.served):
            dots.insert(0, (place(each.served), "sp"))
        drawing = charts.interval((place(each.low), place(each.high)), dots, place(overall.value))
        words = metric_row(each, ", ".join(f"{column} {value}" for column, value in each.slice.items()))
        rows.append(SliceRow(words, Cell(count(each.rows), each.rows / most, each.rows), each.value, Markup(drawing)))
    return Forest(name, rows, ticks, figure(overall.value), len(found) - len(rows))


def _training(epochs: Sequence[Epoch]) -> Iterator[Card]:
    """Yield a drawing for the loss and for each metric that was watched."""
    if not epochs:
        return
    first, last = epochs[0].epoch, epochs[-1].epoch
    step = max(1, math.ceil((last - first) / MOST_EPOCHS))

    def across(epoch: int) -> float:
        return (epoch - first) / (last - first) if last > first else 0.5

    marks = [Tick(across(epoch), str(epoch)) for epoch in range(first, last + 1, step)]
    for name in sorted(epochs[0].eval, key=lambda name: name != "loss"):
        lines = {
            shade: [(each.epoch, values[name]) for each in epochs if name in (values := getattr(each, split))]
            for split, shade in (("train", "s0"), ("eval", "s1"))
        }
        numbers = [value for points in lines.values() for _, value in points]
        spread = max(numbers) - min(numbers)
        low, high, up = number_axis(min(numbers), max(numbers), number_scale(numbers, spread, whole=False))
        drawn = charts.grid(up)
        for shade, points in lines.items():
            places = [(across(epoch), (value - low) / (high - low)) for epoch, value in points]
            drawn += charts.line(places, shade)
            dots = zip(places, points, strict=True)
            drawn += charts.dots(
                [charts.Dot(*place, f"epoch {epoch}: {value:.4g}") for place, (epoch, value) in dots], shade
            )
        plot = Plot(Markup(charts.svg(drawn, f"{name} by epoch, from {numbers[0]:.4g}")), marks, up)
        yield Card(f"{name} by epoch", [("train", "s0"), ("eval", "s1")], plot)


def _importance(found: Importance) -> Iterator[tuple[str, Cell, str]]:
    most = max((each.loss for each in found.features), default=0.0)
    for each in found.features:
        bar = max(each.loss / most, 0.0) if most > 0 else 0.0
        yield ", ".join(each.features), Cell(_signed(each.loss), bar, each.loss), figure(each.deviation)


def _importance_basis(found: Importance) -> str:
    return (
        f"How much worse {found.metric} becomes when a feature's values change places among {count(found.rows)} judged "
        f"rows ({figure(found.value)} as they are): mean and standard deviation of {found.permutations} permutations."
    )


def view_origin(origin: Origin | None) -> OriginView | None:
    """Return where the model comes from, and what the components took; None if nobody knows."""
    if origin is None:
        return None
    longest = max((each.seconds for each in origin.timings), default=0.0) or 1.0
    views = [
        AncestorView(
            name=each.name,
            lines=[line for line in (each.detail, f"artifact {each.artifact}", f"{each.made:%Y-%m-%d %H:%M}") if line],
            digest=each.digest[:DIGEST] or NONE,
            whole=each.digest,
        )
        for each in origin.ancestors
    ]
    timings = [(each.component, _seconds(each, longest), each.reason) for each in origin.timings]
    return OriginView(views, timings, decimal(sum(each.seconds for each in origin.timings), 1))


def _seconds(timing: Timing, longest: float) -> Cell:
    """Return the seconds, or the state of what did not complete."""
    if timing.state != "complete":
        return Cell(timing.state, 0.0, timing.seconds)
    return Cell(decimal(timing.seconds, 1), timing.seconds / longest, timing.seconds)
