"""One value of a row to what an input of the served model takes, in JSON terms."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, TypeAlias

from serving.artifact import TensorSpec
from serving.errors import InvalidArgumentError

Json: TypeAlias = Any

_FLOATS = frozenset({"float", "double", "half", "bfloat16"})
_INTEGERS = frozenset({"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"})
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def coerce(value: object, spec: TensorSpec) -> Json:
    """The JSON value to send for one input of one row.

    Nothing that changes the meaning is done in silence: 1.5 for an integer or "abc" for a number is an error.
    None, NaN and, for a number, blank text are missing values: NaN for a float input, "" for a string input.
    A list of any length may come as the JSON of one, and its Nones are left out, as where the model was trained.

    Raises:
        InvalidArgumentError: the value does not fit, or is missing and the dtype has no marker for that.
    """
    if is_list(spec):
        return _to_list(value, spec)
    if isinstance(value, list | tuple):
        return [coerce(item, spec) for item in value]
    plain = _unwrap(value)
    if _is_missing(plain, spec.dtype):
        return _repeat(_get_marker(spec.dtype), spec.shape)
    if spec.dtype in _FLOATS:
        return _to_number(plain)
    if spec.dtype in _INTEGERS:
        return _to_integer(plain)
    return _to_boolean(plain) if spec.dtype == "bool" else _to_text(plain)


def is_list(spec: TensorSpec) -> bool:
    """Whether a row of the input is a list of any length."""
    return len(spec.shape or ()) == 2 and (spec.shape or ())[1] < 0


def _to_list(value: object, spec: TensorSpec) -> list[Json]:
    given = _read_list(value)
    if given is None or (isinstance(given, float) and math.isnan(given)):
        return []
    # an array of NumPy's or of Arrow's
    as_list = getattr(given, "tolist", None)
    items = as_list() if callable(as_list) else given
    if not isinstance(items, list | tuple):
        raise _misfit(value, "a list")
    each = replace(spec, shape=(spec.shape or ())[:1])
    return [coerce(item, each) for item in items if item is not None]


def _read_list(value: object) -> object:
    """The list that a cell of a CSV file spells."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _unwrap(value: object) -> object:
    """The Python value of a NumPy scalar, told by its method so that NumPy need not be imported."""
    item = getattr(value, "item", None)
    return item() if callable(item) else value


def _is_missing(value: object, dtype: str) -> bool:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    return dtype != "string" and isinstance(value, str) and not value.strip()


def _get_marker(dtype: str) -> float | str:
    if dtype in _FLOATS:
        return math.nan
    if dtype == "string":
        return ""
    raise InvalidArgumentError(f"no value, and an input of type {dtype} has no marker for a missing one")


def _repeat(marker: float | str, shape: tuple[int, ...] | None) -> Json:
    """The marker in the shape of one row: the input's shape without its batch dimension."""
    filled: Json = marker
    for size in reversed((shape or ())[1:]):
        if size < 0:
            raise InvalidArgumentError("no value, and the input has no fixed size to fill")
        filled = [filled] * size
    return filled


def coerce_plain(values: list[object], spec: TensorSpec) -> list[Json] | None:
    """What `coerce` makes of each value of a column, where a look at their types tells; None where it does not.

    Most columns hold nothing but numbers, or text, and missing values: those need no look at each value.
    """
    if is_list(spec) or len(spec.shape or ()) > 1:
        return None
    kinds = set(map(type, values))
    present = kinds - {type(None)}
    if present <= {str} and spec.dtype in _FLOATS:
        return _read_numbers(values)
    if spec.dtype in _FLOATS and present <= {float, int}:
        return _fill(values, math.nan) if type(None) in kinds else values
    if spec.dtype == "string" and present <= {str}:
        return _fill(values, "") if type(None) in kinds else values
    return values if spec.dtype in _INTEGERS and kinds <= {int} else None


def _fill(values: list[object], marker: Json) -> list[Json]:
    return [marker if value is None else value for value in values]


def _read_numbers(values: list[Any]) -> list[Json] | None:
    try:
        numbers = [float(value) if value else math.nan for value in values]
    except ValueError:
        return None
    # see `_to_number`
    return None if any(value and "_" in value for value in values) else numbers


def pad(values: list[Json], spec: TensorSpec) -> list[Json]:
    """Return a column's lists, all as long as the longest: a tensor has no ragged edge. Other columns stay as they are.

    Lists are filled up at the end with the marker of missing values.

    Raises:
        InvalidArgumentError: lists of different lengths for a dtype without such a marker.
    """
    if not is_list(spec):
        return values
    # a server can't tell the shape of lists that are all empty
    width = max([1, *map(len, values)])
    if all(len(value) == width for value in values):
        return values
    marker = _get_marker(spec.dtype)
    return [[*value, *[marker] * (width - len(value))] for value in values]


def _to_number(value: object) -> int | float:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return value
    if isinstance(value, Decimal):
        return float(value)
    # float() also takes digits grouped by underscores, which in a table are rather a name than a number
    if isinstance(value, str) and "_" not in value:
        try:
            return float(value)
        except ValueError:
            pass
    raise _misfit(value, "a number")


def _to_integer(value: object) -> int:
    if isinstance(value, str) and value.strip().lstrip("+-").isdecimal():
        return int(value)  # not by way of float, which is exact up to 2**53 only
    number = _to_number(value)
    if isinstance(number, float) and not number.is_integer():
        raise _misfit(value, "an integer")
    return int(number)


def _to_boolean(value: object) -> bool:
    known = _BOOLEANS.get(_to_text(value).strip().lower())
    if known is None:
        raise _misfit(value, "true or false")
    return known


def _to_text(value: object) -> Json:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    if isinstance(value, str | int | float | Decimal | time):
        return str(value)
    if isinstance(value, date):
        return _to_moment(value)
    raise _misfit(value, "text")


def _to_moment(value: date) -> str:
    """ISO 8601 in UTC, as where the model was trained; a time without a zone is UTC."""
    if not isinstance(value, datetime):
        return value.isoformat()
    moment = value.astimezone(UTC) if value.tzinfo else value
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _misfit(value: object, expected: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"expected {expected}, got {value!r}")
