"""JSON Lines: one object per line, plain, gzip or zstd.

Python only cuts the bytes into lines, so that each has its number; DuckDB reads the JSON, on all threads. No row is
kept: whoever reads the table reads the files again.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from pipeline.errors import InputError
from pipeline.sources import FileParams, Types, offer_places, offer_refused, read_refused
from pipeline.sources.jsonl.keys import Key, column_keys, find_keys
from pipeline.sources.jsonl.lines import LONGEST_MB, numbered_lines
from pipeline.sources.jsonl.values import FITS, MISSING, VALUES, WORDS, fill, find_types
from pipeline.sql import identifier, quote

if TYPE_CHECKING:
    import duckdb

SUFFIXES = tuple(f"{kind}{packed}" for kind in (".jsonl", ".ndjson") for packed in ("", ".gz", ".zst"))
SAMPLE_LINES = 20_480
NOT_WHOLE = "a key that the first lines do not have"
"""What reading fails with where `types` do not name every column: their rows would lose a value."""


class Params(FileParams):
    """Settings of a JSON Lines source.

    Attributes:
        kind: `jsonl`. A key of a nested object is a column named `customer.address.city`; a list of numbers, of
            booleans or of text is a column of lists; a list of anything else is text, its JSON. What is missing,
            null or NaN is null. A column has the type that 99 % of its values have; the rows of the others are
            refused. Without such a type it is text.
    """

    kind: Literal["jsonl"] = "jsonl"


class Column(NamedTuple):
    """A column of the table, as SQL over `_rows`.

    Attributes:
        name: as the table has it.
        sql_type: DuckDB's type.
        place: of its key, from 1.
    """

    name: str
    sql_type: str
    place: int

    @property
    def text(self) -> str:
        """The text of the value."""
        return f"texts[{self.place}]"

    @property
    def fits(self) -> str:
        """Whether there is no value, or one of the column's type."""
        return fill(f"CASE WHEN {MISSING} THEN true ELSE {FITS[self.sql_type]} END", json_type(self.place), self.text)

    @property
    def value(self) -> str:
        """The value in the column's type."""
        template = VALUES.get(self.sql_type, f"try_cast({{s}} AS {self.sql_type})")
        return fill(template, json_type(self.place), self.text)


def json_type(index: int) -> str:
    """Return SQL of the JSON type at a key; the first is that of the line itself."""
    return f"types[{index + 1}]"


def look(
    connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], params: Params, given: Types, *, whole: bool
) -> Types:
    """Return each column's type by the first lines, or by all of them.

    Raises:
        InputError: no object at all, or two keys that would be one column.
    """
    table = numbered_lines(connection, files, None if whole else SAMPLE_LINES)
    keys = find_keys(connection, table)
    if not keys:
        raise InputError(_nothing(connection, table, files))
    return find_types(connection, table, column_keys(keys), given)


def scan(connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], params: Params, types: Types) -> str:
    """Return SQL that reads the lines; a key that `types` do not know fails it with NOT_WHOLE.

    Raises:
        InputError: no object at all, or two keys that would be one column.
    """
    keys = _known_keys(connection, files, types)
    chosen = set(column_keys(keys))
    columns = [
        Column(each.column, types.get(each.column, "VARCHAR"), place)
        for place, each in enumerate(keys, 1)
        if each in chosen
    ]
    rows = _rows(numbered_lines(connection, files), keys)
    offer_refused(connection, _refused(rows, columns))
    fits = " AND ".join(["true", *(each.fits for each in columns if each.sql_type != "VARCHAR")])
    values = ", ".join(f"{each.value} AS {identifier(each.name)}" for each in columns)
    kept = f"FROM {rows} WHERE CASE WHEN flaw IS NULL THEN {fits} END"
    offer_places(connection, f"SELECT file, line {kept}")
    return f"(SELECT {values} {kept})"


def rejects(connection: "duckdb.DuckDBPyConnection") -> str | None:
    """Return the lines that are no object, and those with a value that does not fit its column's type."""
    return read_refused(connection)


def _known_keys(connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], types: Types) -> list[Key]:
    """Return the keys that the first lines have; those of all lines if `types` name columns that these lack."""
    keys = find_keys(connection, numbered_lines(connection, files, SAMPLE_LINES))
    if not keys or set(types) - {each.column for each in column_keys(keys)}:
        keys = find_keys(connection, table := numbered_lines(connection, files))
        if not keys:
            raise InputError(_nothing(connection, table, files))
    return keys


def _rows(table: str, keys: list[Key]) -> str:
    """Return SQL of every line: JSON type and text of the value at each key, and the flaw of the line as a whole.

    DuckDB pushes no condition on `flaw` below: error() has an effect. It would read the JSON again for each column.
    """
    paths = ", ".join(each.path for each in keys)
    objects = ", ".join(["'$'", *(each.path for each in keys if "OBJECT" in each.json_types)])
    chosen = set(column_keys(keys))
    bare = [json_type(place) for place, each in enumerate(keys, 1) if each not in chosen]
    lost = " OR ".join(["false", *(f"coalesce({each}, 'NULL') NOT IN ('NULL', 'OBJECT')" for each in bare)])
    return f"""(SELECT *, CASE
        WHEN fault IS NOT NULL THEN fault
        WHEN types IS NULL THEN 'expected a JSON object, received no valid JSON'
        WHEN types[1] <> 'OBJECT' THEN 'expected a JSON object, received ' || lower(types[1])
        WHEN NOT ({lost}) AND list_sum(list_transform(inside, lambda each: len(each))) + 1 = list_count(types) THEN NULL
        WHEN len(list_filter(inside, lambda each: len(each) <> len(list_distinct(each)))) > 0
            THEN 'expected each key once in its object'
        WHEN len(list_filter(flatten(inside), lambda each: each = '' OR contains(each, chr(0)))) > 0
            THEN 'expected keys with a name'
        ELSE error({quote(NOT_WHOLE)}) END AS flaw
        FROM (SELECT *, TRY(json_keys(text, [{objects}])) AS inside, TRY(json_type(text, ['$', {paths}])) AS types,
            TRY(json_extract_string(text, [{paths}])) AS texts FROM {table}))"""


def _refused(rows: str, columns: list[Column]) -> str:
    """Return SQL of the refused rows: one for each flaw, or for each value that does not fit."""
    faults = [
        f"CASE WHEN NOT {each.fits} THEN {_fault(quote(each.name), each.text, quote(WORDS[each.sql_type]))} END"
        for each in columns
        if each.sql_type != "VARCHAR"
    ]
    found = f"list_filter([{', '.join(faults) or 'NULL'}], lambda each: each IS NOT NULL)"
    return f"""SELECT file, line, each."column", left(each.value, 200) AS value, each.reason, left(text, 100000) AS row
        FROM (SELECT file, line, text, unnest(CASE WHEN flaw IS NOT NULL THEN [{_fault("NULL", "text", "flaw")}]
            ELSE {found} END) AS each FROM {rows})"""


def _fault(column: str, value: str, reason: str) -> str:
    return f"{{'column': CAST({column} AS VARCHAR), 'value': {value}, 'reason': {reason}}}"


def _nothing(connection: "duckdb.DuckDBPyConnection", table: str, files: Sequence[Path]) -> str:
    first = connection.sql(f"SELECT file, line, left(text, 60) FROM {table} ORDER BY ALL LIMIT 1").fetchall()
    if not first:
        return f"{files[0]}: expected a JSON object on each line, received an empty file"
    file, line, text = first[0]
    return f"{file}:{line}: expected a JSON object with keys on each line (of up to {LONGEST_MB} MB), received {text!r}"
