"""What the columns of a problem's data hold beside what its schema says: DuckDB counts, over every row."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.convert import Conversion, convert
from pipeline.errors import InputError
from pipeline.facts import column_facts, presence
from pipeline.preflight import chosen_spans, span_sources
from pipeline.problem import LoadedProblem
from pipeline.profile import read_profiles
from pipeline.sources import REJECTED
from pipeline.sql import identifier, quote
from pipeline.tables import (
    Column,
    connect,
    describe,
    explain_errors,
    known_types,
    prepare,
    query_text,
    source_tables,
    with_first,
)
from schemas.difference import Difference, Observed
from schemas.infer import ColumnFacts
from schemas.store import SchemaColumn
from schemas.words import number_bounds, percent, values

if TYPE_CHECKING:
    import duckdb
    from tensorflow_metadata.proto.v0.schema_pb2 import Feature, Schema

TABLE = "__contract"
SPAN = "__span"
EXAMPLES = 3
MOST_NEW_VALUES = 10_000


@contextmanager
def open_rows(
    loaded: LoadedProblem, data: Path | None, given: Mapping[str, str]
) -> "Iterator[duckdb.DuckDBPyConnection]":
    """Yield a connection whose TABLE has the rows of all chosen spans, with the span's place in SPAN.

    The view `source` is the same without SPAN.
    """
    if data is not None:
        source = with_first(loaded.problem.source, data)
        loaded = loaded._replace(problem=loaded.problem.model_copy(update={"source": source}))
    sources = span_sources(loaded, chosen_spans(loaded))
    with connect() as connection:
        for index, source in enumerate(sources.values()):
            _read(connection, source, loaded.root, given, index)
        parts = " UNION ALL BY NAME ".join(f"SELECT * FROM {TABLE}_{index}" for index in range(len(sources)))
        connection.execute(f"CREATE VIEW {TABLE} AS {parts}")
        connection.execute(f"CREATE VIEW source AS SELECT * EXCLUDE ({SPAN}) FROM {TABLE}")
        ((rows,),) = connection.sql(f"SELECT count(*) FROM {TABLE}").fetchall()
        if rows == 0:
            raise InputError(f"{data or 'source'}: expected rows, received none")
        yield connection


def _read(
    connection: "duckdb.DuckDBPyConnection", source: Any, root: Path, given: Mapping[str, str], place: int
) -> None:
    tables = source_tables(source, root)
    for table in tables:
        prepare(connection, table, known_types(source, given), whole=True)
    query = query_text(source, root, tables)
    connection.execute(f"CREATE TEMP TABLE {TABLE}_{place} AS SELECT *, {place} AS {SPAN} FROM ({query})").fetchall()


class _Measure(NamedTuple):
    """A column beside its feature, with SQL of all that is counted in one pass.

    Attributes:
        conversion: how its values are read.
        low: bound of the schema.
        high: bound of the schema.
        texts: domain of the schema.
    """

    conversion: Conversion
    low: float | None
    high: float | None
    texts: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.conversion.column.name

    @property
    def unfit(self) -> str:
        """Whether a value can't be read."""
        return (
            f"{identifier(self.name)} IS NOT NULL AND ({self.conversion.unfit})" if self.conversion.unfit else "false"
        )

    def expressions(self) -> list[str]:
        """Return present, unfit, smallest, largest, outside, fewest and most values."""
        value, is_list = f"({self.conversion.value})", self.conversion.column.is_list
        low, high = (f"list_min{value}", f"list_max{value}") if is_list else (value, value)
        is_number = self.conversion.raw_type != "bytes"
        limits = ((low, "<", self.low), (high, ">", self.high))
        outside = " OR ".join(f"{side} {sign} {bound!r}" for side, sign, bound in limits if bound is not None)
        return [
            f"count(*) FILTER ({value} IS NOT NULL OR ({self.unfit}))",
            f"count(*) FILTER ({self.unfit})",
            f"min({low})" if is_number else "NULL",
            f"max({high})" if is_number else "NULL",
            f"count(*) FILTER ({outside})" if outside and is_number else "0",
            f"min(len{value})" if is_list else "NULL",
            f"max(len{value})" if is_list else "NULL",
        ]


def observe(
    connection: "duckdb.DuckDBPyConnection", expected: Mapping[str, SchemaColumn], schema: "Schema"
) -> tuple[Observed, ...]:
    """Return what each column of the view `source` holds."""
    features = {feature.name: feature for feature in schema.feature}
    columns = describe(connection)
    measures = [_measure(column, expected.get(name), features.get(name), schema) for name, column in columns.items()]
    selected = ", ".join(each for measure in measures for each in measure.expressions())
    with explain_errors():
        ((rows, *counts),) = connection.sql(f"SELECT count(*), {selected} FROM source").fetchall()
        size = len(counts) // len(measures)
        found = [
            _observed(connection, measure, rows, counts[index * size : (index + 1) * size])
            for index, measure in enumerate(measures)
        ]
        facts = _new_facts(connection, [column for name, column in columns.items() if name not in features])
    return tuple(each._replace(facts=facts.get(each.facts.name, each.facts)) for each in found)


def _measure(column: Column, expected: SchemaColumn | None, feature: "Feature | None", schema: "Schema") -> _Measure:
    low, high = number_bounds(feature, schema) if feature else (None, None)
    return _Measure(convert(column, expected), low, high, values(feature, schema) if feature else ())


def _observed(connection: "duckdb.DuckDBPyConnection", measure: _Measure, rows: int, counts: Sequence[Any]) -> Observed:
    present, unfit, low, high, outside, fewest, most = counts
    column = measure.conversion.column
    lengths = (fewest, most) if most is not None else None
    known = presence(present, rows)
    facts = ColumnFacts(measure.name, column.raw_type, known, is_list=column.is_list, counts=lengths)
    return Observed(
        facts,
        rows,
        present,
        unfit,
        _examples(connection, measure) if unfit else (),
        _unexpected(connection, measure) if measure.texts else (),
        low,
        high,
        outside,
        lengths,
    )


def _examples(connection: "duckdb.DuckDBPyConnection", measure: _Measure) -> tuple[str, ...]:
    """Return the most frequent ones of the values that can't be read."""
    text = f"CAST({identifier(measure.name)} AS VARCHAR)"
    query = f"SELECT {text} FROM source WHERE {measure.unfit} GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {EXAMPLES}"
    return tuple(text for (text,) in connection.sql(query).fetchall())


def _unexpected(connection: "duckdb.DuckDBPyConnection", measure: _Measure) -> tuple[tuple[str, int], ...]:
    """Return the values that the domain does not have, with their rows."""
    value = f"unnest({measure.conversion.value})" if measure.conversion.column.is_list else measure.conversion.value
    query = (
        f"SELECT value, count(*) FROM (SELECT {value} AS value FROM source) WHERE value NOT IN "
        f"({', '.join(map(quote, measure.texts))}) GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST_NEW_VALUES}"
    )
    return tuple(connection.sql(query).fetchall())


def _new_facts(connection: "duckdb.DuckDBPyConnection", columns: list[Column]) -> dict[str, ColumnFacts]:
    """Return what a schema would say of columns that are new; of lists that is known already."""
    names = ", ".join(identifier(column.name) for column in columns if not column.is_list)
    if not names:
        return {}
    connection.execute(f"CREATE OR REPLACE VIEW source AS SELECT {names} FROM {TABLE}")
    return {name: column_facts(profile) for name, profile in read_profiles(connection).items()}


def refused(connection: "duckdb.DuckDBPyConnection", rows: int) -> list[Difference]:
    """Return the rows that could not be read, by column, with the place of the first one."""
    found = connection.sql(
        f"SELECT coalesce(\"column\", ''), any_value(reason), min(value), CAST(sum(coalesce(lines, 1)) AS BIGINT), "
        f"min_by(file, line), min(line) FROM {REJECTED} GROUP BY 1 ORDER BY 1"
    ).fetchall()
    differences = []
    for column, reason, value, count, file, line in found:
        share = count / (rows + count)
        place = f", first at {file}:{line}" if file else ""
        words = f"{percent(share)} of the rows can't be read: {reason}"
        words += f", received {value!r}{place}" if value is not None else place
        differences.append(Difference(feature=column, kind="unreadable rows", words=words, rows=count, share=share))
    return differences
