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
BINS = 16


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
        moments: by name, mean, standard deviation and zeros of numbers.
        fields: the columns.
    """

    facts: Facts
    histograms: "dict[str, np.ndarray[Any, Any]]"
    tops: Tops
    fields: tuple[Field, ...]


def measure(connection: "duckdb.DuckDBPyConnection", question: Question) -> Measured:
    """Return what the gate has to know of the examples."""
    loaded = load(connection, question.examples)
    summary = _summarize(connection, loaded)
    tops = {field.name: _top(connection, field) for field in loaded.fields if field.kind == "text"}
    columns = read_sample(connection, loaded, sum(summary.rows))
    own = {field.name: _coder(field, tops, columns) for field in loaded.fields}
    label = Classes(
        loaded.find(question.examples.label.column), question.examples.label.kind, tops, columns, question.before
    )
    sample = Sample(columns, loaded, question.examples.label, tops)
    earlier = {field.name: Coder(known.edges, known.values) for field, known in _known(loaded, question.before)}
    tally = _count(connection, loaded, Plan(own, earlier, label, summary))
    found = []
    for field in loaded.fields:
        cells = tally.cells(field.name, "own")
        before = question.before.by_name[field.name] if question.before and field.name in earlier else None
        found.append(
            ColumnFacts(
                name=field.name,
                kind=field.kind,
                whole=field.whole,
                present=summary.present[field.name],
                distinct=summary.distinct[field.name],
                low=summary.low[field.name],
                high=summary.high[field.name],
                edges=own[field.name].edges,
                values=own[field.name].values,
                cells=cells,
                as_before=tally.cells(field.name, "before") if before else (),
                unseen=_unseen(connection, field, loaded) if field.kind == "text" else (),
                auc=sample.auc(field, cells),
                rank=sample.mean_rank(field, own[field.name].edges, cells) if field.kind == "number" else None,
                rank_before=sample.mean_rank(field, before.edges, before.cells)
                if before and field.kind == "number"
                else None,
            )
        )
    names, (correlations, errors) = sample.relate(question.before)
    facts = Facts(
        rows=dict(zip(loaded.series, summary.rows, strict=True)),
        columns=tuple(found),
        label=label.field.name,
        classes=label.names,
        class_rows=tally.classes(),
        label_edges=label.coder.edges,
        duplicates=_duplicates(connection, loaded),
        overlapping=question.overlapping,
        gap=_gap(connection, loaded, question.time_column),
        related=names,
        correlations=correlations,
        errors=errors,
        late=_late(connection, loaded, question),
    )
    return Measured(facts, tally.histograms, tops, loaded.fields)


def _known(loaded: Loaded, before: Facts | None) -> Iterator[tuple[Field, ColumnFacts]]:
    """Yield the columns that can be compared with the earlier data: moments of time are others by design."""
    for field in loaded.fields:
        known = before.by_name.get(field.name) if before else None
        if known is not None and known.kind == field.kind != "time":
            yield field, known


def _summarize(connection: "duckdb.DuckDBPyConnection", loaded: Loaded) -> Summary:
    splits = range(loaded.compared)
    counted = ", ".join(f"count({field.value})" for field in loaded.fields)
    by_split = {
        series: (rows, *counts)
        for series, rows, *counts in connection.execute(
            f"SELECT series, count(*), {counted} FROM {DATA} GROUP BY 1"
        ).fetchall()
    }
    none = (0,) * (len(loaded.fields) + 1)
    distinct = ", ".join(f"approx_count_distinct({field.value})" for field in loaded.fields)
    ends = ", ".join(
        f"CAST(min({field.value}) AS DOUBLE), CAST(max({field.value}) AS DOUBLE)"
        if field.kind != "text"
        else "NULL, NULL"
        for field in loaded.fields
    )
    (found,) = connection.execute(f"SELECT {distinct}, {ends} FROM {DATA}").fetchall()
    names, size = [field.name for field in loaded.fields], len(loaded.fields)
    return Summary(
        tuple(by_split.get(series, none)[0] for series in splits),
        {name: tuple(by_split.get(series, none)[index + 1] for series in splits) for index, name in enumerate(names)},
        dict(zip(names, found[:size], strict=True)),
        dict(zip(names, found[size::2], strict=True)),
        dict(zip(names, found[size + 1 :: 2], strict=True)),
    )


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
    for batch in _batches(connection, f"SELECT series, {selected(loaded)}, y FROM {DATA}"):
        tally.add(batch, loaded.fields)
    return tally


def _batches(connection: "duckdb.DuckDBPyConnection", query: str) -> Iterator[Any]:
    yield from connection.sql(query).to_arrow_reader(BATCH_ROWS)


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
