"""Records as DuckDB's SQL: types by the first rows, texts that are moments, rows that are refused."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import InputError
from pipeline.guess import DATE, MOMENT, TOLERATED
from pipeline.sources import Types, offer_places, offer_refused
from pipeline.sources.tfrecord.rows import Decode, Rows, find_types
from pipeline.sql import identifier, quote

if TYPE_CHECKING:
    import duckdb

MOMENTS = {
    "DATE": (DATE, "DATE", "expected a date as in 2024-05-31"),
    "TIMESTAMP": (MOMENT, "TIMESTAMPTZ", "expected a date or a time as in 2024-05-31T18:30:00Z"),
}
"""Pattern, DuckDB's cast and what to say, by type of text that is a moment."""
NOT_UTF8 = "expected text in UTF-8, received other bytes"


class RecordTable(NamedTuple):
    """A way to read files of records.

    Attributes:
        name: of the kind of source.
        decode: makes rows of records.
    """

    name: str
    decode: Decode

    def look(
        self, connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], given: Types, limit: int | None
    ) -> Types:
        """Return each feature's type by the first records or by all of them; text is a moment if `given` says so.

        Raises:
            InputError: no TFRecord file, a corrupt or truncated record, or a feature of two types.
        """
        types = find_types(self.decode, files, limit)
        rows = self._register(connection, files, types, limit)
        for index, (name, sql_type) in enumerate(types.items()):
            if sql_type == "VARCHAR" and given.get(name) in MOMENTS:
                types[name] = _find_moment(connection, rows, f"v{index}", given[name])
        return types

    def scan(self, connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], types: Types) -> str:
        """Return SQL that reads the records; features or lists of values that `types` do not know fail it.

        Raises:
            InputError: no types.
        """
        if not types:
            raise InputError(f"{files[0]}: expected records with features, received none")
        rows = self._register(connection, files, types)
        moments = [(f"v{index}", name, types[name]) for index, name in enumerate(types) if types[name] in MOMENTS]
        checks = [
            f"WHEN NOT ({_fits(value, sql_type)}) THEN {_fault(quote(name), value, quote(MOMENTS[sql_type][2]))}"
            for value, name, sql_type in moments
        ]
        not_text = _fault('"column"', "value", quote(NOT_UTF8))
        fault = f'CASE WHEN "column" IS NOT NULL THEN {not_text} {" ".join(checks)} END AS fault'
        checked = f"(SELECT *, {fault} FROM {rows})"
        offer_refused(connection, f"SELECT file, line, fault.* FROM {checked} WHERE fault IS NOT NULL")
        offer_places(connection, f"SELECT file, line FROM {checked} WHERE fault IS NULL")
        values = [f"{_value(f'v{index}', types[name])} AS {identifier(name)}" for index, name in enumerate(types)]
        return f"(SELECT {', '.join(values)} FROM {checked} WHERE fault IS NULL)"

    def _register(
        self, connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], types: Types, limit: int | None = None
    ) -> str:
        """Return the name of the stream of records."""
        name = f"{self.name} {files[0]} {len(files)} {limit or 'all'}"
        connection.register(name, Rows(self.decode, files, types, limit))
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
