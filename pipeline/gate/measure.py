"""From examples to facts: DuckDB reads, numpy counts a batch at a time, so memory does not grow with the rows."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.examples.load import DATA, ExamplesFolder, Field, Loaded, load
from pipeline.gate.facts import ColumnFacts, Facts, Gap
from pipeline.gate.sample import Sample, read_sample, selected
from pipeline.gate.tally import FREQUENT, Classes, Coder, Plan, Summary, Tally, Tops, edges

if TYPE_CHECKING:
    import duckdb
    import numpy as np

BATCH_ROWS = 65_536
BATCH_VALUES = 4_000_000
BINS = 16
COLUMNS_A_QUERY = 50


class Question(NamedTuple):
    """What to measure.

    Attributes:
        examples: what to read.
        features: what the model reads; empty: every column but the label.
        time_column: of a split by time.
        overlapping: rows of other splits that equal a training row, counted when they were split.
        before: what is known of the data to compare with.
    """

    examples: ExamplesFolder
    features: tuple[str, ...] = ()
    time_column: str | None = None
    overlapping: int = 0
    before: Facts | None = None


class Measured(NamedTuple):
    """Facts, and the histograms that TFDV's distances need.

    Attributes:
        facts: of the data.
        histograms: of numbers, by name: rows in bins of equal width between the smallest and the largest.
        tops: of texts, by name: frequent values with their rows, most frequent first.
        fields: the columns.
    """

    facts: Facts
    histograms: "dict[str, np.ndarray[Any, Any]]"
    tops: Tops
    fields: tuple[Field, ...]


class _Counted(NamedTuple):
    """What was counted, for the facts of each column."""

    connection: "duckdb.DuckDBPyConnection"
    loaded: Loaded
    summary: Summary
    plan: Plan
    tally: Tally
    sample: Sample


def measure(connection: "duckdb.DuckDBPyConnection", question: Question) -> Measured:
    """Return what the gate has to know of the examples."""
    loaded, label = load(connection, question.examples), question.examples.label
    summary = _summarize(connection, loaded)
    tops = {field.name: _top(connection, field) for field in loaded.fields if field.kind == "text"}
    rows = read_sample(connection, loaded, sum(summary.rows))
    classes = Classes(loaded.find(label.column), label.kind, tops, rows, question.before)
    before = {field.name: Coder(known.edges, known.values) for field, known in _known(loaded, question.before)}
    plan = Plan({field.name: _coder(field, tops, rows) for field in loaded.fields}, before, classes, summary)
    tally, sample = _count(connection, loaded, plan), Sample(rows, loaded, label, tops)
    counted = _Counted(connection, loaded, summary, plan, tally, sample)
    names, (correlations, errors) = sample.relate(question.before)
    facts = Facts(
        rows=dict(zip(loaded.series, summary.rows, strict=True)),
        columns=tuple(_column(counted, field, question.before) for field in loaded.fields),
        label=label.column,
        classes=classes.names,
        class_rows=tally.classes(),
        label_edges=classes.coder.edges,
        duplicates=_duplicates(connection, loaded),
        overlapping=question.overlapping,
        gap=_gap(connection, loaded, question.time_column),
        related=names,
        correlations=correlations,
        errors=errors,
        late=_late(connection, loaded, question),
    )
    return Measured(facts, tally.histograms, tops, loaded.fields)


def _column(counted: _Counted, field: Field, earlier: Facts | None) -> ColumnFacts:
    name, summary, own = field.name, counted.summary, counted.plan.own[field.name]
    before = earlier.by_name[name] if earlier and name in counted.plan.before else None
    cells, is_number = counted.tally.cells(name, "own"), field.kind == "number"
    return ColumnFacts(
        name=name,
        kind=field.kind,
        whole=field.whole,
        present=summary.present[name],
        distinct=summary.distinct[name],
        low=summary.low[name],
        high=summary.high[name],
        edges=own.edges,
        values=own.values,
        cells=cells,
        as_before=counted.tally.cells(name, "before") if before else (),
        unseen=_unseen(counted.connection, field, counted.loaded) if field.kind == "text" else (),
        auc=counted.sample.auc(field, cells),
        rank=counted.sample.mean_rank(field, own.edges, cells) if is_number else None,
        rank_before=counted.sample.mean_rank(field, before.edges, before.cells) if before and is_number else None,
    )


def _known(loaded: Loaded, before: Facts | None) -> Iterator[tuple[Field, ColumnFacts]]:
    """Yield the columns that can be compared with the earlier data: moments of time are others by design."""
    for field in loaded.fields:
        known = before.by_name.get(field.name) if before else None
        if known is not None and known.kind == field.kind != "time":
            yield field, known


def _summarize(connection: "duckdb.DuckDBPyConnection", loaded: Loaded) -> Summary:
    """Read all columns once, some a query: DuckDB takes long to plan hundreds of aggregates."""
    splits = range(loaded.compared)
    counted = dict(connection.execute(f"SELECT series, count(*) FROM {DATA} GROUP BY 1").fetchall())
    summary = Summary(tuple(counted.get(series, 0) for series in splits), {}, {}, {}, {})
    for start in range(0, len(loaded.fields), COLUMNS_A_QUERY):
        fields = loaded.fields[start : start + COLUMNS_A_QUERY]
        found = connection.execute(
            f"SELECT series, {', '.join(f'count({field.value})' for field in fields)} FROM {DATA} GROUP BY 1"
        ).fetchall()
        present = {series: counts for series, *counts in found}
        (facts,) = connection.execute(f"SELECT {', '.join(map(_ends, fields))} FROM {DATA}").fetchall()
        for index, field in enumerate(fields):
            summary.present[field.name] = tuple(present[series][index] if series in present else 0 for series in splits)
            summary.distinct[field.name], summary.low[field.name], summary.high[field.name] = facts[3 * index :][:3]
    return summary


def _ends(field: Field) -> str:
    """Return SQL of how many values a column has, about, and of its smallest and largest number."""
    ends = "NULL, NULL" if field.kind == "text" else f"{_double('min', field)}, {_double('max', field)}"
    return f"approx_count_distinct({field.value}), {ends}"


def _double(function: str, field: Field) -> str:
    return f"CAST({function}({field.value}) AS DOUBLE)"


def _top(connection: "duckdb.DuckDBPyConnection", field: Field) -> list[tuple[str, int]]:
    """Return the thousand most frequent texts with their rows: TFDV's rank histogram."""
    query = f"SELECT {field.place}, count(*) FROM {DATA} WHERE {field.place} IS NOT NULL GROUP BY 1"
    return list(connection.execute(f"{query} ORDER BY 2 DESC, 1 LIMIT 1000").fetchall())


def _coder(field: Field, tops: Tops, sample: dict[str, Any]) -> Coder:
    if field.kind == "text":
        return Coder(values=tuple(text for text, _ in tops[field.name][:FREQUENT]))
    return Coder(edges=edges(sample[field.name], BINS))


def _count(connection: "duckdb.DuckDBPyConnection", loaded: Loaded, plan: Plan) -> Tally:
    tally = Tally(plan, loaded.compared)
    rows = max(1, min(BATCH_ROWS, BATCH_VALUES // len(loaded.fields)))
    for batch in connection.sql(f"SELECT series, {selected(loaded)}, y FROM {DATA}").to_arrow_reader(rows):
        tally.add(batch, loaded.fields)
    return tally


def _unseen(connection: "duckdb.DuckDBPyConnection", field: Field, loaded: Loaded) -> tuple[int, ...]:
    """Return by split the rows whose text the first split does not have."""
    found = dict(
        connection.execute(
            f"SELECT series, count(*) FROM {DATA} ANTI JOIN (SELECT DISTINCT {field.place} FROM {DATA} "
            f"WHERE series = 0) USING ({field.place}) WHERE {field.place} IS NOT NULL GROUP BY 1"
        ).fetchall()
    )
    return tuple(found.get(series, 0) for series in range(loaded.compared))


def _duplicates(connection: "duckdb.DuckDBPyConnection", loaded: Loaded) -> int:
    content = ", ".join(field.place for field in loaded.fields)
    query = f"SELECT count(*) - count(DISTINCT hash({content})) FROM {DATA}"
    return int(connection.execute(query).fetchall()[0][0])


def _gap(connection: "duckdb.DuckDBPyConnection", loaded: Loaded, time_column: str | None) -> Gap | None:
    """Return the longest time between two moments of the column that the split goes by."""
    if time_column is None or loaded.find(time_column).kind != "time":
        return None
    time = loaded.find(time_column).value
    steps = f"SELECT m, lead(m) OVER (ORDER BY m) - m AS step FROM (SELECT DISTINCT {time} AS m FROM {DATA})"
    found = connection.execute(
        f"SELECT max(step), arg_max(m, step), quantile_disc(step, 0.99), count(step) FROM ({steps})"
    ).fetchall()
    longest, after, usual, count = found[0]
    return Gap(seconds=longest, after=after, usual=usual) if count else None


def _late(connection: "duckdb.DuckDBPyConnection", loaded: Loaded, question: Question) -> dict[str, int]:
    """Return how many rows of the time columns among the features lie after the time that the split goes by."""
    if question.time_column is None or loaded.find(question.time_column).kind != "time":
        return {}
    time = loaded.find(question.time_column).value
    used = [
        field
        for field in loaded.fields
        if field.kind == "time" and field.name in question.features and field.name != question.time_column
    ]
    if not used:
        return {}
    counted = ", ".join(f"count(*) FILTER ({field.value} > {time})" for field in used)
    (found,) = connection.execute(f"SELECT {counted} FROM {DATA}").fetchall()
    return {field.name: rows for field, rows in zip(used, found, strict=True)}
