"""From a column of the table to the values of an example, as SQL; and which values can't be that."""

from typing import NamedTuple

from models.raw import RawType
from pipeline.guess import A_MOMENT, DATE, MOMENT
from pipeline.sql import identifier, quote
from pipeline.tables import MOMENTS, Column
from schemas.store import SchemaColumn

FLOAT_MAX = 3.4028234663852886e38


class Conversion(NamedTuple):
    """A column beside what the schema says of it.

    Attributes:
        column: as the data has it.
        raw_type: what its values become.
        value: SQL: the value as an example holds it, NULL where it is missing.
        unfit: SQL: whether a value can't be read as the schema's type, empty if all can.
        wanted: that type, in words.
    """

    column: Column
    raw_type: RawType
    value: str
    unfit: str = ""
    wanted: str = ""


def convert(column: Column, expected: SchemaColumn | None) -> Conversion:
    """Return how the column becomes what the schema asks for; a column that the schema does not have stays as it is."""
    raw_type: RawType = expected.raw_type if expected else column.raw_type  # type: ignore[assignment]
    if column.is_list:
        return _convert_list(column, raw_type)
    text = _text(column)
    plain = Conversion(
        column, raw_type, {"bytes": f"nullif({text}, '')", "int": _whole(column), "float": _float(column)}[raw_type]
    )
    if expected is None or raw_type == column.raw_type != "bytes":
        return plain
    if raw_type == "bytes":
        if column.is_moment or not expected.is_moment:
            return plain
        return _guard(plain, _moment(text), f"NOT regexp_full_match({text}, {quote(MOMENT)})", A_MOMENT)
    number = f"try_cast({text} AS DOUBLE)"
    if raw_type == "float":
        return _guard(plain, _finite(number), f"{number} IS NULL", "a number")
    if expected.is_flag:
        # one odd cell makes a reader take the others, `true` and `false`, for text
        number = f"coalesce({number}, CAST(try_cast({text} AS BOOLEAN) AS DOUBLE))"
        return _guard(plain, f"try_cast({number} AS BIGINT)", f"{number} IS NULL", "true, false, 1 or 0")
    # NaN is a missing value, no unfit one
    unfit = f"{number} IS NULL OR (NOT isnan({number}) AND ({number} <> trunc({number}) OR abs({number}) > 9e18))"
    return _guard(plain, f"try_cast({text} AS BIGINT)", unfit, "a whole number")


def _guard(plain: Conversion, value: str, unfit: str, wanted: str) -> Conversion:
    return plain._replace(value=f"CASE WHEN {unfit} THEN NULL ELSE {value} END", unfit=unfit, wanted=wanted)


def _text(column: Column) -> str:
    name = identifier(column.name)
    moment = MOMENTS.get(column.sql_type)
    return f"strftime({name}, '{moment}')" if moment else f"CAST({name} AS VARCHAR)"


def _moment(text: str) -> str:
    """Return ISO 8601 in UTC; a date stays one."""
    clock = f"strftime(try_cast({text} AS TIMESTAMPTZ), '{MOMENTS['TIMESTAMP']}')"
    return f"CASE WHEN regexp_full_match({text}, {quote(DATE)}) THEN {text} ELSE {clock} END"


def _whole(column: Column) -> str:
    return f"CAST({identifier(column.name)} AS BIGINT)"


def _float(column: Column) -> str:
    name = identifier(column.name)
    return f"CAST({name} AS FLOAT)" if column.raw_type == "int" else _finite(f"CAST({name} AS DOUBLE)")


def _finite(number: str) -> str:
    """Return the number as float32; what is infinite there is missing."""
    return f"CASE WHEN abs({number}) <= {FLOAT_MAX} THEN CAST({number} AS FLOAT) END"


def _convert_list(column: Column, raw_type: RawType) -> Conversion:
    sql_type = {"int": "BIGINT", "float": "FLOAT", "bytes": "VARCHAR"}[raw_type]
    name = identifier(column.name)
    if column.value_type in MOMENTS:
        return Conversion(
            column, raw_type, f"list_transform({name}, lambda x: strftime(x, '{MOMENTS[column.value_type]}'))"
        )
    return Conversion(column, raw_type, f"list_filter(CAST({name} AS {sql_type}[]), lambda x: x IS NOT NULL)")
