"""The offending rows as a file, to mend them where they came from."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.sources import REJECTED
from pipeline.sql import identifier, quote
from pipeline.tables import explain_errors
from pipeline.validation.candidate import Candidate
from pipeline.validation.faults import Fault, why
from pipeline.validation.places import Places

if TYPE_CHECKING:
    import duckdb

FORMATS = {".csv": "FORMAT csv, HEADER", ".jsonl": "FORMAT json", ".parquet": "FORMAT parquet, COMPRESSION zstd"}
COLUMNS = ("why", "file", "line", "text")
OFFENDING = "__offending"
UNREADABLE = (
    "SELECT coalesce(min(reason) FILTER (NOT starts_with(reason, 'expected ')), "
    "string_agg(DISTINCT concat_ws(': ', \"column\", reason), '; ')) AS __why, file AS __file, line AS __line, "
    f"any_value(row) AS __text, NULL::BIGINT AS __row FROM {REJECTED} "
    "GROUP BY file, line, CASE WHEN line IS NULL THEN rowid END"
)
"""SQL of the rows that could not be read; of one that is no record it does not matter what its cells are."""


def refuse_other_names(out: Path) -> None:
    """Refuse a file whose format nobody knows.

    Raises:
        InputError: another suffix, or no such folder.
    """
    if out.suffix not in FORMATS:
        raise InputError(f"--rows {out}: expected a file ending in {', '.join(FORMATS)}, received '{out.name}'")
    if not out.parent.is_dir():
        raise InputError(f"--rows {out}: {out.parent}: no such folder")


def write_rows(candidate: Candidate, places: Places, faults: Sequence[Fault], out: Path) -> int:
    """Write each row with a fault, and each that could not be read, and return how many; without any write nothing.

    The columns are the table's, led by `why` (`carrier: unexpected values; ...`), `file`, `line` and, of a row that
    could not be read, its `text`; a name that the table has itself gets an underscore in front.
    """
    connection, relation = candidate.connection, candidate.relation
    taken = {column.casefold() for column in connection.sql(f"FROM {relation} LIMIT 0").columns}
    names = dict(zip(COLUMNS, (identifier(_free(name, taken)) for name in COLUMNS), strict=True))
    faulty = f"(SELECT *, rowid AS __row, {why(faults)} AS __why FROM {relation})"
    readable = places.join(f"(FROM {faulty} WHERE __why <> '')")
    renamed = ", ".join(f"__{name} AS {shown}" for name, shown in names.items())
    # BY NAME: the columns of the table are null where only its text is known
    both = f"SELECT * FROM ({UNREADABLE}) UNION ALL BY NAME ({readable})"
    query = f"SELECT {renamed}, * EXCLUDE (__row, {', '.join(f'__{name}' for name in names)}) FROM ({both})"
    with explain_errors():
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {OFFENDING} AS {query} ORDER BY __file, __line, __row")
        ((count,),) = connection.sql(f"SELECT count(*) FROM {OFFENDING}").fetchall()
    if count:
        _copy(connection, out)
    return int(count)


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name = f"_{name}"
    return name


def _copy(connection: "duckdb.DuckDBPyConnection", out: Path) -> None:
    """Write the view in one step: a file that is there is there completely."""
    import duckdb

    part = out.with_name(f".{out.name}.part")
    try:
        connection.execute(f"COPY (FROM {OFFENDING}) TO {quote(str(part))} ({FORMATS[out.suffix]})").fetchall()
        part.replace(out)
    except (duckdb.Error, OSError) as error:
        part.unlink(missing_ok=True)
        raise InputError(f"--rows {out}: can't be written: {str(error).splitlines()[0]}") from error
