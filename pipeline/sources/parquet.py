"""Parquet files, also in partitions: `year=2013/month=1/part.parquet` gives the columns `year` and `month`."""

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.errors import InputError
from pipeline.sources import FileParams, Types, offer_places
from pipeline.sql import identifier, quote

if TYPE_CHECKING:
    import duckdb

SUFFIXES = (".parquet",)
PART_ROWS = 1_000_000


class Params(FileParams):
    """Settings of a Parquet source.

    Attributes:
        kind: `parquet`. Several files must have the same columns of the same types. Folders `name=value` right above
            the files are columns: whole numbers, dates or text by their values; `__HIVE_DEFAULT_PARTITION__` is null.
            Where the files hold those columns themselves, the files' are taken.
    """

    kind: Literal["parquet"] = "parquet"


class RowGroups(Params):
    """A part of one file, for a worker.

    Attributes:
        first: row, from 0.
        last: row.
    """

    first: int
    last: int


def divide(files: Sequence[Path], params: Params) -> list[tuple[list[Path], Params]]:
    """Return parts of whole row groups, each of about PART_ROWS rows or of one group, and none of two files.

    Partitions are one part: the type of a column that the folders give depends on all of them.
    """
    import pyarrow.parquet as pq

    if any(_key(file.parent.name) for file in files):
        return [(list(files), params)]
    parts: list[tuple[list[Path], Params]] = []
    for file in files:
        metadata, first, count = pq.read_metadata(file), 0, 0
        for index in range(metadata.num_row_groups):
            count += metadata.row_group(index).num_rows
            if count - first >= PART_ROWS or index == metadata.num_row_groups - 1:
                parts.append(([file], RowGroups(**params.model_dump(), first=first, last=count - 1)))
                first = count
    return parts


def look(
    connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], params: Params, given: Types, *, whole: bool
) -> Types:
    """Return nothing: Parquet knows its types."""
    return {}


def scan(connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], params: Params, types: Types) -> str:
    """Return DuckDB's `read_parquet` over `files`.

    Raises:
        InputError: no Parquet, files or partitions that differ in their columns, or names that differ by case only.
    """
    columns = _shared_columns(connection, files)
    keys = _partition_keys(files, columns)
    paths = f"[{', '.join(quote(str(file)) for file in files)}]"
    if isinstance(params, RowGroups):
        return (
            f"(SELECT * EXCLUDE (file_row_number) FROM read_parquet({paths}, file_row_number = true, "
            f"hive_partitioning = false) WHERE file_row_number BETWEEN {params.first} AND {params.last})"
        )
    numbered = f"read_parquet({paths}, filename = true, file_row_number = true, hive_partitioning = false)"
    offer_places(connection, f"SELECT filename AS file, file_row_number + 1 AS line FROM {numbered}")
    if not keys:
        return f"read_parquet({paths}, hive_partitioning = false)"
    partitioned = f"read_parquet({paths}, hive_partitioning = true, hive_types_autocast = true)"
    # DuckDB takes every folder of the path, also those above the table: /home/team=a/flights/year=2013
    above = sorted({key for file in files for key in map(_key, file.parts[:-1]) if key} - set(keys))
    if not above:
        return partitioned
    return f"(SELECT * EXCLUDE ({', '.join(identifier(key) for key in above)}) FROM {partitioned})"


def rejects(connection: "duckdb.DuckDBPyConnection") -> str | None:
    """Return None: a Parquet file is read as a whole or not at all."""
    return None


def _shared_columns(connection: "duckdb.DuckDBPyConnection", files: Sequence[Path]) -> dict[str, str]:
    """Return the columns of the first file; DuckDB takes them for those of all, so that they must be."""
    expected = _columns(connection, files[0])
    for file in files[1:]:
        received = _columns(connection, file)
        wrong = [
            f"{file}: column '{name}': expected {expected.get(name, 'no such column')} as in {files[0]}, "
            f"received {received.get(name, 'no such column')}"
            for name in [*expected, *(name for name in received if name not in expected)]
            if expected.get(name) != received.get(name)
        ]
        if wrong:
            raise InputError(wrong)
    return expected


def _columns(connection: "duckdb.DuckDBPyConnection", file: Path) -> dict[str, str]:
    """Return DuckDB's type by column."""
    import duckdb

    query = f"SELECT name, coalesce(num_children, 0), duckdb_type FROM parquet_schema({quote(str(file))})"
    try:
        (_, count, _), *nodes = connection.execute(query).fetchall()
    except duckdb.Error as error:
        reason = str(error).partition("\n")[0].split("Error: ", 1)[-1]
        raise InputError(f"{file}: expected a Parquet file, but it can't be read: {reason}") from error
    columns: dict[str, str] = {}
    folded: dict[str, str] = {}
    position = 0
    for _ in range(count):
        name, _, sql_type = nodes[position]
        other = folded.setdefault(name.lower(), name)
        if name in columns or other != name:
            raise InputError(f"{file}: columns '{other}' and '{name}': expected names that differ by more than case")
        columns[name] = sql_type
        position = _next_sibling(nodes, position)
    return columns


def _next_sibling(nodes: list[tuple[str, int, str]], position: int) -> int:
    """Return where the node after the one at `position` and all that is below it starts."""
    pending = 1
    while pending:
        pending += nodes[position][1] - 1
        position += 1
    return position


def _partition_keys(files: Sequence[Path], columns: dict[str, str]) -> list[str]:
    """Return the names in the folders right above the files that are columns; none if the files hold them."""
    keys = _keys(files[0])
    for file in files[1:]:
        if _keys(file) != keys:
            raise InputError(
                f"{file}: expected the partitions {_shown(keys)} as {files[0]} has, received {_shown(_keys(file))}"
            )
    folded = {name.lower() for name in columns}
    held = [key for key in keys if key.lower() in folded]
    if held and held != keys:
        raise InputError(
            f"{files[0]}: expected the partitions {_shown(keys)} all in the path or all in the file, "
            f"received {_shown(held)} in both"
        )
    return [] if held else keys


def _keys(file: Path) -> list[str]:
    return [*takewhile(bool, map(_key, reversed(file.parts[:-1])))][::-1]


def _key(part: str) -> str:
    """Return `year` of the folder `year=2013`, and nothing of any other."""
    key, sign, _ = part.partition("=")
    return key if sign else ""


def _shown(keys: list[str]) -> str:
    return "/".join(keys) or "none"
