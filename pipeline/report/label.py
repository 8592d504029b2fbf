"""The label: how it changes by time and from slice to slice."""

from typing import TYPE_CHECKING, Any

from models.settings import Settings
from pipeline.examples.bins import DAY_S, make_bins
from pipeline.examples.classes import find_classes
from pipeline.examples.groups import double
from pipeline.examples.load import DATA, Field, Label, Loaded
from pipeline.examples.summary import finite
from pipeline.report.sources import ReportSources
from pipeline.sql import quote

if TYPE_CHECKING:
    import duckdb

SHOWN_CLASSES = 5
SHOWN_SLICES = 20
MOST_MOMENTS = 72
UNITS_S = {"hour": 3600, "day": DAY_S, "week": 7 * DAY_S, "month": 30.4 * DAY_S, "quarter": 91.3 * DAY_S}


class Moment(Settings):
    """A stretch of time: from where to where, its rows by split, and the label's measures (None without rows)."""

    start: float
    end: float
    rows: tuple[int, ...]
    measures: tuple[float | None, ...]


class Timeline(Settings):
    """The label by time.

    Attributes:
        column: of the time.
        unit: `hour` to `year`; empty if the time is a number.
        moments: in order, those with rows only.
    """

    column: str
    unit: str
    moments: tuple[Moment, ...]


class SliceRow(Settings):
    """Rows with one value of a slice column, by split, and what the label is there (`LabelFacts.cells`)."""

    value: str | None
    rows: tuple[int, ...]
    cells: tuple[float | None, ...]


class SliceTable(Settings):
    """The label by the values of a column: the ones with most rows, and how many more there are."""

    column: str
    rows: tuple[SliceRow, ...]
    more: int


class LabelFacts(Settings):
    """The label.

    Attributes:
        column: its name.
        kind: binary, multiclass or regression.
        measures: what is shown of it: `share of yes`, `mean` or the most frequent classes' shares.
        cells: headings of a slice's cells: the splits if there is one measure, or else the measures over all splits.
        by_split: the measure by split if there is one measure.
        timeline: by time; None without a time column.
        slices: by the slice columns.
    """

    column: str
    kind: str
    measures: tuple[str, ...]
    cells: tuple[str, ...]
    by_split: tuple[float | None, ...]
    timeline: Timeline | None
    slices: tuple[SliceTable, ...]


def read_label(connection: "duckdb.DuckDBPyConnection", sources: ReportSources, loaded: Loaded) -> LabelFacts:
    """Return the label by time and by slice, of this run's splits."""
    label, ours = sources.label, range(loaded.compared)
    measures = _measures(connection, label, loaded)
    cells, by_split = measures, tuple[Any, ...]()
    if len(measures) == 1:
        ((_, sql),) = measures.items()
        cells = {loaded.series[index]: f"{sql} FILTER (series = {index})" for index in ours}
        (by_split,) = connection.execute(f"SELECT {', '.join(cells.values())} FROM {DATA}").fetchall()
    known, timeline = {field.name for field in loaded.fields}, None
    if sources.time_column in known:
        timeline = _read_timeline(connection, loaded.find(str(sources.time_column)), loaded, list(measures.values()))
    return LabelFacts(
        column=label.column,
        kind=label.kind,
        measures=tuple(measures),
        cells=tuple(cells),
        by_split=tuple(finite(value) for value in by_split),
        timeline=timeline,
        slices=tuple(
            _read_slices(connection, loaded.find(name), loaded, list(cells.values()))
            for name in sources.slice_columns
            if name in known
        ),
    )


def _measures(connection: "duckdb.DuckDBPyConnection", label: Label, loaded: Loaded) -> dict[str, str]:
    """Return SQL of what is shown of the label, by its name."""
    if label.kind != "multiclass":
        return {"mean" if label.kind == "regression" else f"share of {label.positive or 'yes'}": "avg(y)"}
    field = loaded.find(label.column)
    texts = find_classes(connection, field, loaded)[:SHOWN_CLASSES]
    value = f"CAST({field.place} AS VARCHAR)"
    return {text: f"avg(CAST({value} = {quote(text)} AS INTEGER))" for text in texts}


def _read_timeline(
    connection: "duckdb.DuckDBPyConnection", field: Field, loaded: Loaded, measures: list[str]
) -> Timeline | None:
    if field.kind == "text":
        return None
    where = f"{field.value} IS NOT NULL AND series < {loaded.compared}"
    ((low, high),) = connection.execute(
        f"SELECT min({field.value}), max({field.value}) FROM {DATA} WHERE {where}"
    ).fetchall()
    if low is None:
        return None
    unit, start, end = _stretch(field, low, high)
    asked = ", ".join([_count(index) for index in range(loaded.compared)] + measures)
    found = connection.execute(
        f"SELECT {end}, * FROM (SELECT {start} AS start, {asked} FROM {DATA} WHERE {where} GROUP BY 1) ORDER BY start"
    ).fetchall()
    moments = [_moment(row, loaded.compared) for row in found]
    return Timeline(column=field.name, unit=unit, moments=tuple(moments))


def _stretch(field: Field, low: float, high: float) -> tuple[str, str, str]:
    """Return the unit of time, SQL of the start of a value's stretch, and SQL of its end given `start`."""
    if field.kind != "time":
        bins = make_bins(low, high, whole=field.whole)
        width, origin = double(bins.width), double(bins.start)
        place = f"floor((CAST({field.value} AS DOUBLE) - {origin}) / {width} + 1e-9)"
        return "", f"{origin} + {width} * {place}", f"start + {width}"
    unit = next((unit for unit, seconds in UNITS_S.items() if high - low <= seconds * MOST_MOMENTS), "year")
    start = f"epoch(date_trunc('{unit}', to_timestamp({field.value})))"
    return unit, start, f"epoch(to_timestamp(start) + INTERVAL 1 {unit})"


def _count(series: int) -> str:
    return f"count(*) FILTER (series = {series})"


def _moment(row: tuple[Any, ...], splits: int) -> Moment:
    end, start, *rest = row
    measures = tuple(finite(number) for number in rest[splits:])
    return Moment(start=start, end=end, rows=tuple(rest[:splits]), measures=measures)


def _read_slices(connection: "duckdb.DuckDBPyConnection", field: Field, loaded: Loaded, cells: list[str]) -> SliceTable:
    asked = ", ".join([_count(index) for index in range(loaded.compared)] + cells)
    rows = connection.execute(
        f"SELECT CAST({field.place} AS VARCHAR) AS value, count(*), {asked} FROM {DATA} WHERE series < "
        f"{loaded.compared} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {SHOWN_SLICES}"
    ).fetchall()
    ((distinct,),) = connection.execute(
        f"SELECT count(*) FROM (SELECT DISTINCT {field.place} FROM {DATA} WHERE series < {loaded.compared})"
    ).fetchall()
    made = [
        SliceRow(
            value=value,
            rows=tuple(rest[: loaded.compared]),
            cells=tuple(finite(number) for number in rest[loaded.compared :]),
        )
        for value, _, *rest in rows
    ]
    return SliceTable(column=field.name, rows=tuple(made), more=distinct - len(made))
