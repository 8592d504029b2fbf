"""Comma-separated text, plain, gzip or zstd; the delimiter is detected, the header is required.

DuckDB's own detection is not used: over a sample it rounds decimals that come later (2.7 becomes 3) and takes a file
with one ragged row for a file of one column. The types come from `pipeline.guess`, the dialect from the header.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.guess import A_MOMENT, EXACT, WHOLE, guess
from pipeline.sources import FileParams, Types, offer_places
from pipeline.sources.csv.header import Header, read_headers
from pipeline.sources.csv.lines import File, Records, is_plain
from pipeline.sources.csv.text import refuse_bomb
from pipeline.sql import identifier, quote

if TYPE_CHECKING:
    import duckdb

SUFFIXES = tuple(f"{kind}{packed}" for kind in (".csv", ".tsv") for packed in ("", ".gz", ".zst"))
TEXTS = "__texts"
WHOLES = "__wholes"
FILES = "__csv_files"
RECORDS = "__csv_records"
LINES = "__csv_lines"
REFUSED = "(reject_errors JOIN reject_scans USING (scan_id, file_id))"
SAMPLE_ROWS = 20_480
NOT_WHOLE = "not a whole number after all"
READ_AS = {WHOLE: "DOUBLE", "TIMESTAMP": "TIMESTAMPTZ"}
WORDS = {
    "BIGINT": "expected a whole number",
    "DOUBLE": "expected a number",
    "BOOLEAN": "expected true, false, 1 or 0",
    "DATE": f"expected {A_MOMENT}",
    "TIMESTAMP WITH TIME ZONE": f"expected {A_MOMENT}",
}


class Params(FileParams):
    """Settings of a CSV source.

    Attributes:
        null: cell texts that mean "missing".
        encoding: of the text.
    """

    kind: Literal["csv"] = "csv"
    null: tuple[str, ...] = ("", "NA")
    encoding: Literal["utf-8", "latin-1", "utf-16"] = "utf-8"


def look(
    connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], params: Params, given: Types, *, whole: bool
) -> Types:
    """Return each column's type by the first rows, or by all of them."""
    for file in files:
        refuse_bomb(file)
    headers = read_headers(files, params.encoding)
    limit = "" if whole else f"LIMIT {SAMPLE_ROWS}"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {TEXTS} AS SELECT * FROM {_read(headers, params, {}, store='false')} {limit}"
    ).fetchall()
    types = guess(connection, TEXTS, headers[files[0]].names, given)
    connection.execute(f"DROP TABLE {TEXTS}").fetchall()
    if whole:
        return types
    return {name: WHOLE if sql_type == "BIGINT" else sql_type for name, sql_type in types.items()}


def scan(connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], params: Params, types: Types) -> str:
    """Return `read_csv` over the files; a column that was WHOLE and has decimals later fails with NOT_WHOLE.

    Raises:
        InputError: headers that differ, an archive that unpacks to hundreds of times its size.
    """
    for table in ("reject_errors", "reject_scans", LINES):
        connection.execute(f"DROP TABLE IF EXISTS {table}").fetchall()
    wholes = ", ".join(quote(name) for name, sql_type in types.items() if sql_type == WHOLE)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {WHOLES} AS SELECT unnest([{wholes}]::VARCHAR[]) AS name"
    ).fetchall()
    headers = read_headers(files, params.encoding)
    listed = [
        f"({quote(str(file))}, {quote(header.delimiter)}, {quote(params.encoding)}, {len(header.names) == 1})"
        for header, several in _by_header(headers).items()
        for file in several
    ]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {FILES} AS FROM (VALUES {', '.join(listed)}) AS t(file, delimiter, code, single)"
    ).fetchall()
    columns = ", ".join(_column(name, types.get(name, "VARCHAR")) for name in headers[files[0]].names)
    return f"(SELECT {columns} FROM {_read(headers, params, types, store='true')})"


def _column(name: str, sql_type: str) -> str:
    column = identifier(name)
    if sql_type == "TIMESTAMP":
        return f"timezone('UTC', {column}) AS {column}"
    if sql_type == WHOLE:
        whole = f"{column} = trunc({column}) AND abs({column}) < {EXACT}"
        return (
            f"CASE WHEN {column} IS NULL THEN NULL WHEN {whole} THEN CAST({column} AS BIGINT) "
            f"ELSE error({quote(NOT_WHOLE)}) END AS {column}"
        )
    return column


def rejects(connection: "duckdb.DuckDBPyConnection") -> str | None:
    """Return the rows that DuckDB's reader refused, with the line as an editor counts; offer the others' lines."""
    tables = connection.sql("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'reject_errors'").fetchall()
    if not tables[0][0]:
        return None
    _find_lines(connection)
    # what reads as DOUBLE until it is known to be whole
    whole = f"WHEN column_name IN (SELECT name FROM {WHOLES}) THEN {quote(WORDS['BIGINT'])}"
    cast = "regexp_extract(error_message, '(?s)Could not convert string \"(.*)\" to ''(.*)''', {})"
    words = " ".join(f"WHEN {quote(sql_type)} THEN {quote(text)}" for sql_type, text in WORDS.items())
    return (
        f'SELECT file_path AS file, coalesce({LINES}.line, errors.line) AS line, column_name AS "column", '
        f"CASE error_type WHEN 'CAST' THEN {cast.format(1)} ELSE left(csv_line, 200) END AS value, "
        f"CASE error_type WHEN 'CAST' THEN CASE {whole} ELSE CASE {cast.format(2)} {words} ELSE error_message END END "
        "ELSE lower(error_type) || ': ' || error_message END AS reason, "
        f"csv_line AS row, coalesce({LINES}.lines, 1) AS lines "
        f"FROM {REFUSED} AS errors LEFT JOIN {LINES} ON file_path = file AND errors.line = number"
    )


def _find_lines(connection: "duckdb.DuckDBPyConnection") -> None:
    """Put the lines of the refused records into LINES, where they are not their numbers; offer those of all others."""
    listed = connection.sql(f"SELECT file, delimiter, code, single FROM {FILES}").fetchall()
    refused = {file for (file,) in connection.sql(f"SELECT DISTINCT file_path FROM {REFUSED}").fetchall()}
    files = [File(Path(file), *told) for file, *told in listed]
    connection.register(RECORDS, Records(files))
    of_refused = f"(SELECT file_path AS file, line AS number FROM {REFUSED})"
    # a join has no order of its own
    others = f"{RECORDS} ANTI JOIN {of_refused} USING (file, number) ORDER BY place"
    offer_places(connection, f"SELECT file, line FROM {others}")
    # of most files the numbers are the lines
    different = [file for file in files if str(file.path) in refused and not is_plain(file)]
    connection.register(f"{RECORDS}_refused", Records(different))
    connection.execute(
        f"CREATE TEMP TABLE IF NOT EXISTS {LINES} AS "
        f"SELECT * FROM {RECORDS}_refused SEMI JOIN {of_refused} USING (file, number)"
    ).fetchall()


def _read(headers: Mapping[Path, Header], params: Params, types: Types, store: str) -> str:
    """Return SQL that reads the files: one `read_csv` for each order of the columns."""
    nulls = ", ".join(quote(text) for text in params.null)
    reads = []
    for (delimiter, names), files in _by_header(headers).items():
        paths = ", ".join(quote(str(file)) for file in files)
        read_as = {name: READ_AS.get(types.get(name, ""), types.get(name, "VARCHAR")) for name in names}
        columns = ", ".join(f"{quote(name)}: {quote(sql_type)}" for name, sql_type in read_as.items())
        reads.append(
            f"SELECT * FROM read_csv([{paths}], auto_detect = false, delim = {quote(delimiter)}, quote = '\"', "
            f"escape = '\"', header = true, skip = 0, strict_mode = true, store_rejects = {store}, "
            f"columns = {{{columns}}}, encoding = {quote(params.encoding)}, nullstr = [{nulls}], ignore_errors = true)"
        )
    return f"({' UNION ALL BY NAME '.join(reads)})"


def _by_header(headers: Mapping[Path, Header]) -> dict[Header, list[Path]]:
    """Return the files of each header, in the order in which they are read."""
    found: dict[Header, list[Path]] = {}
    for file, header in headers.items():
        found.setdefault(header, []).append(file)
    return found
