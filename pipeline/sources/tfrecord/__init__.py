"""Files of tf.Example records, as TFX's ExampleGen writes them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.errors import InputError
from pipeline.guess import DATE, MOMENT, TOLERATED
from pipeline.sources import FileParams, Types, offer_refused, read_refused
from pipeline.sources.tfrecord.rows import NOT_WHOLE, Rows, find_types
from pipeline.sql import identifier, quote

if TYPE_CHECKING:
    import duckdb

__all__ = ["NOT_WHOLE", "SUFFIXES", "Params", "look", "rejects", "scan"]

SUFFIXES = (".tfrecord", ".tfrecords", ".tfrecord.gz", ".tfrecords.gz")
SAMPLE_RECORDS = 20_480
MOMENTS = {
    "DATE": (DATE, "DATE", "expected a date as in 2024-05-31"),
    "TIMESTAMP": (MOMENT, "TIMESTAMPTZ", "expected a date or a time as in 2024-05-31T18:30:00Z"),
}
"""Pattern, DuckDB's cast and what to say, by type of text that is a moment."""
NOT_UTF8 = "expected text in UTF-8, received other bytes"


class Params(FileParams):
    """Settings of a TFRecord source.

    Attributes:
        kind: `tfrecord`. Plain or gzip, by content. Stock TFX's files have no suffix of their own: name them by a
            pattern, `Split-train/data_tfrecord-*`. A feature with one value a record is a column of whole numbers,
            numbers or text (UTF-8); with several, of lists. A line number is that of a record.
    """

    kind: Literal["tfrecord"] = "tfrecord"


def look(
    connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], params: Params, given: Types, *, whole: bool
) -> Types:
    """Return each feature's type by the first records or by all of them; text is a moment if `given` says so.

    Raises:
        InputError: no TFRecord file, a corrupt or truncated record, or a feature of two types.
    """
    limit = None if whole else SAMPLE_RECORDS
    types = find_types(files, limit)
    rows = _register(connection, files, types, limit)
    for index, (name, sql_type) in enumerate(types.items()):
        if sql_type == "VARCHAR" and given.get(name) in MOMENTS:
            types[name] = _find_moment(connection, rows, f"v{index}", given[name])
    return types


def scan(connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], params: Params, types: Types) -> str:
    """Return SQL that reads the records; features or lists of values that `types` do not know fail it with NOT_WHOLE.

    Raises:
        InputError: no types.
    """
    if not types:
        raise InputError(f"{files[0]}: expected tf.Example records with features, received none")
    rows = _register(connection, files, types)
    moments = [(f"v{index}", name, types[name]) for index, name in enumerate(types) if types[name] in MOMENTS]
    checks = [
        f"WHEN NOT ({_fits(value, sql_type)}) THEN {_fault(quote(name), value, quote(MOMENTS[sql_type][2]))}"
        for value, name, sql_type in moments
    ]
    not_text = _fault('"column"', "value", quote(NOT_UTF8))
    checked = f'(SELECT *, CASE WHEN "column" IS NOT NULL THEN {not_text} {" ".join(checks)} END AS fault FROM {rows})'
    offer_refused(connection, f"SELECT file, line, fault.* FROM {checked} WHERE fault IS NOT NULL")
    values = [f"{_value(f'v{index}', types[name])} AS {identifier(name)}" for index, name in enumerate(types)]
    return f"(SELECT {', '.join(values)} FROM {checked} WHERE fault IS NULL)"


def rejects(connection: "duckdb.DuckDBPyConnection") -> str | None:
    """Return the records with bytes that are no UTF-8, or a text that is no moment."""
    return read_refused(connection)


def _register(
    connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], types: Types, limit: int | None = None
) -> str:
    """Return the name of the stream of records."""
    name = f"tfrecord {files[0]} {len(files)} {limit or 'all'}"
    connection.register(name, Rows(files, types, limit))
    return identifier(name)


def _fault(column: str, value: str, reason: str) -> str:
    return f"{{'column': {column}, 'value': left({value}, 200), 'reason': {reason}}}"


def _fits(value: str, sql_type: str) -> str:
    pattern, cast, _ = MOMENTS[sql_type]
    known = f"WHEN regexp_full_match({value}, {quote(pattern)}) THEN try_cast({value} AS {cast}) IS NOT NULL"
    return f"CASE WHEN {value} IS NULL THEN true {known} ELSE false END"


def _find_moment(connection: "duckdb.DuckDBPyConnection", rows: str, value: str, given: str) -> str:
    """Return the given type where 99 % of the values allow it, DATE where none of them has a clock."""
    unfit = ", ".join(f"count(*) FILTER (NOT ({_fits(value, sql_type)}))" for sql_type in (given, "DATE"))
    ((others, no_dates, count),) = connection.sql(f"SELECT {unfit}, count({value}) FROM {rows}").fetchall()
    if others > count * TOLERATED:
        return "VARCHAR"
    return "DATE" if no_dates == others else given


def _value(value: str, sql_type: str) -> str:
    if sql_type == "TIMESTAMP":
        return f"timezone('UTC', try_cast({value} AS TIMESTAMPTZ))"
    return f"try_cast({value} AS DATE)" if sql_type == "DATE" else value
