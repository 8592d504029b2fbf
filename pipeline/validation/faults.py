"""Which rows an anomaly is about, as SQL."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from pipeline.convert import Conversion
from pipeline.sql import identifier, quote


class Limits(NamedTuple):
    """What a schema says of a column's values.

    Attributes:
        values: those that it may have; empty: any.
        low: the least number, None for any.
        high: the largest one.
        counts: least and largest number of values in a row, 0 for any.
        mass: share of the values that must be among `values`.
        min_fraction: share of the rows that must have a value.
        min_count: rows that must have one.
    """

    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    counts: tuple[int, int] = (0, 0)
    mass: float = 1.0
    min_fraction: float = 0.0
    min_count: int = 0


class Fault(NamedTuple):
    """What is wrong with a row.

    Attributes:
        feature: the column.
        kind: in the words of `schemas.anomalies`.
        condition: SQL: whether a row has it, never NULL.
        value: SQL: the value as text.
    """

    feature: str
    kind: str
    condition: str
    value: str


def find_fault(kind: str, check: Conversion, limits: Limits) -> Fault | None:
    """Return which rows an anomaly of that kind is about; None if it is not about rows."""
    conditions = {
        "wrong type": _unfit(check),
        "missing values": _missing(check),
        "unexpected values": _unexpected(check, limits),
        "out of range": _out_of_range(check, limits),
        "number of values": _counts(check, limits),
    }
    condition = conditions.get(kind)
    if not condition:
        return None
    text = identifier(check.column.name) if kind == "wrong type" else check.value
    return Fault(check.column.name, kind, f"coalesce({condition}, false)", f"CAST({text} AS VARCHAR)")


def _unfit(check: Conversion) -> str:
    return f"{identifier(check.column.name)} IS NOT NULL AND ({check.unfit})" if check.unfit else ""


def _missing(check: Conversion) -> str:
    """Return that there is no value: one that does not fit is none that is missing."""
    missing = f"({check.value}) IS NULL"
    return f"{missing} AND NOT coalesce({_unfit(check)}, false)" if check.unfit else missing


def _unexpected(check: Conversion, limits: Limits) -> str:
    listed = ", ".join(map(quote, limits.values))
    return _any(check, lambda value: f"{value} NOT IN ({listed})") if listed else ""


def _out_of_range(check: Conversion, limits: Limits) -> str:
    named = ((limits.low, "<"), (limits.high, ">"))
    bounds = [f"{sign} {bound}" for bound, sign in named if bound is not None]
    return _any(check, lambda value: " OR ".join(f"{value} {bound}" for bound in bounds)) if bounds else ""


def _any(check: Conversion, condition: Callable[[str], str]) -> str:
    """Return that the condition holds for the value, or for any of a list's."""
    if not check.column.is_list:
        return condition(f"({check.value})")
    return f"len(list_filter({check.value}, lambda each: {condition('each')})) > 0"


def _counts(check: Conversion, limits: Limits) -> str:
    least, most = limits.counts
    if not check.column.is_list:
        return ""
    count = f"len({check.value})"
    bounds = [*([f"{count} < {least}"] if least else []), *([f"{count} > {most}"] if most else [])]
    return " OR ".join(bounds)


def why(faults: Sequence[Fault]) -> str:
    """Return SQL of all that is wrong with a row: `carrier: unexpected values; distance: wrong type`, or no text."""
    told = ", ".join(
        f"CASE WHEN {fault.condition} THEN {quote(f'{fault.feature}: {fault.kind}')} END" for fault in faults
    )
    return f"concat_ws('; ', {told})" if told else "''"
