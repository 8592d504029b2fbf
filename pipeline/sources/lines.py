"""Plain text: a row for each line, for the query to take apart. Files without a header, logs, texts.

The lines are cut and numbered as those of JSON Lines.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.sources import FileParams, Types, offer_places, offer_refused, read_refused
from pipeline.sources.jsonl.lines import numbered_lines

if TYPE_CHECKING:
    import duckdb

SUFFIXES = ()
"""Text may have any name: a folder is read by a pattern."""
END = r"'\r$'"


class Params(FileParams):
    """Settings of a source of lines.

    Attributes:
        kind: `lines`. UTF-8, plain, gzip or zstd, by content. The table has the columns `file`, `line` (its number,
            from 1) and `text`, without the line's end; blank lines are no rows.
    """

    kind: Literal["lines"] = "lines"


def look(
    connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], params: Params, given: Types, *, whole: bool
) -> Types:
    """Return nothing: the columns are always the same."""
    return {}


def scan(connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], params: Params, types: Types) -> str:
    """Return SQL of the lines that are text."""
    lines = numbered_lines(connection, files)
    offer_refused(
        connection,
        f"SELECT file, line, 'text' AS \"column\", left(text, 200) AS value, fault AS reason, text AS row "
        f"FROM {lines} WHERE fault IS NOT NULL",
    )
    kept = f"FROM {lines} WHERE fault IS NULL"
    offer_places(connection, f"SELECT file, line {kept}")
    return f"(SELECT parse_filename(file) AS file, line, regexp_replace(text, {END}, '') AS text {kept})"


def rejects(connection: "duckdb.DuckDBPyConnection") -> str | None:
    """Return the lines that are longer than 2 MB or no UTF-8."""
    return read_refused(connection)
