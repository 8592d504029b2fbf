"""The source's tables and query in DuckDB, and each column's raw type."""

import glob
import itertools
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from models.discovery import discover
from models.raw import RawType
from pipeline.errors import InputError
from pipeline.splits import identifier

if TYPE_CHECKING:
    import duckdb

WHOLE_NUMBERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "BOOLEAN"}
MOMENTS = {
    "DATE": "%Y-%m-%d",
    "TIMESTAMP": "%Y-%m-%dT%H:%M:%SZ",
    "TIMESTAMP WITH TIME ZONE": "%Y-%m-%dT%H:%M:%SZ",
    "TIMESTAMP_S": "%Y-%m-%dT%H:%M:%SZ",
    "TIMESTAMP_MS": "%Y-%m-%dT%H:%M:%SZ",
    "TIMESTAMP_NS": "%Y-%m-%dT%H:%M:%SZ",
}
TEXTS = {"VARCHAR", "UUID", "TIME", "ENUM", '"NULL"'}
NUMBERS = {"FLOAT", "DOUBLE", "DECIMAL", "HUGEINT", "UBIGINT", "UHUGEINT"}


class Column(NamedTuple):
    """A column of the table.

    Attributes:
        name: as the table has it.
        sql_type: DuckDB's type, without parameters.
    """

    name: str
    sql_type: str

    @property
    def raw_type(self) -> RawType:
        """The type in an example: booleans are 0 and 1, decimals float32, dates and times ISO 8601 text in UTC."""
        if self.sql_type in WHOLE_NUMBERS:
            return "int"
        return "float" if self.sql_type in NUMBERS else "bytes"

    @property
    def is_moment(self) -> bool:
        """Whether it is a date or a time with a date."""
        return self.sql_type in MOMENTS

    def convert(self, expected: RawType) -> str:
        """Return the SQL expression of the column as `expected`; text that is no number fails the query."""
        column = identifier(self.name)
        if self.sql_type in MOMENTS:
            return f"strftime({column}, '{MOMENTS[self.sql_type]}')"
        return f"CAST({column} AS { ({'int': 'BIGINT', 'float': 'FLOAT', 'bytes': 'VARCHAR'}[expected]) })"


def table_files(source: Any, root: Path) -> dict[str, list[Path]]:
    """Return the files of each table by its name; a path without wildcards is there even if its file is not."""
    named = source.files if isinstance(source.files, dict) else {"data": source.files}
    return {table: _expand(pattern, root) for table, pattern in named.items()}


def _expand(pattern: str, root: Path) -> list[Path]:
    if not glob.has_magic(pattern):
        return [root / pattern]
    return [root / file for file in sorted(glob.glob(pattern, root_dir=root))]


def source_files(source: Any, root: Path) -> list[Path]:
    """Return every file that the rows depend on: tables and query."""
    files = [file for table in table_files(source, root).values() for file in table]
    return [*files, root / source.query] if source.query else files


@contextmanager
def open_source(
    source: Any, root: Path, texts: Collection[str] = (), *, whole: bool = True
) -> "Iterator[duckdb.DuckDBPyConnection]":
    """Yield a connection on which the view `source` is the source's table.

    Args:
        source: the problem's source.
        root: folder that its paths are relative to.
        texts: columns that are text whatever they look like: the schema says so.
        whole: types hold for every row; False reads only the first rows to guess them.

    Raises:
        InputError: a missing file, a broken one, or a query that DuckDB refuses.
    """
    import duckdb

    offline = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    with duckdb.connect(config=offline) as connection, explain_errors():
        connection.execute("SET timezone = 'UTC'")
        tables = table_files(source, root)
        for table, files in tables.items():
            _require(files, source, table)
            scan = _scan(files, source, texts, whole=whole)
            # a view of text files would be sniffed and parsed again by each query; a table is read once
            keep = "TABLE" if whole else "VIEW"
            try:
                connection.execute(f"CREATE {keep} {identifier(table)} AS SELECT * FROM {scan}")
            except duckdb.InvalidInputException:
                _locate(connection, files, source)
                raise
        connection.execute(f"CREATE VIEW source AS {_query(source, root, list(tables))}")
        yield connection


def _scan(files: list[Path], source: Any, texts: Collection[str], *, whole: bool) -> str:
    """Return SQL that reads a table; files whose suffix names another kind are read as that one, with its defaults."""
    kinds = discover("pipeline.sources")
    kind = next((kind for kind in kinds if f".{kind}" in files[0].suffixes), source.kind)
    params = source if kind == source.kind else kinds[kind].Params(files="")
    scan: str = kinds[kind].scan(files, params, texts, whole=whole)
    return scan


def _locate(connection: "duckdb.DuckDBPyConnection", files: list[Path], source: Any) -> None:
    """Read the files cell by cell, if their kind can, so that the error names the line."""
    strict_scans: Any = getattr(discover("pipeline.sources")[source.kind], "strict_scans", lambda _: [])
    for scan in strict_scans(files):
        connection.execute(f"SELECT count(*) FROM {scan}")


def _require(files: list[Path], source: Any, table: str) -> None:
    if not files:
        raise InputError(f"source.files: no file matches the pattern of table '{table}'")
    for file in files:
        if not file.is_file():
            hint = "; `penstock fetch` downloads it" if source.fetch else ""
            raise InputError(f"source.files: {file}: no such file{hint}")
        if file.stat().st_size == 0:
            raise InputError(f"{file}: expected a table, received an empty file")


def _query(source: Any, root: Path, tables: list[str]) -> str:
    if source.query is None:
        if len(tables) != 1:
            raise InputError(f"source.query: required to join the tables {', '.join(tables)}, but missing")
        return f"SELECT * FROM {identifier(tables[0])}"
    try:
        return Path(root, source.query).read_text("utf-8").strip().rstrip(";")
    except OSError as error:
        raise InputError(f"source.query: {root / source.query}: can't be read: {error.strerror}") from error


@contextmanager
def explain_errors() -> Iterator[None]:
    """Turn DuckDB's errors into ours: its first paragraph names the file, the line and the column."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise InputError(f"source: {_shorten(str(error))}") from error


def _shorten(text: str) -> str:
    """Return what went wrong and in which file, without DuckDB's advice and settings."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    advice = ("Possible", "The search space", "* ", "file = ", "LINE ", "Candidate")
    told = list(itertools.takewhile(lambda line: not line.startswith(advice), lines))[:4]
    files = [line.removeprefix("file = ") for line in lines if line.startswith("file = ")]
    return " ".join([*(f"{file}:" for file in files), *told])


def describe(connection: "duckdb.DuckDBPyConnection") -> dict[str, Column]:
    """Return the columns of the view `source` by name.

    Raises:
        InputError: a column type that has no place in an example, or no column at all.
    """
    with explain_errors():
        rows = connection.sql("DESCRIBE source").fetchall()
    columns = [Column(name, re.sub(r"\(.*", "", sql_type)) for name, sql_type, *_ in rows]
    known = WHOLE_NUMBERS | MOMENTS.keys() | TEXTS | NUMBERS
    odd = [
        f"source: column '{column.name}': expected text, a number, a boolean or a date, received {column.sql_type}"
        for column in columns
        if column.sql_type not in known
    ]
    if odd:
        raise InputError(odd)
    return {column.name: column for column in columns}
