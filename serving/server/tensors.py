"""TensorProto to NumPy and back: what gRPC requests and answers carry."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from serving.artifact import name_dtype
from serving.errors import InvalidArgumentError, UnimplementedError
from serving.protos import TensorProto
from serving.server.dense import Array

MAX_TENSOR_BYTES = 100 * 1024 * 1024


class _Kind(NamedTuple):
    """One dtype.

    Attributes:
        number: in TensorFlow's types.proto.
        dtype: of the array.
        field: where the values are, because clients of TensorFlow Serving read them by name (`outputs["y"].float_val`).
        carrier: of the values as they stand in the field, where that is another type.
    """

    number: int
    dtype: np.dtype[Any]
    field: str
    carrier: np.dtype[Any] | None = None


_STRING = _Kind(7, np.dtype(object), "string_val")
_KINDS = {
    kind.number: kind
    for kind in (
        _Kind(1, np.dtype(np.float32), "float_val"),
        _Kind(2, np.dtype(np.float64), "double_val"),
        _Kind(3, np.dtype(np.int32), "int_val"),
        _Kind(4, np.dtype(np.uint8), "int_val"),
        _Kind(5, np.dtype(np.int16), "int_val"),
        _Kind(6, np.dtype(np.int8), "int_val"),
        _STRING,
        _Kind(8, np.dtype(np.complex64), "scomplex_val", np.dtype(np.float32)),
        _Kind(9, np.dtype(np.int64), "int64_val"),
        _Kind(10, np.dtype(np.bool_), "bool_val"),
        _Kind(14, np.dtype(ml_dtypes.bfloat16), "half_val", np.dtype(np.uint16)),
        _Kind(17, np.dtype(np.uint16), "int_val"),
        _Kind(18, np.dtype(np.complex128), "dcomplex_val", np.dtype(np.float64)),
        _Kind(19, np.dtype(np.float16), "half_val", np.dtype(np.uint16)),
        _Kind(22, np.dtype(np.uint32), "uint32_val"),
        _Kind(23, np.dtype(np.uint64), "uint64_val"),
    )
}
_BY_DTYPE = {kind.dtype: kind for kind in _KINDS.values()}


def to_array(proto: Any, name: str) -> Array:
    """The array of one input: `tensor_content`, or typed values of which the last is repeated up to the shape's size.

    Args:
        proto: the TensorProto.
        name: the input, for messages.

    Returns:
        an array of the message's dtype and shape, read-only where it shares the message's bytes; strings are an object
        array of bytes.

    Raises:
        InvalidArgumentError: no tensor, or one that repetition makes larger than a request may be.
    """
    try:
        return _read(proto)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidArgumentError(f"tensor parsing error: {name}: {error}") from error


def to_proto(array: Array) -> Any:
    """The TensorProto of one array, its values in the typed field of its dtype."""
    proto = TensorProto()
    fill_proto(proto, array)
    return proto


def fill_proto(proto: Any, array: Array) -> None:
    """Write one output into an empty TensorProto, its values in the typed field of its dtype.

    Raises:
        UnimplementedError: a dtype that no answer carries.
    """
    kind = _BY_DTYPE.get(array.dtype)
    if kind is None:
        raise UnimplementedError(f"Tensors of the type {array.dtype} cannot be answered with")
    proto.dtype = kind.number
    shape = proto.tensor_shape
    shape.SetInParent()
    for size in array.shape:
        shape.dim.add().size = size
    flat = array.reshape(-1)
    getattr(proto, kind.field).extend((flat if kind.carrier is None else flat.view(kind.carrier)).tolist())


def get_dtype_name(proto: Any) -> str:
    """TensorFlow's name of a TensorProto's dtype, as `TensorSpec` has it: `float`, `string`, ...; else its number."""
    return name_dtype(proto.dtype)


def _read(proto: Any) -> Array:
    kind = _KINDS.get(proto.dtype)
    if kind is None:
        raise ValueError(f"the type {name_dtype(proto.dtype)} is not supported")
    shape = tuple([dim.size for dim in proto.tensor_shape.dim])
    if proto.tensor_shape.unknown_rank or (shape and min(shape) < 0):
        raise ValueError("the shape is not known")
    size = math.prod(shape)
    # A few bytes may ask for terabytes.
    if size * kind.dtype.itemsize > MAX_TENSOR_BYTES:
        raise ValueError(f"above the limit of {MAX_TENSOR_BYTES} bytes")
    content = proto.tensor_content
    if not content:
        return _repeat_last(_read_values(proto, kind), size, kind).reshape(shape)
    if kind is _STRING:
        return _to_objects(_split_texts(content, size)).reshape(shape)
    return np.frombuffer(content, kind.dtype).reshape(shape)


def _read_values(proto: Any, kind: _Kind) -> Array:
    values = getattr(proto, kind.field)[:]
    if kind is _STRING:
        return _to_objects(values)
    return np.array(values, kind.dtype) if kind.carrier is None else np.array(values, kind.carrier).view(kind.dtype)


def _repeat_last(flat: Array, size: int, kind: _Kind) -> Array:
    if flat.size == size:
        return flat
    if flat.size > size:
        raise ValueError(f"{flat.size} values for a shape of {size}")
    last: Any = flat[-1] if flat.size else b"" if kind is _STRING else 0
    return np.concatenate([flat, np.full(size - flat.size, last, kind.dtype)])


def _to_objects(texts: list[bytes]) -> Array:
    return np.array(texts, np.object_)


def _split_texts(content: bytes, count: int) -> list[bytes]:
    """The strings of a `tensor_content`: `count` lengths (varints), then the texts one after the other."""
    lengths = []
    place = 0
    for _ in range(count):
        length = shift = 0
        while (byte := content[place] if place < len(content) else -1) >= 128 and shift < 28:
            length |= (byte & 127) << shift
            place, shift = place + 1, shift + 7
        if not 0 <= byte < 128:
            raise ValueError("the lengths of its strings are cut")
        lengths.append(length | byte << shift)
        place += 1
    if place + sum(lengths) != len(content):
        raise ValueError(f"{len(content) - place} bytes for strings of {sum(lengths)}")
    ends = accumulate(lengths, initial=place)
    return [content[start : start + length] for start, length in zip(ends, lengths)]  # noqa: B905
