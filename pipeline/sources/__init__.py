"""Kinds of sources: one file each; the file's name is the `kind:` of the source in the YAML."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, Self

from pydantic import BeforeValidator, Field

from models.settings import Settings
from pipeline.fetch import Fetch

if TYPE_CHECKING:
    import duckdb

Types = Mapping[str, str]
"""DuckDB's type by column: BOOLEAN, BIGINT, FLOAT, DOUBLE, DATE, TIMESTAMP, VARCHAR, or a list of one (`BIGINT[]`)."""
REFUSED = "__refused"
KEPT = "__refused_kept"
PLACES = "__places"
REJECTED = "__rejected"
"""Table of refused rows: `file, line, column, value, reason, row, lines`, all text but the first line and the number of
lines; null where nobody knows."""


def _percent(share: Any) -> Any:
    """Read `0.1%` as 0.001."""
    if isinstance(share, str) and share.strip().endswith("%"):
        return float(share.strip()[:-1]) / 100
    return share


Share = Annotated[float, BeforeValidator(_percent), Field(ge=0, le=1)]


Name = Annotated[str, BeforeValidator(lambda name: None if name is None else str(name))]
"""A span as its path has it; YAML reads 7 as a number and 2013-07-01 as a date."""


class Spans(Settings):
    """Which spans of a source whose paths hold `{SPAN}` or a date are read; left out: the latest one.

    Attributes:
        last: a rolling range: so many spans, up to the latest.
        skip: leave out so many of the latest.
        first: a fixed range: from this span, as it stands in the path (`2013-07`) ...
        until: ... to this one, both included.
    """

    last: int = Field(default=1, ge=1)
    skip: int = Field(default=0, ge=0)
    first: Name | None = None
    until: Name | None = None


class TableParams(Settings):
    """What every source has.

    Attributes:
        max_rejected: share of a table's rows that may be refused (and kept in the quarantine); more block the run.
    """

    query: str | None = None
    fetch: Fetch | None = None
    max_rejected: Share = 0.001

    @property
    def tables(self) -> dict[str, str]:
        """Path or pattern of each table by its name; none where the source is no file."""
        return {}


class FileParams(TableParams):
    """What every source of files has.

    Attributes:
        files: a path, a folder or a pattern, or several by table name; a single one is the table `data`. Relative to
            the root. `{SPAN}`, `{VERSION}`, `{YYYY}`, `{MM}` and `{DD}` stand for the span and its version.
        query: an SQL file over those tables (DuckDB); left out: the only table as it is.
        fetch: where the files come from when they are not here yet.
        spans: which spans are read.
    """

    files: str | dict[str, str]
    spans: Spans = Spans()

    @property
    def tables(self) -> dict[str, str]:
        """Path or pattern of each table by its name."""
        return self.files if isinstance(self.files, dict) else {"data": self.files}

    def with_tables(self, tables: Mapping[str, str]) -> Self:
        """Return the same source with other paths."""
        files = dict(tables) if isinstance(self.files, dict) else tables["data"]
        return self.model_copy(update={"files": files})


class SourceKind(Protocol):
    """The parts of a source kind.

    Attributes:
        Params: its settings.
        SUFFIXES: of its files, `.csv` for one: what is read from a folder, and how `penstock init` knows a file.

    A kind may say more: `NOT_WHOLE`, with what words a scan fails whose types
    hold for the first rows only; `divide(files, params)`, what several workers read; `data_files(file, params)`, what a
    path stands for; `anchor(params, root)`, its settings with paths made absolute; `recognises(path)`, whether a file
    or folder is of this kind, where names don't tell; `TENSORFLOW`, that reading needs it. It may `offer_places`.
    """

    Params: Any
    SUFFIXES: tuple[str, ...]

    def look(
        self, connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], params: Any, given: Types, *, whole: bool
    ) -> Types:
        """Return the type of each column that the format does not tell, by the first rows or by the `whole` table.

        `given` holds types that the schema demands; they win where the values allow it. A kind that knows its types
        returns nothing.
        """

    def scan(self, connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], params: Any, types: Types) -> str:
        """Return DuckDB's SQL table expression that reads `files` as one table, once.

        It leaves out rows that can't be read and has them in the table REJECTED by the time `rejects` was called.

        Raises:
            InputError: files that do not belong together, or no table at all.
        """

    def rejects(self, connection: "duckdb.DuckDBPyConnection") -> str | None:
        """Return SQL that selects the rows that the last scan refused (columns as REJECTED's), None if it can't be."""


def offer_refused(connection: "duckdb.DuckDBPyConnection", query: str) -> None:
    """Keep the SQL of the rows that a scan refuses, for `read_refused`."""
    connection.execute(f"DROP TABLE IF EXISTS {KEPT}").fetchall()
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {REFUSED} AS {query}").fetchall()


def read_refused(connection: "duckdb.DuckDBPyConnection") -> str | None:
    """Return SQL of the rows that the last scan offered, read once, as soon as somebody asks; None before any scan."""
    views = connection.sql(f"SELECT count(*) FROM duckdb_views() WHERE view_name = '{REFUSED}'").fetchall()
    if not views[0][0]:
        return None
    connection.execute(f"CREATE TEMP TABLE IF NOT EXISTS {KEPT} AS SELECT * FROM {REFUSED}").fetchall()
    return f"SELECT * FROM {KEPT}"


def offer_places(connection: "duckdb.DuckDBPyConnection", query: str) -> None:
    """Keep the SQL of `file, line` of each row that a scan reads, in its order, for `read_places`."""
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {PLACES} AS {query}").fetchall()


def read_places(connection: "duckdb.DuckDBPyConnection") -> str | None:
    """Return SQL of `file, line` of each row that the last scan read, in its order; None if nobody knows.

    Of a binary file a line is the number of the row or record. The files are read again for it.
    """
    views = connection.sql(f"SELECT count(*) FROM duckdb_views() WHERE view_name = '{PLACES}'").fetchall()
    return f"SELECT file, line FROM {PLACES}" if views[0][0] else None
