"""Comma-separated text, plain, gzip or zstd; the delimiter is detected, the header is required.

DuckDB's own detection is not used: over a sample it rounds decimals that come later (2.7 becomes 3) and takes a file
with one ragged row for a file of one column. The types come from `pipeline.guess`, the dialect from the header.
"""

import csv
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pipeline.errors import InputError
from pipeline.guess import A_MOMENT, EXACT, WHOLE, guess
from pipeline.sources import FileParams, Types
from pipeline.sql import identifier, quote

if TYPE_CHECKING:
    import duckdb

SUFFIXES = tuple(f"{kind}{packed}" for kind in (".csv", ".tsv") for packed in ("", ".gz", ".zst"))
TEXTS = "__texts"
WHOLES = "__wholes"
SAMPLE_ROWS = 20_480
HEADER_BYTES = 1_000_000
MAX_COLUMNS = 10_000
MAX_EXPANSION = 300
"""Tables compress to a tenth; gzip's limit, a thousandth, is only met by files made to fill a disk."""
NOT_WHOLE = "not a whole number after all"
READ_AS = {WHOLE: "DOUBLE", "TIMESTAMP": "TIMESTAMPTZ"}
WORDS = {
    "BIGINT": "expected a whole number",
    "DOUBLE": "expected a number",
    "BOOLEAN": "expected true, false, 1 or 0",
    "DATE": f"expected {A_MOMENT}",
    "TIMESTAMP WITH TIME ZONE": f"expected {A_MOMENT}",
}


class Header(NamedTuple):
    """A file's first line."""

    delimiter: str
    names: tuple[str, ...]


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
        _refuse_bomb(file)
    headers = read_headers(files, params)
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
    connection.execute("DROP TABLE IF EXISTS reject_errors").fetchall()
    connection.execute("DROP TABLE IF EXISTS reject_scans").fetchall()
    wholes = ", ".join(quote(name) for name, sql_type in types.items() if sql_type == WHOLE)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {WHOLES} AS SELECT unnest([{wholes}]::VARCHAR[]) AS name"
    ).fetchall()
    headers = read_headers(files, params)
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
    """Return the rows that DuckDB's reader refused, with the line as it stands in the file."""
    tables = connection.sql("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'reject_errors'").fetchall()
    if not tables[0][0]:
        return None
    # what reads as DOUBLE until it is known to be whole
    whole = f"WHEN column_name IN (SELECT name FROM {WHOLES}) THEN {quote(WORDS['BIGINT'])}"
    cast = "regexp_extract(error_message, '(?s)Could not convert string \"(.*)\" to ''(.*)''', {})"
    words = " ".join(f"WHEN {quote(sql_type)} THEN {quote(text)}" for sql_type, text in WORDS.items())
    return (
        'SELECT file_path AS file, CAST(line AS BIGINT) AS line, column_name AS "column", '
        f"CASE error_type WHEN 'CAST' THEN {cast.format(1)} ELSE left(csv_line, 200) END AS value, "
        f"CASE error_type WHEN 'CAST' THEN CASE {whole} ELSE CASE {cast.format(2)} {words} ELSE error_message END END "
        "ELSE lower(error_type) || ': ' || error_message END AS reason, csv_line AS row, "
        # a quote that nobody closes takes the next lines with it
        "CASE error_type WHEN 'CAST' THEN 1 ELSE len(string_split(rtrim(csv_line, chr(10)), chr(10))) END AS lines "
        "FROM reject_errors JOIN reject_scans USING (scan_id, file_id)"
    )


def _read(headers: Mapping[Path, Header], params: Params, types: Types, store: str) -> str:
    """Return SQL that reads the files: one `read_csv` for each order of the columns."""
    orders: dict[Header, list[Path]] = {}
    for file, header in headers.items():
        orders.setdefault(header, []).append(file)
    nulls = ", ".join(quote(text) for text in params.null)
    reads = []
    for (delimiter, names), files in orders.items():
        paths = ", ".join(quote(str(file)) for file in files)
        read_as = {name: READ_AS.get(types.get(name, ""), types.get(name, "VARCHAR")) for name in names}
        columns = ", ".join(f"{quote(name)}: {quote(sql_type)}" for name, sql_type in read_as.items())
        reads.append(
            f"SELECT * FROM read_csv([{paths}], auto_detect = false, delim = {quote(delimiter)}, quote = '\"', "
            f"escape = '\"', header = true, skip = 0, strict_mode = true, store_rejects = {store}, "
            f"columns = {{{columns}}}, encoding = {quote(params.encoding)}, nullstr = [{nulls}], ignore_errors = true)"
        )
    return f"({' UNION ALL BY NAME '.join(reads)})"


def read_headers(files: Sequence[Path], params: Params) -> dict[Path, Header]:
    """Return each file's header.

    Raises:
        InputError: a header that names no column, or a column twice, or not the columns of the first file.
    """
    headers = {file: read_header(file, params) for file in files}
    first, *_ = files
    expected = set(headers[first].names)
    for file, (_, names) in headers.items():
        mistakes = [f"{file}: header: column {index} has no name" for index, name in enumerate(names, 1) if not name]
        counts = Counter(name.casefold() for name in names if name)
        mistakes += [
            f"{file}: header: {count} columns are named '{name}' (upper and lower case count as one)"
            for name, count in counts.items()
            if count > 1
        ]
        for name in sorted(expected - set(names)):
            mistakes.append(f"{file}: header: expected the columns of {first}, but '{name}' is missing")
        for name in sorted(set(names) - expected):
            mistakes.append(f"{file}: header: expected the columns of {first}, received '{name}' as well")
        if len(names) > MAX_COLUMNS:
            mistakes = [f"{file}: header: expected at most {MAX_COLUMNS:,} columns, received {len(names):,}"]
        if mistakes:
            raise InputError(mistakes[:20])
    return headers


def read_header(file: Path, params: Params) -> Header:
    """Return the names in the first line, and the delimiter: what it has most of, outside quotes.

    Raises:
        InputError: an archive that is none, a line without end, another encoding.
    """
    line = _first_line(file, params.encoding)
    bare = re.sub(r'"[^"]*"', "", line)
    # of a single column: a comma
    delimiter = max(",;\t|", key=bare.count)
    return Header(delimiter, tuple(name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])))


def _first_line(file: Path, encoding: str) -> str:
    with _open(file) as stream:
        start: bytes = stream.read(HEADER_BYTES)
    line = start.decode({"utf-8": "utf-8-sig"}.get(encoding, encoding), "replace").partition("\n")[0]
    if "\0" in line:
        raise InputError(f"{file}: header: expected text in {encoding}, received NUL bytes; set source.encoding?")
    if len(line) >= HEADER_BYTES:
        raise InputError(f"{file}: header: expected a line of at most {HEADER_BYTES:,} bytes, received a longer one")
    if "\ufffd" in line:
        raise InputError(f"{file}: header: expected text in {encoding}, received other bytes; set source.encoding?")
    return line.rstrip("\r")


@contextmanager
def _open(file: Path) -> Iterator[Any]:
    """Open a file for reading, unpacked if its name says that it is packed."""
    try:
        if file.suffix == ".zst":
            import pyarrow as pa

            with pa.input_stream(str(file), compression="zstd") as stream:
                yield stream
            return
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            yield stream
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{file}: can't be read: {error}") from error


def _refuse_bomb(file: Path) -> None:
    """Refuse an archive whose first tenth of a gigabyte takes less than a 300th of it."""
    if file.suffix not in {".gz", ".zst"}:
        return
    limit = min(file.stat().st_size * MAX_EXPANSION, 100_000_000)
    unpacked = 0
    with _open(file) as stream:
        while unpacked <= limit and (chunk := stream.read(1_000_000)):
            unpacked += len(chunk)
    if unpacked > file.stat().st_size * MAX_EXPANSION:
        raise InputError(
            f"{file}: expected an archive of a table, received one that unpacks to more than {MAX_EXPANSION} times "
            f"its {file.stat().st_size:,} bytes"
        )
