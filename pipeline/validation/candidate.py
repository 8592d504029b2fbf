"""The table that is compared: the problem's own, or what DATA makes of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.errors import InputError
from pipeline.problem import LoadedProblem
from pipeline.reader import is_one_scan
from pipeline.resolve import Columns, given_types
from pipeline.sources import read_places
from pipeline.sql import identifier
from pipeline.tables import describe, explain_errors, open_source, source_tables, with_first

if TYPE_CHECKING:
    import duckdb

TABLE = "__validated"


class Chosen(NamedTuple):
    """A source, and why this one.

    Attributes:
        source: the problem's, or one of DATA.
        way: how the table comes about, where there are two ways.
    """

    source: Any
    way: str = ""


class Candidate(NamedTuple):
    """A table in DuckDB.

    Attributes:
        connection: has it.
        relation: its name as SQL; rows have a `rowid`, from 0, in the order in which they were read.
        places: SQL of `file, line` of each row in the same order; None if a query made the rows.
        way: how it came about, where there are two ways.
    """

    connection: "duckdb.DuckDBPyConnection"
    relation: str
    places: str | None
    way: str


def choose(loaded: LoadedProblem, data: Path | None, expected: Columns) -> Chosen:
    """Return the source to read.

    DATA stands for the problem's first table, and the query makes the rows of it. But DATA may be rows already, as a
    request log is, or a table that was exported: it has most of the schema's columns, and the query can't be run.
    """
    source = loaded.problem.source if data is None else with_first(loaded.problem.source, data)
    if data is None or source.query is None or not source.tables:
        return Chosen(source)
    first, *_ = source.tables
    alone = source.model_copy(update={"files": source.tables[first], "query": None})
    with open_source(alone, loaded.root, whole=False) as connection:
        names = describe(connection)
    wanted = expected.keys() - {loaded.problem.target.column}
    lacking = len(wanted - names.keys())
    through = f"table '{first}' of the query {loaded.problem.source.query}"
    if 2 * lacking > len(wanted) or _runs(source, loaded.root):
        return Chosen(source, f"read as {through}")
    return Chosen(alone, f"read as rows of the schema's columns, not as {through}")


def _runs(source: Any, root: Path) -> bool:
    """Return whether the query finds its columns and the other tables are there."""
    try:
        with open_source(source, root, whole=False):
            return True
    except InputError:
        return False


def needs_tensorflow(loaded: LoadedProblem, data: Path | None) -> bool:
    """Return whether reading the tables imports TensorFlow; also if a file is missing, as nobody knows then."""
    source = loaded.problem.source if data is None else with_first(loaded.problem.source, data)
    try:
        return any(getattr(table.plugin, "TENSORFLOW", False) for table in source_tables(source, loaded.root))
    except InputError:
        return True


@contextmanager
def open_candidate(chosen: Chosen, root: Path, expected: Columns) -> Iterator[Candidate]:
    """Yield the table.

    Raises:
        InputError: it can't be read.
    """
    source, way = chosen
    tables = source_tables(source, root)
    with open_source(source, root, given_types(expected)) as connection:
        if is_one_scan(source, tables):
            # no second copy: the table as it was read
            yield Candidate(connection, identifier(tables[0].name), read_places(connection), way)
            return
        with explain_errors():
            connection.execute(f"CREATE TEMP TABLE {TABLE} AS SELECT * FROM source").fetchall()
        yield Candidate(connection, TABLE, None, way)
