"""The drawings of a model's predictions beside the labels, by what kind of label it is."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup

from pipeline.report import charts
from pipeline.report.axes import Tick, number_axis, share_axis, ticks
from pipeline.report.curves import BAND, CalibrationBin, ClassRow, Curve, Level, Residuals
from pipeline.report.model import Judgement, ModelFacts
from pipeline.report.views import MOST_TICKS, Cell, Plot
from pipeline.report.words import NONE, NumberScale, count, decimal, number_scale, percent, shorten, trim

MODELS = (("candidate", "s0"), ("served", "sp"))
SHARES = [Tick(place, f"{place:g}") for place in (0, 0.25, 0.5, 0.75, 1)]
HALVES = [Tick(place, f"{place:g}") for place in (0, 0.5, 1)]
NAME = 24
"""Characters of a class' name."""
MOST_CLASSES = 100
OTHERS = "others"


class Matrix(NamedTuple):
    """Rows by true class (down) and told class (across); bars are shares of the true class."""

    names: list[str]
    rows: list[tuple[str, list[Cell]]]


class ClassTable(NamedTuple):
    """Headings, rows of a class or label each, and how many are not shown."""

    headings: list[str]
    rows: list[tuple[str, list[Cell]]]
    more: int


class Card(NamedTuple):
    """A drawing or a table with its heading; `small` is drawn below it, over the same axis."""

    title: str
    legend: Sequence[tuple[str, str]] = ()
    plot: Plot | None = None
    small: Plot | None = None
    matrix: Matrix | None = None
    table: ClassTable | None = None
    note: str = ""


def view_curves(facts: ModelFacts) -> list[Card]:
    """Return the drawings that there are."""
    judgement = facts.judgement
    return [
        *_binary(judgement, facts.blessing.threshold),
        *_classes(judgement),
        *_numbers(judgement),
        *_items(judgement),
    ]


def _binary(judgement: Judgement, threshold: float | None) -> Iterator[Card]:
    if judgement.roc:
        drawn = _diagonal() + _lines(judgement.roc)
        yield _curves("ROC: recall by false positive rate", judgement.roc, drawn)
    if judgement.precision_recall:
        yield _curves("Precision by recall", judgement.precision_recall, _lines(judgement.precision_recall))
    if judgement.calibration:
        yield _calibration(judgement.calibration)
    if judgement.scores:
        yield _scores(judgement.scores)
    if judgement.decided:
        found = judgement.decided
        told = [[found.true_negatives, found.false_positives], [found.false_negatives, found.true_positives]]
        title = f"Decisions at {threshold:.3g}" if threshold is not None else "Decisions"
        yield Card(title, matrix=_matrix(told, ["no", "yes"]))


def _legend(models: Sequence[object]) -> list[tuple[str, str]]:
    return list(MODELS[: len(models)]) if len(models) > 1 else []


def _curves(title: str, found: Sequence[Curve], drawn: str) -> Card:
    return Card(title, _legend(found), Plot(Markup(charts.svg(charts.grid(HALVES) + drawn, title)), SHARES, HALVES))


def _lines(found: Sequence[Curve]) -> str:
    """Return the curves, the served model's below."""
    pairs = list(zip(found, MODELS, strict=False))
    return "".join(charts.line(curve.points, shade) for curve, (_, shade) in reversed(pairs))


def _diagonal() -> str:
    return f'<path class="diagonal" d="M0 {charts.HEIGHT}L{charts.WIDTH} 0"/>'


def _calibration(found: Sequence[Sequence[CalibrationBin]]) -> Card:
    title = "Share of yes by predicted probability"
    drawn = charts.grid(HALVES) + _diagonal()
    for bins, (_, shade) in reversed(list(zip(found, MODELS, strict=False))):
        points = [
            charts.Dot(each.predicted, each.observed, f"{percent(each.observed)} of {count(each.rows)} rows")
            for each in bins
        ]
        drawn += charts.line([(dot.across, dot.up) for dot in points], shade) + charts.dots(points, shade)
    own = found[0]
    stretches = [
        (min(int(each.predicted * 10), 9) / 10 + 0.005, min(int(each.predicted * 10), 9) / 10 + 0.095) for each in own
    ]
    bars = charts.columns(stretches, [(each.rows,) for each in own], ["s0"])
    most = max(each.rows for each in own)
    small = Plot(
        Markup(charts.svg(bars, "Rows by predicted probability")), SHARES, [Tick(0, "0"), Tick(1, count(most))]
    )
    plot = Plot(Markup(charts.svg(drawn, title)), [], HALVES)
    return Card(title, _legend(found), plot, small, note="Below: how many rows.")


def _scores(rows: Sequence[Sequence[int]]) -> Card:
    title = "Predicted probability by class"
    top, up = share_axis(max(value for each in rows for value in charts.shares(each)))
    drawing = charts.histogram([[0, *each, 0] for each in rows], ["s0", "s1"], top, title)
    names = [
        (f"{name}: {count(sum(each))} rows", shade)
        for (name, shade), each in zip((("no", "s0"), ("yes", "s1")), rows, strict=True)
    ]
    return Card(title, names, Plot(Markup(drawing), SHARES, up))


def _matrix(told: Sequence[Sequence[int]], names: Sequence[str]) -> Matrix:
    lines = []
    for name, rows in zip(names, told, strict=True):
        shares = charts.shares(rows)
        cells = [Cell(count(value), part, value) for value, part in zip(rows, shares, strict=True)]
        lines.append((name, cells))
    return Matrix(list(names), lines)


def _classes(judgement: Judgement) -> Iterator[Card]:
    found = judgement.classes
    if judgement.confusion:
        names = [shorten(each.name, NAME) for each in found][: len(judgement.confusion)]
        names = (names[:-1] if len(found) > len(names) else names) + [OTHERS]
        yield Card("Rows by class", matrix=_matrix(judgement.confusion, names[: len(judgement.confusion)]))
    if found:
        with_auc = any(each.auc is not None for each in found)
        title = "By label" if with_auc else "By class"
        yield Card(title, table=_class_table(found, with_auc=with_auc))


def _class_table(found: Sequence[ClassRow], *, with_auc: bool) -> ClassTable:
    shown = sorted(found, key=lambda each: -each.rows)[:MOST_CLASSES]
    most = max(each.rows for each in shown) or 1
    names = ["auc", "precision", "recall"] if with_auc else ["precision", "recall"]
    rows = [
        (
            shorten(each.name, NAME),
            [Cell(count(each.rows), each.rows / most, each.rows), *(_part(getattr(each, name)) for name in names)],
        )
        for each in shown
    ]
    return ClassTable(["rows", *names], rows, len(found) - len(shown))


def _part(value: float | None) -> Cell:
    return Cell(NONE) if value is None else Cell(decimal(value, 3), value, value)


def _numbers(judgement: Judgement) -> Iterator[Card]:
    density = judgement.density
    if density:
        low, high = density.low, density.high
        scale = number_scale([low, high], high - low, whole=False)
        across, up = ticks(low, high, MOST_TICKS, scale), ticks(low, high, 4, scale)
        title = "Actual by predicted number"
        drawing = charts.svg(charts.grid(up) + charts.cells(density.rows, "s0") + _diagonal(), title)
        yield Card(
            title, plot=Plot(Markup(drawing), across, up), note="The darker, the more rows; the line: just right."
        )
    if judgement.residuals:
        yield _residuals(judgement.residuals)
    if judgement.levels:
        yield _levels(judgement.levels)


def _residuals(found: Sequence[Residuals]) -> Card:
    title = "Actual less predicted, by predicted number"
    numbers = [number for each in found for number in each.quantiles]
    scale = number_scale(numbers, max(numbers) - min(numbers), whole=False)
    bottom, top, up = number_axis(min(numbers), max(numbers), scale)
    low, high = found[0].predicted, found[-1].predicted

    def across(value: float) -> float:
        return (value - low) / (high - low) if high > low else 0.5

    def place(value: float) -> float:
        return (value - bottom) / (top - bottom)

    drawn = charts.grid(up)
    for first, last in ((0, 4), (1, 3)):
        drawn += charts.band(
            [(across(e.predicted), place(e.quantiles[first]), place(e.quantiles[last])) for e in found], "s0"
        )
    drawn += charts.line([(across(each.predicted), place(each.quantiles[2])) for each in found], "s0")
    marks = ticks(low, high, MOST_TICKS, number_scale([low, high], high - low, whole=False))
    least, lower, _, upper, most = map(_at, BAND)
    note = f"Line: median; areas: {lower} to {upper} and {least} to {most} of each of {len(found)} groups of rows."
    return Card(title, plot=Plot(Markup(charts.svg(drawn, title)), marks, up), note=note)


def _at(quantile: float) -> str:
    return trim(percent(quantile))


def _levels(found: Sequence[Sequence[Level]]) -> Card:
    title = "Share of labels that a quantile covers, by its level"
    drawn = charts.grid(HALVES) + _diagonal()
    for levels, (_, shade) in reversed(list(zip(found, MODELS, strict=False))):
        dots = [charts.Dot(each.level, each.share, f"{_at(each.level)}: {percent(each.share)}") for each in levels]
        drawn += charts.line([(dot.across, dot.up) for dot in dots], shade) + charts.dots(dots, shade)
    told = ", ".join(f"{_at(each.level)}: {percent(each.share)}" for each in found[0])
    return Card(
        title,
        _legend(found),
        Plot(Markup(charts.svg(drawn, title)), SHARES, HALVES),
        note=f"Predicted level: covered share. {told}.",
    )


def _items(judgement: Judgement) -> Iterator[Card]:
    found = judgement.recall_by_k
    if not found:
        return
    title = "Recall by number of answers"
    longest = max(curve.points[-1][0] for curve in found)
    top, up = share_axis(max(point[1] for curve in found for point in curve.points))
    scaled = [
        Curve(points=tuple(((k - 1) / max(longest - 1, 1), value / top) for k, value in curve.points))
        for curve in found
    ]
    marks = ticks(1, longest, MOST_TICKS, NumberScale(0, whole=True))
    yield Card(title, _legend(found), Plot(Markup(charts.svg(charts.grid(up) + _lines(scaled), title)), marks, up))
