"""Types of columns that are text in their file: a column is what at least 99 % of its values are."""

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from pipeline.sql import identifier

if TYPE_CHECKING:
    import duckdb

UNSURE = "TEXT"
"""DuckDB's other name of VARCHAR: a column of text that may turn out as something else when more of it is seen."""
WHOLE = "WHOLE"
"""A column whose first values are whole numbers: a reader has to fail when a later one is not."""
SURE_VALUES = 1_000
TOLERATED = 0.01
"""Share of a column's values that may be of another type: their rows are refused, the column keeps its type."""
DATE = r"\d{4}-\d{2}-\d{2}"
MOMENT = DATE + r"([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?"
A_MOMENT = "a date or a time as in 2024-05-31 or 2024-05-31T18:30:00Z"
EXACT = 2**53
"""Whole numbers below it are exact as DOUBLE."""


class Facts(NamedTuple):
    """How many of a column's values can be read as what.

    Attributes:
        present: values that are not missing.
        numbers: as DOUBLE.
        fractions: numbers that are not whole, or not finite.
        codes: digits with a leading zero: a number would lose it.
        fits: whole numbers of 64 bits.
        flags: as BOOLEAN.
        moments: as a date or a time.
        clocks: moments with a time of day.
    """

    present: int
    numbers: int
    fractions: int
    codes: int
    fits: int
    flags: int
    moments: int
    clocks: int


def guess(
    connection: "duckdb.DuckDBPyConnection", table: str, columns: Collection[str], given: Mapping[str, str]
) -> dict[str, str]:
    """Return a type for each of the columns of `table` (an SQL expression), all of them text.

    `given` types win where the values allow it: TIMESTAMP may turn out as DATE, numbers as BOOLEAN. BIGINT columns with
    decimals stay VARCHAR when BIGINT was given: whoever converts them refuses the rows.
    """
    unknown = [column for column in columns if given.get(column) != "VARCHAR"]
    found = dict.fromkeys(columns, "VARCHAR")
    for column in unknown:
        # a query each: DuckDB's planner needs seconds for hundreds of such expressions
        counted = ", ".join(_count(identifier(column)))
        facts = Facts(*connection.execute(f"SELECT {counted} FROM {table}").fetchall()[0])
        found[column] = decide(facts, given.get(column))
        readable = max(facts.numbers, facts.moments, facts.flags)
        if found[column] == "VARCHAR" and (facts.present < SURE_VALUES or 2 * readable > facts.present):
            found[column] = UNSURE
    return found


def _count(column: str) -> Iterable[str]:
    number, moment = f"try_cast({column} AS DOUBLE)", f"try_cast({column} AS TIMESTAMPTZ)"
    conditions = (
        f"{number} IS NOT NULL",
        f"{number} <> trunc({number}) OR NOT isfinite({number})",
        f"regexp_full_match({column}, '[+-]?0[0-9]+')",
        f"try_cast({column} AS BIGINT) IS NOT NULL",
        f"try_cast({column} AS BOOLEAN) IS NOT NULL",
        f"{moment} IS NOT NULL",
        f"{moment} IS NOT NULL AND NOT regexp_full_match({column}, '\\s*[0-9]+-[0-9]+-[0-9]+\\s*')",
    )
    return [f"count({column})", *(f"count(*) FILTER ({condition})" for condition in conditions)]


def decide(facts: Facts, given: str | None) -> str:
    """Return the type that the facts and the schema agree on."""
    enough = facts.present * (1 - TOLERATED)
    if facts.present == 0:
        return given or "VARCHAR"
    if given == "TIMESTAMP" or (given is None and facts.moments >= enough):
        return "TIMESTAMP" if facts.clocks or not facts.moments else "DATE"
    if facts.flags >= enough > facts.numbers and given in {None, "BIGINT", "DOUBLE"}:
        return "BOOLEAN"
    if given == "BIGINT":
        return "VARCHAR" if facts.fractions else "BIGINT"
    if given:
        return given
    if facts.numbers < enough or facts.codes:
        return "VARCHAR"
    if facts.fractions:
        return "DOUBLE"
    # whole numbers beyond 64 bits are names, no quantities
    return "BIGINT" if facts.fits >= enough else "VARCHAR"


def settle(types: Mapping[str, str]) -> dict[str, str]:
    """Return the types without a doubt: what a column is that turned out as its first rows said."""
    sure = {WHOLE: "BIGINT", UNSURE: "VARCHAR"}
    return {column: sure.get(sql_type, sql_type) for column, sql_type in types.items()}


def may_be_other(connection: "duckdb.DuckDBPyConnection", relation: str, texts: Collection[str]) -> bool:
    """Return whether one of the columns that were taken for text holds numbers, dates or booleans after all."""
    if not texts:
        return False
    columns = ", ".join(f"CAST({identifier(name)} AS VARCHAR) AS {identifier(name)}" for name in texts)
    found = guess(connection, f"(SELECT {columns} FROM {relation})", texts, {})
    return any(sql_type not in {"VARCHAR", UNSURE} for sql_type in found.values())
