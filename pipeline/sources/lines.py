"""Text as it stands, a row a line: logs, columns of fixed width, cells between spaces, files without a header."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.sources import FileParams, Types, offer_places, offer_refused, read_refused
from pipeline.sources.jsonl.lines import numbered_lines

if TYPE_CHECKING:
    import duckdb

SUFFIXES = (".log", ".log.gz", ".log.zst")


class Params(FileParams):
    """Settings of a source of lines; its query makes columns of them.

    Attributes:
        kind: `lines`. A table has the columns `file` (its name), `line` (from 1) and `text` (without the line's end).
            UTF-8, plain, gzip or zstd; blank lines are no rows.
    """

    kind: Literal["lines"] = "lines"


def look(
    connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], params: Params, given: Types, *, whole: bool
) -> Types:
    """Return nothing: the columns are always the same."""
    return {}


def scan(connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], params: Params, types: Types) -> str:
    """Return SQL of the lines: `file`, `line`, `text`."""
    lines = numbered_lines(connection, files)
    offer_refused(
        connection,
        'SELECT file, line, NULL AS "column", left(text, 200) AS value, fault AS reason, left(text, 100000) AS row '
        f"FROM {lines} WHERE fault IS NOT NULL",
    )
    kept = f"FROM {lines} WHERE fault IS NULL"
    offer_places(connection, f"SELECT file, line {kept}")
    return f"(SELECT parse_filename(file) AS file, line, rtrim(text, chr(13)) AS text {kept})"


def rejects(connection: "duckdb.DuckDBPyConnection") -> str | None:
    """Return the lines that are no UTF-8 or longer than 2 MB."""
    return read_refused(connection)
