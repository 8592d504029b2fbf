"""One pass over the source: its rows, converted and hashed, as Parquet; the refused ones beside them.

The work is DuckDB's: it reads, joins, converts and hashes out of core, on all threads, and hands out no row to Python.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from models.raw import RawType
from pipeline.convert import Conversion, convert
from pipeline.errors import InputError
from pipeline.sources import REJECTED
from pipeline.splits import HASH
from pipeline.sql import identifier, quote
from pipeline.tables import Table, connect, count_rejected, describe, known_types, prepare, query_text, source_tables
from schemas.store import SchemaColumn

if TYPE_CHECKING:
    import duckdb

ROWS_FILE = "rows-{:05d}.parquet"
REJECTED_FILE = "rejected-{:05d}.parquet"
QUERY = "query"
"""Name under which rows count that a query made."""
HELD = "__held"


class Reading(NamedTuple):
    """Everything that decides what is read.

    Attributes:
        source: the problem's source, for one span.
        root: folder that its paths are relative to.
        expected: what the curated schema says, by column; empty without one.
        given: the types that follow from it.
    """

    source: Any
    root: Path
    expected: Mapping[str, SchemaColumn]
    given: Mapping[str, str]


class Content(NamedTuple):
    """What was read.

    Attributes:
        rows: how many.
        sum: of the rows' hashes: the same whatever their order, and sums of parts add up.
        duplicates: rows that an earlier row equals.
        sql_types: DuckDB's type of each column, before conversion.
        raw_types: type of each column in the examples.
        read: rows by table, refused ones among them.
        rejected: rows refused, by table.
    """

    rows: int
    sum: int
    duplicates: int
    sql_types: dict[str, str]
    raw_types: dict[str, RawType]
    read: dict[str, int]
    rejected: dict[str, int]

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(self._asdict())

    @staticmethod
    def from_json(text: str) -> "Content":
        """Return what `to_json` made text of."""
        return Content(**json.loads(text))

    def digest(self) -> str:
        """Return one digest of rows and types."""
        return hashlib.sha256(f"{self.rows}:{self.sum}:{sorted(self.raw_types.items())}".encode()).hexdigest()[:32]


class Writer(NamedTuple):
    """Converts and writes what DuckDB reads.

    Attributes:
        connection: with the source's tables.
        expected: what the curated schema says, by column.
        file: where the rows go.
        table: name under which rows count that do not fit the schema.
    """

    connection: "duckdb.DuckDBPyConnection"
    expected: Mapping[str, SchemaColumn]
    file: Path
    table: str

    def write(self, scan: str) -> str:
        """Write the rows of `scan`, an SQL expression that can be read once; return SQL that reads the file."""
        self._execute(f"CREATE OR REPLACE TEMP VIEW source AS SELECT * FROM {scan}")
        conversions = self.conversions()
        rows = "source"
        unfit = [each for each in conversions if each.unfit]
        if unfit:
            rows = self._hold_fit_rows(unfit)
        values = ", ".join(f"{each.value} AS {identifier(each.column.name)}" for each in conversions)
        self._execute(
            f"COPY (SELECT *, {row_hash(conversions)} AS {HASH} FROM (SELECT {values} FROM {rows})) "
            f"TO {quote(str(self.file))} (FORMAT parquet)"
        )
        return f"read_parquet({quote(str(self.file))})"

    def measure(self, read: Mapping[str, int]) -> Content:
        """Return what was written; `read` are the rows of the tables that a query used."""
        rows, hashes, distinct = self.connection.sql(
            f"SELECT count(*), coalesce(sum(CAST({HASH} AS HUGEINT)), 0), count(DISTINCT {HASH}) "
            f"FROM read_parquet({quote(str(self.file))})"
        ).fetchall()[0]
        rejected = count_rejected(self.connection)
        conversions = self.conversions()
        return Content(
            rows=rows,
            sum=hashes,
            duplicates=rows - distinct,
            sql_types={each.column.name: each.column.sql_type for each in conversions},
            raw_types={each.column.name: each.raw_type for each in conversions},
            read={name: count + rejected.get(name, 0) for name, count in {**read, self.table: rows}.items()},
            rejected=rejected,
        )

    def conversions(self) -> list[Conversion]:
        """Return how each column of the view `source` is converted."""
        columns = describe(self.connection)
        return [convert(column, self.expected.get(name)) for name, column in columns.items()]

    def _hold_fit_rows(self, unfit: list[Conversion]) -> str:
        """Keep the rows in a table, because two statements need them; refuse those that do not fit the schema."""
        self._execute(f"CREATE OR REPLACE TABLE {HELD} AS SELECT * FROM source")
        columns, values, reasons, conditions = [], [], [], []
        for each in unfit:
            name = identifier(each.column.name)
            condition = f"{name} IS NOT NULL AND ({each.unfit})"
            conditions.append(condition)
            columns.append(f"WHEN {condition} THEN {quote(each.column.name)}")
            values.append(f"WHEN {condition} THEN CAST({name} AS VARCHAR)")
            reasons.append(f"WHEN {condition} THEN {quote(f'expected {each.wanted}')}")
        any_unfit = f"coalesce({' OR '.join(conditions)}, false)"
        self._execute(f'DELETE FROM {REJECTED} WHERE "table" = {quote(self.table)}')
        self._execute(
            f'INSERT INTO {REJECTED} BY NAME SELECT {quote(self.table)} AS "table", CASE {" ".join(columns)} END AS '
            f'"column", CASE {" ".join(values)} END AS value, CASE {" ".join(reasons)} END AS reason, '
            f"CAST(to_json(held) AS VARCHAR) AS row FROM {HELD} AS held WHERE {any_unfit}"
        )
        return f"(SELECT * FROM {HELD} WHERE NOT {any_unfit})"

    def _execute(self, statement: str) -> None:
        self.connection.execute(statement).fetchall()


def row_hash(conversions: list[Conversion]) -> str:
    """Return SQL of a row's 64-bit hash, whatever the order of its columns: half of the MD5 of its values.

    DuckDB's own `hash` is faster, but may change with its version, and rows must never change their split.
    """
    names = sorted(each.column.name for each in conversions)
    values = ", ".join(f"coalesce(CAST({identifier(name)} AS VARCHAR), chr(0))" for name in names)
    return f"md5_number_lower(concat_ws(chr(31), {values}))"


def read_source(reading: Reading, folder: Path) -> Content:
    """Read the source into files in `folder`.

    Raises:
        InputError: the source can't be read, or has no row.
    """
    source, given = reading.source, known_types(reading.source, reading.given)
    tables = source_tables(source, reading.root)
    with connect() as connection:
        connection.execute("SET preserve_insertion_order = false").fetchall()
        if is_one_scan(source, tables):
            writer = Writer(connection, reading.expected, folder / ROWS_FILE.format(0), tables[0].name)
            tables[0].load(connection, given, writer.write)
            content = writer.measure({})
        else:
            read = {table.name: prepare(connection, table, given, whole=True) for table in tables}
            writer = Writer(connection, reading.expected, folder / ROWS_FILE.format(0), QUERY)
            writer.write(f"({query_text(source, reading.root, tables)})")
            content = writer.measure(read)
        write_rejected(connection, folder / REJECTED_FILE.format(0))
        refuse_nothing(content, tables, _most_refused(connection))
    return content


def is_one_scan(source: Any, tables: list[Table]) -> bool:
    """Return whether the rows are those of one table, so that nobody needs it twice."""
    return len(tables) == 1 and (source.query is None or not hasattr(source, "files"))


def write_rejected(connection: "duckdb.DuckDBPyConnection", file: Path) -> None:
    """Write the refused rows, if there are any."""
    if count_rejected(connection):
        connection.execute(
            f'COPY (SELECT * EXCLUDE (lines) FROM {REJECTED} ORDER BY "table", file, line, "column") '
            f"TO {quote(str(file))} (FORMAT parquet, COMPRESSION zstd)"
        ).fetchall()


def _most_refused(connection: "duckdb.DuckDBPyConnection") -> str:
    """Return what most rows were refused for, with a value; empty if none was."""
    reasons = connection.sql(
        f"SELECT concat_ws(': ', 'column ' || \"column\", reason), any_value(value) FROM {REJECTED} "
        "GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
    ).fetchall()
    return "".join(f": {reason}, received {value!r:.80}" for reason, value in reasons)


def refuse_nothing(content: Content, tables: list[Table], why: str = "") -> None:
    """Refuse a source without rows; `why` most of them were refused.

    Raises:
        InputError: always then.
    """
    if content.rows:
        return
    files = ", ".join(str(file) for file in tables[0].files[:3]) or tables[0].name
    refused = sum(content.rejected.values())
    more = f"; {refused:,} could not be read{why}" if refused else ""
    raise InputError(f"{files}: expected a header and rows, received no row{more}")
