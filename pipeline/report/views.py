"""What the page's template is filled with: a column's facts as words, cells and drawings."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup

from pipeline.examples.groups import QUANTILES
from pipeline.report import charts
from pipeline.report.axes import Tick, share_axis, ticks
from pipeline.report.columns import ColumnFacts, Drift, Histogram
from pipeline.report.facts import Facts
from pipeline.report.verdict_view import WORDS, FindingView, column_findings
from pipeline.report.words import (
    NONE,
    Scale,
    count,
    decimal,
    number_scale,
    percent,
    share,
    shorten,
    time_scale,
    trim,
)

SHOWN_VALUE = 48
"""Characters of a value; the whole of it is the cell's title."""
LONGEST_VALUE = 500
MOST_TICKS = 7
NO_DRIFT = 0.0005
FREQUENT_NUMBERS = 3


class Cell(NamedTuple):
    """A cell with a bar: its text, the bar's length (0 to 1) and what the column is sorted by."""

    text: str
    bar: float = 0.0
    sort: float = -1.0


class Plot(NamedTuple):
    """A drawing with its axes.

    Attributes:
        drawing: SVG.
        across: ticks of the horizontal axis.
        up: ticks of the vertical axis.
        left: inset of the horizontal axis from the drawing's left edge, in percent of its width.
        right: the same at its right edge.
        below: label of the tail below the bins; empty without one.
        above: label of the tail above them.
    """

    drawing: Markup
    across: list[Tick]
    up: list[Tick]
    left: float = 0.0
    right: float = 0.0
    below: str = ""
    above: str = ""


class ValueRow(NamedTuple):
    """A frequent value: shown, whole, and its share by series."""

    shown: str
    whole: str
    cells: list[Cell]
    is_other: bool = False


class ColumnView(NamedTuple):
    """A column on the page.

    Attributes:
        facts: of the column.
        anchor: its id.
        kind: in words.
        typical: its median or most frequent value.
        spark: a small drawing of its first split.
        missing: share of the splits' rows without a value.
        drifts: by series but the first.
        information: share of the label's entropy.
        correlation: with the label.
        plot: histogram, None for text.
        statistics: rows of (name, cell by series).
        values: the frequent values of text.
        frequent: the frequent values of a number, in a sentence.
        findings: of the data gate, beside the anomalies.
        changes: of text, the largest change of a value's share by split, in sentences.
    """

    facts: ColumnFacts
    anchor: str
    kind: str
    typical: str
    spark: Markup
    missing: Cell
    drifts: list[Cell]
    information: Cell
    correlation: Cell
    plot: Plot | None
    statistics: list[tuple[str, list[str]]]
    values: list[ValueRow]
    frequent: str
    findings: list[FindingView]
    changes: list[str]

    @property
    def is_wrong(self) -> bool:
        """Whether there is more than warnings and what is accepted."""
        return bool(self.facts.anomalies) or any(found.word == WORDS["block"] for found in self.findings)


def view_column(facts: Facts, index: int) -> ColumnView:
    """Return the column at `index` as the page shows it."""
    column, scale = facts.columns[index], column_scale(facts.columns[index])
    ours = column.parts[: facts.compared]
    missing = share(sum(part.missing for part in ours), sum(part.rows for part in ours))
    return ColumnView(
        facts=column,
        anchor=f"column-{index}",
        kind=_kind(column),
        typical=_typical(column, scale),
        spark=_spark(column),
        missing=_share_cell(missing),
        drifts=_drift_cells(column, len(facts.series)),
        information=_share_cell(column.information_share),
        correlation=_correlation(column.correlation),
        plot=_plot(column, facts, scale) if column.histogram else None,
        statistics=_statistics(column, scale, facts.series[0].name),
        values=_values(column) if column.kind == "text" else [],
        frequent=_frequent(column, scale),
        findings=column_findings(facts.verdict, column),
        changes=[_change(facts, drift) for drift in column.drifts if drift.value and drift.distance >= NO_DRIFT],
    )


def column_scale(column: ColumnFacts) -> Scale:
    """Return how the column's numbers are written."""
    numbers = [number for part in column.parts for number in (part.low, part.high, *part.quantiles)]
    if column.kind == "time":
        return time_scale(numbers)
    spread = max((part.sd for part in column.parts if part.sd is not None), default=None)
    return number_scale(numbers, spread, whole=column.whole)


def _kind(column: ColumnFacts) -> str:
    return {"time": "time", "text": "text"}.get(column.kind, "whole number" if column.whole else "number")


def _typical(column: ColumnFacts, scale: Scale) -> str:
    first = column.parts[0]
    if first.quantiles:
        return trim(scale.value(first.quantiles[QUANTILES.index(0.5)]))
    if not column.top:
        return NONE
    top = column.top[0]
    return f"{shorten(str(top.value), 16)} {percent(share(top.rows[0], first.present))}"


def _spark(column: ColumnFacts) -> Markup:
    if column.histogram is not None:
        return Markup(charts.sparkline(column.histogram.rows[0][1:-1], "s0"))
    return Markup(charts.sparkline([top.rows[0] for top in column.top], "s0"))


def _share_cell(value: float | None) -> Cell:
    return Cell(NONE) if value is None else Cell(percent(value), value, value)


def _drift_cells(column: ColumnFacts, series: int) -> list[Cell]:
    found = {drift.series: drift.distance for drift in column.drifts}
    return [
        Cell(decimal(found[index], 3), found[index], found[index]) if index in found else Cell(NONE)
        for index in range(1, series)
    ]


def _correlation(value: float | None) -> Cell:
    return Cell(NONE) if value is None else Cell(decimal(value, 2), abs(value), value)


def _plot(column: ColumnFacts, facts: Facts, scale: Scale) -> Plot | None:
    histogram = column.histogram
    if histogram is None:
        return None
    largest = max((value for rows in histogram.rows for value in charts.shares(rows)), default=0.0)
    top, up = share_axis(largest)
    colors = [charts.color(index, facts.compared) for index in range(len(facts.series))]
    where = charts.span(below=any(rows[0] for rows in histogram.rows), above=any(rows[-1] for rows in histogram.rows))
    drawing = charts.histogram(
        histogram.rows, colors, top, f"Histogram of {column.name}; its quantiles are in the table"
    )
    bins = histogram.bins
    return Plot(
        drawing=Markup(drawing),
        across=ticks(bins.start, bins.end, MOST_TICKS, scale),
        up=up,
        left=where.left / charts.WIDTH * 100,
        right=100 - where.right / charts.WIDTH * 100,
        below=_tail(histogram, 0, f"< {_edge(column, bins.start, scale)}"),
        above=_tail(histogram, -1, f"≥ {_edge(column, bins.end, scale)}"),
    )


def _edge(column: ColumnFacts, value: float, scale: Scale) -> str:
    """Return the end of a bin; one of a single whole number ends half a step before the next."""
    return trim(scale.value(math.ceil(value) if column.whole else value))


def _tail(histogram: Histogram, index: int, text: str) -> str:
    return text if any(rows[index] for rows in histogram.rows) else ""


def _statistics(column: ColumnFacts, scale: Scale, first: str) -> list[tuple[str, list[str]]]:
    """Return name and cells of each row of the table beside the plot."""
    parts = column.parts
    rows = [
        ("present", [count(part.present) for part in parts]),
        ("missing", [percent(share(part.missing, part.rows)) for part in parts]),
    ]
    if column.kind == "text":
        unseen = [percent(share(part.unseen, part.present)) for part in parts[1:]]
        rows.append((f"not in {first}", [NONE, *unseen]))
    else:
        rows += _numbers(column, scale)
    if len(parts) > 1:
        drifts = [cell.text for cell in _drift_cells(column, len(parts))]
        rows.append((f"drift from {first}", [NONE, *drifts]))
    return rows


def _numbers(column: ColumnFacts, scale: Scale) -> Iterator[tuple[str, list[str]]]:
    parts = column.parts
    if column.kind == "number":
        yield "zero", [percent(share(part.zeros, part.present)) for part in parts]
    yield "mean", [scale.mean(part.mean) for part in parts]
    yield "standard deviation", [scale.spread(part.sd) for part in parts]
    yield "least", [scale.value(part.low) for part in parts]
    for index, quantile in enumerate(QUANTILES):
        name = "median" if quantile == 0.5 else trim(percent(quantile))
        yield name, [scale.value(part.quantiles[index]) if part.quantiles else NONE for part in parts]
    yield "most", [scale.value(part.high) for part in parts]


def _values(column: ColumnFacts) -> list[ValueRow]:
    """Return the frequent values, and the others as one row, by their share of the rows with a value."""
    rows = [(str(top.value), top.rows) for top in column.top]
    present = [part.present for part in column.parts]
    largest = max(
        (share(part, whole) or 0.0 for _, each in rows for part, whole in zip(each, present, strict=True)), default=0
    )
    made = [
        ValueRow(shorten(text, SHOWN_VALUE), shorten(text, LONGEST_VALUE), _value_cells(each, present, largest))
        for text, each in rows
    ]
    others = column.distinct - len(rows)
    if others > 0:
        left = [whole - sum(each[index] for _, each in rows) for index, whole in enumerate(present)]
        cells = [Cell(percent(share(part, whole))) for part, whole in zip(left, present, strict=True)]
        made.append(ValueRow(f"{count(others)} other values", "", cells, is_other=True))
    return made


def _value_cells(rows: Sequence[int], present: Sequence[int], largest: float) -> list[Cell]:
    found = [share(part, whole) for part, whole in zip(rows, present, strict=True)]
    return [Cell(percent(value), (value or 0.0) / largest if largest else 0.0) for value in found]


def _frequent(column: ColumnFacts, scale: Scale) -> str:
    """Return the frequent numbers in a sentence: a marker of missing values (-999) shows there."""
    if column.kind == "text" or not column.top:
        return ""
    present = sum(part.present for part in column.parts)
    shown = [
        f"{trim(scale.value(float(top.value)))} ({percent(share(sum(top.rows), present))})"
        for top in column.top[:FREQUENT_NUMBERS]
    ]
    return f"Most frequent: {', '.join(shown)}"


def _change(facts: Facts, drift: Drift) -> str:
    """Return which text's share differs most, in a sentence."""
    name, first = facts.series[drift.series].name, facts.series[0].name
    value = shorten(drift.value or "", SHOWN_VALUE)
    return f"{name}: ‘{value}’ {percent(drift.first)} in {first}, {percent(drift.second)} here"
