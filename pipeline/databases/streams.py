"""Rows of a database as an Arrow stream.

ADBC reads PostgreSQL and SQLite: it fetches the next batch when it is asked for it, so memory does not grow with the
rows. connectorx reads the other databases. It fetches as fast as the database can, and what nobody took yet piles up;
several queries that are run a few at a time bound that.
"""

import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from pipeline.databases.credentials import Database
from pipeline.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

PATIENCE_S = 10
"""How long a connection may take."""
ADBC_OPTIONS = {
    "postgresql": {"adbc.postgresql.batch_size_hint_bytes": "4000000"},
    "sqlite": {"adbc.sqlite.query.batch_rows": "8192"},
}
CONNECTORX_ROWS = 65_536
REASON_LENGTH = 300


class Request(NamedTuple):
    """What to read.

    Attributes:
        database: from where.
        queries: one after the other; all have the same columns.
        at_once: so many of them at the same time (connectorx).
        place: the setting that a refused query came from, for the message.
    """

    database: Database
    queries: Sequence[str]
    at_once: int
    place: str


class Rows:
    """An Arrow stream that starts afresh for everyone who asks for it.

    Raises:
        InputError: the database can't be reached, or refuses the query. Later, while rows are read, whoever reads gets
            the same text as an error of Arrow.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._first: pa.RecordBatchReader | None = _open(request)
        self.schema: pa.Schema = self._first.schema

    def open(self) -> "pa.RecordBatchReader":
        """Return the rows: of the connection that is open already, or of a new one."""
        first, self._first = self._first, None
        return first or _open(self._request)

    def __arrow_c_schema__(self) -> Any:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.open().__arrow_c_stream__(requested_schema)


def fetch_one(request: Request) -> list[Any]:
    """Return the values of the only row.

    Raises:
        InputError: as `Rows`.
    """
    with _open(request) as reader:
        return [values[0] for values in reader.read_all().to_pydict().values()]


def _open(request: Request) -> "pa.RecordBatchReader":
    import pyarrow as pa

    batches = _adbc(request) if request.database.kind in ADBC_OPTIONS else _connectorx(request)
    # the generator is under way from here on, so dropping it closes the connection
    schema = next(batches)
    return pa.RecordBatchReader.from_batches(schema, batches)


def _adbc(request: Request) -> Iterator[Any]:
    """Yield the schema and then the batches of the only query."""
    database = request.database
    options = ADBC_OPTIONS[database.kind]
    with _explain(database, "source.url"):
        connection = _connect(database)
    with connection, _explain(database, request.place), connection.cursor(adbc_stmt_kwargs=options) as cursor:
        cursor.execute(request.queries[0])
        with cursor.fetch_record_batch() as reader:
            yield reader.schema
            yield from reader


def _connect(database: Database) -> Any:
    if database.kind == "sqlite":
        import adbc_driver_sqlite.dbapi as sqlite

        return sqlite.connect(read_only(database))
    import adbc_driver_postgresql.dbapi as postgresql

    url = database.url
    if "connect_timeout=" not in database.options:
        url += f"{'&' if database.options else '?'}connect_timeout={PATIENCE_S}"
    return postgresql.connect(url)


def read_only(database: Database) -> str:
    """Return SQLite's URI of the file: a missing file is not created, nothing is written.

    Raises:
        InputError: no such file.
    """
    file = Path(database.name)
    if not file.is_file():
        raise InputError(f"source.url: {file}: no such file")
    return f"file:{quote(str(file.absolute()))}?mode=ro"


def _connectorx(request: Request) -> Iterator[Any]:
    """Yield the schema and then the batches of all queries."""
    import connectorx

    database = request.database
    with _explain(database, "source.url"):
        # connectorx retries for 30 s, whatever the reason is
        socket.create_connection((database.host or "localhost", database.port), PATIENCE_S).close()
    for start in range(0, len(request.queries), request.at_once):
        with _explain(database, request.place):
            queries = list(request.queries[start : start + request.at_once])
            reader = connectorx.read_sql(database.url, queries, return_type="arrow_stream", batch_size=CONNECTORX_ROWS)
            if not start:
                yield reader.schema
            yield from reader


@contextmanager
def _explain(database: Database, place: str) -> Iterator[None]:
    """Turn a driver's error into ours; connectorx panics with something that is no Exception."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, InputError | GeneratorExit | KeyboardInterrupt | SystemExit):
            raise
        reason = database.scrub(_shorten(str(error)))
        wanted = "a connection to" if place == "source.url" else "rows from"
        raise InputError(f"{place}: expected {wanted} {database}, received: {reason}") from None


def _shorten(text: str) -> str:
    """Return the part of a driver's message that a person can act on, on one line."""
    text = " ".join(re.split(r"\n\s*(?:Query was|query|Stack backtrace|CONTEXT)\b", text)[0].rstrip(" ^\n").split())
    text = re.sub(r"^(\[?\w+\]?:? )*?(Failed to connect: |.*?\bERROR: )", "", text)
    return text if len(text) <= REASON_LENGTH else f"{text[:REASON_LENGTH]}..."
