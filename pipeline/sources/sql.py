"""A table or a query of PostgreSQL, SQLite, MySQL, MariaDB or SQL Server.

Rows come as a stream, so memory does not grow with their number. With `partition` several connections read at a time,
each a range of the column's values; they see the table at slightly different moments, so a table that is being written
to is better read without. MySQL, MariaDB and SQL Server need `partition` for flat memory: without it, rows that come
faster than they are taken pile up.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from models.settings import Settings
from pipeline.databases import sqlite_types
from pipeline.databases.credentials import EXPECTED, Database, has_password, log_in, parse
from pipeline.databases.streams import ADBC_OPTIONS, Request, Rows, fetch_one
from pipeline.errors import InputError
from pipeline.sources import TableParams, Types
from pipeline.sql import identifier, quote

if TYPE_CHECKING:
    import duckdb

SUFFIXES: tuple[str, ...] = ()
HIDDEN = "(a URL with a password)"
RANGE_ROWS = 500_000
"""Rows of a range where the driver reads ahead: about so many pile up at most, for each connection."""
WHOLE = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
TEXT = {"VARCHAR", "UUID", "JSON", "TIME"}
KNOWN = {"BOOLEAN": "BOOLEAN", "DATE": "DATE", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP"} | {
    **dict.fromkeys(WHOLE, "BIGINT"),
    **dict.fromkeys(("FLOAT", "DOUBLE", "DECIMAL"), "DOUBLE"),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), "TIMESTAMP"),
    **dict.fromkeys(TEXT, "VARCHAR"),
}
QUOTES = {"mysql": ("`", "`"), "mssql": ("[", "]")}
EARLIEST = "DATE '4714-01-01 (BC)'"
"""PostgreSQL's first day; its `infinity` arrives as something before it."""


def _hide_password(url: Any) -> Any:
    # pydantic keeps the input of whatever refuses it; the next validator gets this one
    return HIDDEN if isinstance(url, str) and has_password(url) else url


def _check_url(url: str) -> str:
    if url == HIDDEN:
        raise ValueError(
            "expected a URL without a password, received one with it; give the password in $PENSTOCK_SQL_PASSWORD or "
            "~/.pgpass, or put the whole URL into an environment variable and write its $NAME here"
        )
    if not url.startswith("$"):
        parse(url)
    elif not url[1:].isidentifier():
        raise ValueError(EXPECTED)
    return url


class Partition(Settings):
    """Which ranges of rows are read at the same time.

    Attributes:
        column: of whole numbers, evenly spread at best: the key of the table.
        count: connections.
    """

    column: str
    count: int = Field(default=4, ge=1, le=32)


class Params(TableParams):
    """Settings of an SQL source.

    Attributes:
        url: `postgresql://host:5432/database`, `mysql://...`, `mssql://...`, `sqlite:///data/shop.db` (relative to the
            root; four slashes: absolute), or `$NAME` of an environment variable that holds a URL. Without a password:
            `pipeline.databases.credentials.log_in` says where that comes from.
        table: what to read, `schema.table` for one; or
        query: an SQL file that the database runs.
        partition: read in parallel; left out: with one connection.
    """

    kind: Literal["sql"] = "sql"
    url: Annotated[str, AfterValidator(_check_url), BeforeValidator(_hide_password)]
    table: str | None = None
    partition: Partition | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.table is None) == (self.query is None):
            received = "neither" if self.table is None else "both"
            raise ValueError(f"expected either table or query, received {received}")
        return self


class KeyRange(Params):
    """A part of the rows, for a worker.

    Attributes:
        condition: SQL of the database that holds for its rows.
    """

    condition: str


def divide(files: Sequence[Path], params: Params) -> list[tuple[list[Path], Params]]:
    """Return a part for each range of `partition`, or one; what changes meanwhile may be read twice or not at all."""
    database = log_in(params.url)
    source = Request(database, [_query(files, params, database)], 1, "source.query" if params.query else "source.table")
    ranges = _ranges(source, params.partition)
    parts: list[tuple[list[Path], Params]] = [
        (list(files), KeyRange(**params.model_dump(), condition=condition)) for condition in ranges
    ]
    return parts or [(list(files), params)]


def anchor(params: Params, root: Path) -> Params:
    """Return `params` with the path of a SQLite file made absolute."""
    prefix = "sqlite:///"
    if not params.url.startswith(prefix):
        return params
    return params.model_copy(update={"url": f"{prefix}{root.absolute() / params.url.removeprefix(prefix)}"})


def look(
    connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], params: Params, given: Types, *, whole: bool
) -> Types:
    """Return nothing: a database knows its types."""
    return {}


def scan(connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], params: Params, types: Types) -> str:
    """Return the rows as DuckDB knows them: Arrow streams, one for each connection.

    Times with a zone come as UTC; so do those of SQLite's texts, if DuckDB's own time zone is UTC.

    Raises:
        InputError: no such database or table, a refused login or query, a column that has no place in a table.
    """
    database = log_in(params.url)
    place = "source.query" if params.query else "source.table"
    query = _query(files, params, database)
    source = Request(database, [query], 1, place)
    if database.kind == "sqlite":
        columns = sqlite_types.find_columns(database, query, place)
        base, selected = sqlite_types.typed_query(columns, query), ", ".join(column.expression for column in columns)
        condition = f" WHERE {sqlite_types.good_rows()}"
    else:
        base, selected, condition = f"SELECT * FROM ({query}\n) AS q", "", ""
    ranges = [params.condition] if isinstance(params, KeyRange) else _ranges(source, params.partition)
    queries = [f"{base} WHERE {each}" for each in ranges] or [base if database.kind == "sqlite" else query]
    streams = _register(connection, source, queries, params.partition.count if params.partition else 1)
    stream, rows = next(iter(streams.items()))
    selected = selected or _selected(connection, stream, rows, source)
    return f"({' UNION ALL '.join(f'SELECT {selected} FROM {identifier(name)}{condition}' for name in streams)})"


def rejects(connection: "duckdb.DuckDBPyConnection") -> str | None:
    """Return None: a value that does not fit its column stops the run."""
    return None


def _query(files: Sequence[Path], params: Params, database: Database) -> str:
    if params.table:
        return f"SELECT * FROM {'.'.join(_quoted(part, database) for part in params.table.split('.'))}"
    try:
        # a comment at the end must not swallow what the drivers put behind it
        return files[0].read_text("utf-8").strip().rstrip(";") + "\n"
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"source.query: {files[0]}: expected an SQL file in UTF-8, received: {error}") from error


def _quoted(name: str, database: Database) -> str:
    """Return `name` as an identifier of the database."""
    opening, closing = QUOTES.get(database.kind, ('"', '"'))
    return f"{opening}{name.replace(closing, closing * 2)}{closing}"


def _ranges(source: Request, partition: Partition | None) -> list[str]:
    """Return the conditions that share out the rows; none where there is nothing to share.

    The outer ranges have one end only, and the first one has the rows without a value.
    """
    if partition is None:
        return []
    column = _quoted(partition.column, source.database)
    request = source._replace(
        queries=[f"SELECT min({column}) AS a, max({column}) AS b, count(*) AS c FROM ({source.queries[0]}\n) AS q"]
    )
    least, most, rows = fetch_one(request)
    if least is None:
        return []
    if type(least) is not int or type(most) is not int:
        raise InputError(
            f"source.partition.column: expected whole numbers in '{partition.column}', received {least!r} to {most!r}"
        )
    reads_ahead = source.database.kind not in ADBC_OPTIONS
    count = max(partition.count, -(-rows // RANGE_ROWS)) if reads_ahead else partition.count
    edges = sorted({least + (most - least + 1) * index // count for index in range(1, count)} - {least})
    if not edges:
        return []
    inner = [f"{column} >= {low} AND {column} < {high}" for low, high in pairwise(edges)]
    return [f"{column} < {edges[0]} OR {column} IS NULL", *inner, f"{column} >= {edges[-1]}"]


def _register(
    connection: "duckdb.DuckDBPyConnection", source: Request, queries: list[str], at_once: int
) -> dict[str, Rows]:
    """Make the streams known to DuckDB, which reads them at the same time, and return them by name."""
    groups = [[query] for query in queries] if source.database.kind in ADBC_OPTIONS else [queries]
    streams = {}
    for index, group in enumerate(groups):
        streams[f"__sql_{index}"] = Rows(source._replace(queries=group, at_once=at_once))
        connection.register(f"__sql_{index}", streams[f"__sql_{index}"])
    return streams


def _selected(connection: "duckdb.DuckDBPyConnection", stream: str, rows: Rows, source: Request) -> str:
    """Return DuckDB's SQL of all columns, each as one of the types that a source has."""
    described = connection.execute(f"DESCRIBE SELECT * FROM {identifier(stream)}").fetchall()
    expressions, odd = [], []
    for field, (name, arrived, *_) in zip(rows.schema, described, strict=True):
        metadata = field.metadata or {}
        theirs = metadata.get(b"POSTGRESQL:type", b"").decode() or arrived
        sql_type = "DOUBLE" if theirs == "numeric" else KNOWN.get(arrived.partition("(")[0])
        if sql_type is None or theirs == "money":
            odd.append(
                f"{source.place}: column '{name}': expected text, a number, a boolean, a date or a time, "
                f"received {theirs}; CAST it in source.query"
            )
            continue
        expressions.append(f"{_cast(name, arrived, sql_type, source.database)} AS {identifier(name)}")
    names = rows.schema.names
    odd += [
        f"{source.place}: expected one column '{name}', received several"
        for name in sorted(set(names))
        if names.count(name) > 1
    ]
    if odd:
        raise InputError(odd)
    return ", ".join(expressions)


def _cast(name: str, arrived: str, sql_type: str, database: Database) -> str:
    column = identifier(name)
    value = f"timezone('UTC', {column})" if arrived == "TIMESTAMP WITH TIME ZONE" else f"CAST({column} AS {sql_type})"
    if database.kind != "postgresql" or sql_type not in ("DATE", "TIMESTAMP"):
        return value
    message = quote(f"column '{name}': expected a date, received infinity")
    return f"CASE WHEN {value} < {EARLIEST} THEN error({message}) ELSE {value} END"
