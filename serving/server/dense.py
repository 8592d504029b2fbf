"""JSON values to NumPy arrays, checked as TensorFlow Serving checks them (its util/json_tensor.cc).

Whole columns are converted at once. Only when a column does not fit is it read value by value, to name the first
value that is wrong in the original's words. The caller switches NumPy's warning of overflow off, once a request.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from serving.errors import InvalidArgumentError, UnimplementedError
from serving.server.json_body import describe

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]

_MAX_RANK = 32

_JSON_TYPES = {type(None): "Null", str: "String", int: "Number", float: "Number", dict: "Object", list: "Array"}


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one dtype is read: the Python types taken and, for integers, the range and the type read into.

    An integer is first read into `wide` and then cut to `dtype`, because TensorFlow Serving checks the narrow
    integers against int32 only and lets them wrap.
    """

    name: str
    dtype: type[np.generic]
    types: frozenset[type]
    wide: type[np.integer[Any]] | None = None


_INTEGER = frozenset({int})
_KINDS = {
    kind.name: kind
    for kind in (
        _Kind("float", np.float32, frozenset({int, float})),
        _Kind("double", np.float64, frozenset({int, float})),
        _Kind("int8", np.int8, _INTEGER, np.int32),
        _Kind("int16", np.int16, _INTEGER, np.int32),
        _Kind("int32", np.int32, _INTEGER, np.int32),
        _Kind("int64", np.int64, _INTEGER, np.int64),
        _Kind("uint8", np.uint8, _INTEGER, np.int32),
        _Kind("uint16", np.uint16, _INTEGER, np.int32),
        _Kind("uint32", np.uint32, _INTEGER, np.uint32),
        _Kind("uint64", np.uint64, _INTEGER, np.uint64),
        _Kind("bool", np.bool_, frozenset({bool})),
        _Kind("string", np.object_, frozenset({str, dict})),
    )
}


def measure(value: object) -> Shape:
    """The shape that a JSON value has, going by the first element of each list; () for anything but a list.

    Raises:
        InvalidArgumentError: more than 32 levels.
    """
    sizes: list[int] = []
    while isinstance(value, list):
        sizes.append(len(value))
        if len(sizes) > _MAX_RANK:
            raise InvalidArgumentError(f"Lists are nested deeper than {_MAX_RANK} levels")
        value = value[0] if value else None
    return tuple(sizes)


def fit_rows(values: Sequence[object], dtype: str) -> Array | None:
    """Stack one JSON value a row to a `[rows, ...]` array; None when some value does not fit.

    Raises:
        InvalidArgumentError: lists nested too deep.
        UnimplementedError: a dtype that JSON cannot carry.
    """
    kind = _get_kind(dtype, values[0])
    if not isinstance(values[0], list):
        return _fit_leaves(values, (len(values),), kind)
    shape = (len(values), *measure(values[0]))
    leaves = _flatten(values, shape)
    return None if leaves is None else _fit_leaves(leaves, shape, kind)


def convert(value: object, dtype: str) -> Array:
    """One JSON value to an array of the value's own shape.

    Raises:
        InvalidArgumentError: the value is ragged, or some element is not of the dtype.
        UnimplementedError: a dtype that JSON cannot carry.
    """
    kind = _get_kind(dtype, value)
    shape = measure(value)
    leaves = _flatten(value, shape) if isinstance(value, list) else [value]
    fitted = None if leaves is None else _fit_leaves(leaves, shape, kind)
    if fitted is None:
        check(value, dtype)
        raise InvalidArgumentError(f"JSON Value: {describe(value)} cannot be converted to {dtype}")
    return fitted


def check(value: object, dtype: str) -> Shape:
    """The shape of a JSON value after looking at each element in turn.

    Raises:
        InvalidArgumentError: the first element that is ragged or not of the dtype, in TensorFlow Serving's words.
    """
    shape = measure(value)
    _check_level(value, 0, shape, _get_kind(dtype, value))
    return shape


def is_base64_object(value: object) -> bool:
    """Whether a JSON value is `{"b64": "..."}`, the form of binary strings."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def name_type(value: object) -> str:
    """RapidJSON's name of a JSON value's type: `Null`, `True`, `False`, `Number`, `String`, `Array` or `Object`."""
    return str(value) if isinstance(value, bool) else _JSON_TYPES.get(type(value), type(value).__name__)


def _get_kind(dtype: str, value: object) -> _Kind:
    if dtype not in _KINDS:
        raise UnimplementedError(f"Conversion of JSON Value: {describe(value)} to type: {dtype}")
    return _KINDS[dtype]


def _flatten(value: Any, shape: Shape) -> list[Any] | None:
    """The leaves of nested lists, or None when some list has not the size that `shape` tells."""
    leaves: list[Any] = list(value)
    for size in shape[1:]:
        if not all(type(item) is list and len(item) == size for item in leaves):
            return None
        leaves = list(chain.from_iterable(leaves))
    return leaves


def _fit_leaves(leaves: Sequence[Any], shape: Shape, kind: _Kind) -> Array | None:
    types = set(map(type, leaves))
    if not types <= kind.types:
        return None
    if kind.name == "string":
        flat = _to_strings(leaves) if dict in types else _fill([text.encode() for text in leaves])
        return None if flat is None else flat.reshape(shape)
    if kind.wide is not None:
        return _fit_integers(leaves, kind.wide, kind.dtype, shape)
    # too large for float32 is infinity, as in C++, and nothing to warn of
    with np.errstate(over="ignore"):
        return np.array(leaves, dtype=np.float64).astype(kind.dtype, copy=False).reshape(shape)


def _fit_integers(
    leaves: Sequence[int], wide: type[np.integer[Any]], dtype: type[np.generic], shape: Shape
) -> Array | None:
    limits = np.iinfo(wide)
    if leaves and not (limits.min <= min(leaves) and max(leaves) <= limits.max):
        return None
    return np.array(leaves, dtype=wide).astype(dtype).reshape(shape)


def _to_strings(leaves: Sequence[Any]) -> Array | None:
    if not all(isinstance(leaf, str) or is_base64_object(leaf) for leaf in leaves):
        return None
    texts = [leaf.encode() if isinstance(leaf, str) else _decode_base64(leaf["b64"]) for leaf in leaves]
    decoded = [text for text in texts if text is not None]
    return _fill(decoded) if len(decoded) == len(texts) else None


def _fill(texts: list[bytes]) -> Array:
    filled = np.empty(len(texts), dtype=np.object_)
    filled[:] = texts
    return filled


def _decode_base64(text: str) -> bytes | None:
    compact = "".join(text.split()).rstrip("=")
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except ValueError:  # not in the alphabet, or a length that no bytes encode to
        return None


def _check_level(value: object, level: int, shape: Shape, kind: _Kind) -> None:
    if not isinstance(value, list):
        _check_leaf(value, level, shape, kind)
        return
    if level >= len(shape):
        raise InvalidArgumentError(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise InvalidArgumentError(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for item in value:
        _check_level(item, level + 1, shape, kind)


def _check_leaf(value: object, level: int, shape: Shape, kind: _Kind) -> None:
    if level != len(shape):
        raise InvalidArgumentError(
            f"JSON Value: {describe(value)} found at incorrect level: {level + 1} in the JSON DOM. "
            f"Expected at level: {len(shape)}"
        )
    if isinstance(value, dict) and kind.name == "string":
        if not is_base64_object(value):
            raise InvalidArgumentError(f"JSON Value: {describe(value)} not formatted correctly for base64 data")
        if _decode_base64(value["b64"]) is None:
            raise InvalidArgumentError("Unable to base64 decode")
    elif type(value) not in kind.types or _is_out_of_range(value, kind):
        raise InvalidArgumentError(
            f"JSON Value: {describe(value)} Type: {name_type(value)} is not of expected type: {kind.name}"
        )


def _is_out_of_range(value: Any, kind: _Kind) -> bool:
    if kind.wide is None:
        return False
    limits = np.iinfo(kind.wide)
    return not limits.min <= value <= limits.max
