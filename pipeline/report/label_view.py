"""The label's part of the page: by split, by time and by slice."""

from typing import NamedTuple

from markupsafe import Markup

from pipeline.report import charts
from pipeline.report.axes import Tick, number_axis, share_axis, ticks
from pipeline.report.facts import Facts
from pipeline.report.label import Moment, SliceTable, Timeline
from pipeline.report.views import Cell, Plot, column_scale
from pipeline.report.words import NONE, NumberScale, count, percent, shorten, time_scale

MOST_TICKS = 9
LONGEST_VALUE = 40


class SliceLine(NamedTuple):
    """A row of a slice table: the value, its rows in all splits, and the label's cells."""

    value: str
    rows: Cell
    cells: list[Cell]


class SliceView(NamedTuple):
    """A slice table."""

    column: str
    headings: tuple[str, ...]
    colors: list[str]
    lines: list[SliceLine]
    more: int


class TimelineView(NamedTuple):
    """The label by time: its measures as lines, and the rows as columns below."""

    column: str
    unit: str
    measures: list[tuple[str, str]]
    lines: Plot
    columns: Plot


class LabelView(NamedTuple):
    """The label on the page.

    Attributes:
        by_split: name of the split and the measure's text, if there is one measure.
        measure: what it is called.
        timeline: by time, None without one.
        slices: by the slice columns.
    """

    by_split: list[tuple[str, str]]
    measure: str
    timeline: TimelineView | None
    slices: list[SliceView]


def view_label(facts: Facts) -> LabelView:
    """Return the label as the page shows it."""
    label = facts.label
    column = next(column for column in facts.columns if column.name == label.column)
    found = column_scale(column)
    scale = found if label.kind == "regression" and isinstance(found, NumberScale) else None
    splits = [series.name for series in facts.series[: facts.compared]]
    by_split: list[tuple[str, str]] = []
    if len(label.measures) == 1 and label.by_split:
        by_split = [(name, _measure(value, scale)) for name, value in zip(splits, label.by_split, strict=True)]
    return LabelView(
        by_split=by_split,
        measure=label.measures[0] if len(label.measures) == 1 else "",
        timeline=_timeline(facts, label.timeline, scale) if label.timeline and label.timeline.moments else None,
        slices=[_slices(facts, table, scale) for table in label.slices],
    )


def measure_colors(facts: Facts) -> list[str]:
    """Return the colours of the label's measures: not those of the first splits."""
    return ["sm", "s3", "s4", "s5", "sp"][: len(facts.label.measures)]


def _measure(value: float | None, scale: NumberScale | None) -> str:
    return percent(value) if scale is None else scale.mean(value)


def _timeline(facts: Facts, timeline: Timeline, scale: NumberScale | None) -> TimelineView:
    moments = timeline.moments
    low, high = moments[0].start, moments[-1].end
    column = next(column for column in facts.columns if column.name == timeline.column)
    across_scale = time_scale([low]) if timeline.unit else column_scale(column)
    across = ticks(low, high, MOST_TICKS, across_scale)
    colors = measure_colors(facts)
    return TimelineView(
        column=timeline.column,
        unit=timeline.unit,
        measures=list(zip(facts.label.measures, colors, strict=True)),
        lines=_lines(facts, moments, (low, high), colors, scale),
        columns=_columns(facts, moments, (low, high), across),
    )


def _lines(
    facts: Facts, moments: tuple[Moment, ...], ends: tuple[float, float], colors: list[str], scale: NumberScale | None
) -> Plot:
    values = [value for moment in moments for value in moment.measures if value is not None]
    bottom, (top, up) = 0.0, share_axis(max(values, default=1.0))
    if scale is not None:
        bottom, top, up = number_axis(min(values, default=0.0), max(values, default=1.0), scale)
    drawn = charts.grid(up)
    for index, shade in enumerate(colors):
        points: list[tuple[float, float | None]] = []
        for moment in moments:
            value = moment.measures[index]
            middle = (_place(moment.start, ends) + _place(moment.end, ends)) / 2
            points.append((middle, None if value is None else (value - bottom) / (top - bottom)))
        drawn += charts.line(points, shade)
    measures = ", ".join(facts.label.measures)
    return Plot(Markup(charts.svg(drawn, f"{facts.label.column} by time: {measures}")), [], up)


def _place(value: float, ends: tuple[float, float]) -> float:
    low, high = ends
    return (value - low) / (high - low) if high > low else 0.5


def _columns(facts: Facts, moments: tuple[Moment, ...], ends: tuple[float, float], across: list[Tick]) -> Plot:
    colors = [charts.color(index, facts.compared) for index in range(facts.compared)]
    stretches = [(_place(moment.start, ends), _place(moment.end, ends)) for moment in moments]
    drawn = charts.columns(stretches, [moment.rows for moment in moments], colors)
    largest = max(sum(moment.rows) for moment in moments)
    up = [Tick(0, "0"), Tick(1, count(largest))]
    return Plot(Markup(charts.svg(drawn, "Rows by time and split")), across, up)


def _slices(facts: Facts, table: SliceTable, scale: NumberScale | None) -> SliceView:
    colors = measure_colors(facts)
    if len(colors) == 1:
        colors = [charts.color(index, facts.compared) for index in range(facts.compared)]
    most_rows = max((sum(row.rows) for row in table.rows), default=0) or 1
    values = [value for row in table.rows for value in row.cells if value is not None]
    largest = max(values, default=0.0)
    lines = []
    for row in table.rows:
        total = sum(row.rows)
        cells = [
            Cell(_measure(value, scale), value / largest if scale is None and value and largest else 0.0, _sort(value))
            for value in row.cells
        ]
        name = NONE if row.value is None else shorten(row.value, LONGEST_VALUE)
        lines.append(SliceLine(name, Cell(count(total), total / most_rows, total), cells))
    return SliceView(table.column, facts.label.cells, colors, lines, table.more)


def _sort(value: float | None) -> float:
    return float("-inf") if value is None else value
