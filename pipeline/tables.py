"""The source's tables and query in DuckDB, and each column's raw type."""

import glob
import itertools
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from models.discovery import discover
from models.raw import RawType
from pipeline.errors import InputError
from pipeline.guess import UNSURE, may_be_other, settle
from pipeline.sources import REJECTED, Spans, Types
from pipeline.spans import choose, find_spans, has_spans
from pipeline.sql import identifier

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
TEXT_COLUMNS = ("table", "file", "column", "value", "reason", "row")
REJECTED_COLUMNS = ", ".join(["line BIGINT", "lines BIGINT", *(f'"{name}" VARCHAR' for name in TEXT_COLUMNS)])
MEMORY_MB = 512
"""Memory of DuckDB for two threads; what does not fit goes to a temporary file."""


class Column(NamedTuple):
    """A column of the table.

    Attributes:
        name: as the table has it.
        sql_type: DuckDB's type, without parameters; a list's ends in `[]`.
    """

    name: str
    sql_type: str

    @property
    def is_list(self) -> bool:
        """Whether a row holds any number of values."""
        return self.sql_type.endswith("[]")

    @property
    def value_type(self) -> str:
        """DuckDB's type of a single value."""
        return self.sql_type.removesuffix("[]")

    @property
    def raw_type(self) -> RawType:
        """The type in an example: booleans are 0 and 1, decimals float32, dates and times ISO 8601 text in UTC."""
        if self.value_type in WHOLE_NUMBERS:
            return "int"
        return "float" if self.value_type in NUMBERS else "bytes"

    @property
    def is_moment(self) -> bool:
        """Whether it is a date or a time with a date."""
        return self.sql_type in MOMENTS


class Table(NamedTuple):
    """One table of a source.

    Attributes:
        name: in the query.
        kind: of source that its files, or its settings, are.
        params: its settings.
        files: what it is read from; of a database the SQL file, if there is one.
    """

    name: str
    kind: str
    params: Any
    files: list[Path]

    @property
    def plugin(self) -> Any:
        """The kind (a `pipeline.sources.SourceKind`)."""
        return discover("pipeline.sources")[self.kind]

    def load(self, connection: "duckdb.DuckDBPyConnection", given: Types, consume: Callable[[str], str]) -> None:
        """Hand SQL that reads the table to `consume`, which returns the relation it made of it; add to REJECTED.

        A kind that has to guess its types does so by the first rows. When the others prove it wrong, the table is
        read as a whole for its types, and consumed again.
        """
        import duckdb

        types = self.plugin.look(connection, self.files, self.params, given, whole=False)
        try:
            relation = consume(self.plugin.scan(connection, self.files, self.params, types))
        except duckdb.InvalidInputException as error:
            if not types or getattr(self.plugin, "NOT_WHOLE", "\0") not in str(error):
                raise
            self.read(connection, self.plugin.look(connection, self.files, self.params, given, whole=True), consume)
            return
        if types and self._may_mislead(connection, relation, types, given):
            better = self.plugin.look(connection, self.files, self.params, given, whole=True)
            if settle(better) != settle(types):
                self.read(connection, better, consume)
                return
        self._keep_rejects(connection)

    def read(self, connection: "duckdb.DuckDBPyConnection", types: Types, consume: Callable[[str], str]) -> None:
        """Hand SQL that reads the table to `consume`, whose types are known to hold for every row; add to REJECTED."""
        consume(self.plugin.scan(connection, self.files, self.params, types))
        self._keep_rejects(connection)

    def _may_mislead(self, connection: "duckdb.DuckDBPyConnection", relation: str, types: Types, given: Types) -> bool:
        """Return whether values were refused, or taken for text, that all rows together may see otherwise."""
        refused = self.plugin.rejects(connection)
        if refused:
            columns = connection.sql(f'SELECT DISTINCT "column" FROM ({refused})').fetchall()
            if any(name in types for (name,) in columns):
                return True
        texts = [name for name, sql_type in types.items() if sql_type == UNSURE and name not in given]
        return may_be_other(connection, relation, texts)

    def _keep_rejects(self, connection: "duckdb.DuckDBPyConnection") -> None:
        refused = self.plugin.rejects(connection)
        if refused:
            connection.execute(
                f'INSERT INTO {REJECTED} BY NAME SELECT ? AS "table", * FROM ({refused})', [self.name]
            ).fetchall()


def source_tables(source: Any, root: Path) -> list[Table]:
    """Return the source's tables; files whose suffix names another kind are read as that one, with its defaults.

    Raises:
        InputError: a file that is missing or empty, a pattern without files.
    """
    kinds = discover("pipeline.sources")
    if not hasattr(source, "files"):
        files = [root / source.query] if source.query else []
        return [Table("data", source.kind, kinds[source.kind].anchor(source, root), files)]
    tables = []
    for name, files in table_files(source, root).items():
        _require(files, source, name)
        actual = _kind_of(files[0]) or source.kind
        params = source if actual == source.kind else kinds[actual].Params(files="")
        tables.append(Table(name, actual, params, files))
    return tables


def _kind_of(path: Path) -> str | None:
    """Return the kind of source that knows a file or folder by its content, else the one that its name ends like."""
    kinds = discover("pipeline.sources")
    looking = {kind for kind, plugin in kinds.items() if hasattr(plugin, "recognises")}
    found = next((kind for kind in sorted(looking) if kinds[kind].recognises(path)), None)
    name = path.name.lower()
    others = (kind for kind, plugin in kinds.items() if kind not in looking and name.endswith(plugin.SUFFIXES))
    return found or next(others, None)


def table_files(source: Any, root: Path) -> dict[str, list[Path]]:
    """Return the files of each table by its name; a path without wildcards is there even if its file is not.

    Of a source with spans these are the latest span's.
    """
    named = source.tables
    if has_spans(named):
        named = choose(find_spans(named, root), Spans(), None)[-1].paths
    suffixes = discover("pipeline.sources")[source.kind].SUFFIXES
    return {table: _expand(pattern, root, suffixes) for table, pattern in named.items()}


def with_first(source: Any, data: Path) -> Any:
    """Return the source with `data` as its first table; of a database, a source of the kind that `data` is.

    Raises:
        InputError: no such file.
    """
    if not data.exists():
        raise InputError(f"{data}: no such file")
    file = glob.escape(str(data.resolve()))
    kinds = discover("pipeline.sources")
    kind = _kind_of(data) or next((kind for kind in map(_kind_of, sorted(data.rglob("[!._]*"))) if kind), None)
    is_other_folder = data.is_dir() and kind and kind != source.kind and source.query is None
    if not source.tables or is_other_folder:
        return kinds[kind or "csv"].Params(files=file)
    return source.with_tables({**source.tables, next(iter(source.tables)): file})


def rows_source(pattern: str) -> Any:
    """Return a source of the rows that `pattern` names, of the kind that it ends like: CSV if like none."""
    return discover("pipeline.sources")[_kind_of(Path(pattern)) or "csv"].Params(files=pattern)


def _expand(pattern: str, root: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the files of a path, a folder or a pattern; of a folder those whose names end like the kind's."""
    found = [root / file for file in sorted(glob.glob(pattern, root_dir=root))] if glob.has_magic(pattern) else []
    files = []
    for path in found or ([] if glob.has_magic(pattern) else [root / pattern]):
        inside = path.is_dir() and suffixes and _kind_of(path) is None
        files += sorted(each for each in path.rglob("*") if _is_ours(each, path, suffixes)) if inside else [path]
    return files


def _is_ours(file: Path, folder: Path, suffixes: tuple[str, ...]) -> bool:
    """Return whether a folder's file is data: not hidden, not a marker such as `_SUCCESS`, named like the kind."""
    hidden = any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
    return file.name.lower().endswith(suffixes) and not hidden and file.is_file()


def _require(files: list[Path], source: Any, table: str) -> None:
    if not files:
        suffixes = ", ".join(discover("pipeline.sources")[source.kind].SUFFIXES)
        raise InputError(f"source.files: no file matches the pattern of table '{table}' (of a folder: {suffixes})")
    for file in files:
        if not file.exists():
            hint = "; `penstock fetch` downloads it" if source.fetch else ""
            raise InputError(f"source.files: {file}: no such file{hint}")
        if file.is_file() and file.stat().st_size == 0:
            raise InputError(f"{file}: expected a table, received an empty file")


def source_files(source: Any, root: Path) -> list[Path]:
    """Return every file that the rows depend on: tables and query."""
    kind = discover("pipeline.sources")[source.kind]
    files = [file for table in table_files(source, root).values() for file in table]
    if hasattr(kind, "data_files"):
        files = [each for file in files for each in kind.data_files(file, source)]
    return [*files, root / source.query] if source.query else files


@contextmanager
def connect() -> "Iterator[duckdb.DuckDBPyConnection]":
    """Yield a connection to a temporary database on disk: more rows need no more memory."""
    import duckdb

    offline = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
        limits = {"memory_limit": f"{memory_mb()}MB", "temp_directory": folder}
        with duckdb.connect(f"{folder}/tables.duckdb", config=offline | limits) as connection, explain_errors():
            connection.execute("SET timezone = 'UTC'").fetchall()
            connection.execute(f"CREATE TEMP TABLE {REJECTED} ({REJECTED_COLUMNS})").fetchall()
            yield connection


def memory_mb() -> int:
    """Return DuckDB's share of the memory: more threads need more."""
    return max(MEMORY_MB, 128 * (os.cpu_count() or 1))


@contextmanager
def open_source(
    source: Any, root: Path, given: Types | None = None, *, whole: bool = True
) -> "Iterator[duckdb.DuckDBPyConnection]":
    """Yield a connection on which `source` is the source's table.

    Args:
        source: the problem's source.
        root: folder that its paths are relative to.
        given: types that the schema demands (`given_types`).
        whole: types hold for every row; False reads only the first rows to guess them.

    Raises:
        InputError: a missing file, a broken one, or a query that DuckDB refuses.
    """
    tables = source_tables(source, root)
    with connect() as connection:
        for table in tables:
            prepare(connection, table, known_types(source, given or {}), whole=whole)
        connection.execute(f"CREATE VIEW source AS {query_text(source, root, tables)}").fetchall()
        yield connection


def known_types(source: Any, given: Types) -> Types:
    """Return which of the schema's types hold in the files: a query may make numbers of texts, hardly the reverse."""
    if source.query is None:
        return given
    return {name: sql_type for name, sql_type in given.items() if sql_type == "VARCHAR"}


def prepare(connection: "duckdb.DuckDBPyConnection", table: Table, given: Types, *, whole: bool) -> int:
    """Read a table into the database and return its rows; with `whole=False` only make a view of it, 0 rows."""
    name = identifier(table.name)

    def keep(scan: str) -> str:
        connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM {scan}").fetchall()
        return name

    if whole:
        table.load(connection, given, keep)
        return int(connection.sql(f"SELECT count(*) FROM {name}").fetchall()[0][0])
    types = table.plugin.look(connection, table.files, table.params, given, whole=False)
    scan = table.plugin.scan(connection, table.files, table.params, types)
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM {scan}").fetchall()
    return 0


def count_rejected(connection: "duckdb.DuckDBPyConnection") -> dict[str, int]:
    """Return how many rows were refused, by table; a row with several faults counts once."""
    row = "coalesce(CAST(line AS VARCHAR), 'row ' || rowid)"
    counts = connection.sql(
        f'SELECT "table", CAST(sum(lines) AS BIGINT) FROM (SELECT "table", max(coalesce(lines, 1)) AS lines '
        f'FROM {REJECTED} GROUP BY "table", file, {row}) GROUP BY 1'
    )
    return dict(counts.fetchall())


def query_text(source: Any, root: Path, tables: list[Table]) -> str:
    """Return the source's query, or one that selects its only table; a database has run its query itself."""
    if source.query is None or not hasattr(source, "files"):
        if len(tables) != 1:
            names = ", ".join(table.name for table in tables)
            raise InputError(f"source.query: required to join the tables {names}, but missing")
        return f"SELECT * FROM {identifier(tables[0].name)}"
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
    # what an Arrow stream of ours raised comes wrapped
    lines = [line.rpartition("Unknown error: ")[2].partition(". Detail: Python exception:")[0] for line in lines]
    lines = list(itertools.takewhile(lambda line: not line.startswith('File "'), lines))
    told = list(itertools.takewhile(lambda line: not line.startswith(advice), lines))[:4]
    files = [line.removeprefix("file = ") for line in lines if line.startswith("file = ")]
    return " ".join([*(f"{file}:" for file in files), *told])


def describe(connection: "duckdb.DuckDBPyConnection", relation: str = "source") -> dict[str, Column]:
    """Return the columns of a table or view by name.

    Raises:
        InputError: a column type that has no place in an example, or no column at all.
    """
    with explain_errors():
        rows = connection.sql(f"DESCRIBE {relation}").fetchall()
    columns = [Column(name, re.sub(r"\(.*?\)", "", sql_type)) for name, sql_type, *_ in rows]
    known = WHOLE_NUMBERS | MOMENTS.keys() | TEXTS | NUMBERS
    odd = [
        f"source: column '{column.name}': expected text, a number, a boolean, a date or a list of them, "
        f"received {column.sql_type}"
        for column in columns
        if column.value_type not in known
    ]
    if odd:
        raise InputError(odd)
    return {column.name: column for column in columns}
