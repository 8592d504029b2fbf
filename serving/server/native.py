"""NumPy arrays to TensorFlow's own tensors in memory, and back."""

from __future__ import annotations

import ctypes
import struct
from functools import cache, lru_cache
from typing import Any

import numpy as np

from serving.errors import UnimplementedError
from serving.server.dense import Array
from serving.server.library import load_library

STRING = 7
"""DT_STRING."""

_LITTLE_BYTES = 64 * 1024
_STRING_BYTES = 24
"""Size of a TF_TString."""
_VIEW = 3
"""The type of a TF_TString that points to memory of others: https://github.com/tensorflow/tensorflow/blob/master/third_party/xla/third_party/tsl/tsl/platform/ctstring_internal.h"""

# DataType of TensorFlow's types.proto -> NumPy's name
_NUMPY_NAMES = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    8: "complex64",
    9: "int64",
    10: "bool",
    11: "int8",
    12: "uint8",
    13: "int32",
    15: "int16",
    16: "uint16",
    17: "uint16",
    18: "complex128",
    19: "float16",
    22: "uint32",
    23: "uint64",
}
_BFLOAT16 = 14
_NUMBERS = {np.dtype(name).num: number for number, name in reversed(_NUMPY_NAMES.items())}


def to_native(array: Array) -> tuple[int, object]:
    """A tensor with the array's values, to be deleted by TF_DeleteTensor, and what must live as long as it does.

    Args:
        array: `[any shape]`; an object array is one of bytes, a tensor of strings.

    Raises:
        UnimplementedError: a dtype that TensorFlow does not have.
    """
    library, shape = load_library(), _dimensions(array.shape)
    if array.dtype == np.object_:
        return _to_native_strings(array, library, shape)
    number = _NUMBERS.get(array.dtype.num) or _find_number(array.dtype)
    tensor = library.TF_AllocateTensor(number, shape, array.ndim, array.nbytes)
    # copying a little twice is quicker than asking NumPy for an address
    if array.nbytes < _LITTLE_BYTES:
        library.memmove(library.TF_TensorData(tensor), array.tobytes(), array.nbytes)
    else:
        whole = np.ascontiguousarray(array)  # which must live until it is copied
        library.memmove(library.TF_TensorData(tensor), whole.ctypes.data, array.nbytes)
    return tensor, None


def _to_native_strings(array: Array, library: Any, shape: Any) -> tuple[int, object]:
    texts: list[bytes] = array.reshape(-1).tolist()
    joined = b"".join(texts)
    place = ctypes.cast(ctypes.c_char_p(joined), ctypes.c_void_p).value or 0
    views: list[int] = []
    for text in texts:
        views += (len(text) << 2 | _VIEW, place, 0)
        place += len(text)
    packed = struct.pack(f"{len(views)}Q", *views)
    tensor = library.TF_AllocateTensor(STRING, shape, array.ndim, len(packed))
    library.memmove(library.TF_TensorData(tensor), packed, len(packed))
    return tensor, joined


def _find_number(dtype: np.dtype[Any]) -> int:
    if dtype.name == "bfloat16":  # NumPy knows it only once ml_dtypes is imported
        return _BFLOAT16
    raise UnimplementedError(f"Values of type {dtype.name} cannot be fed")


def from_native(tensor: int) -> Array:
    """The values of a tensor, copied.

    Raises:
        UnimplementedError: a dtype that NumPy does not have (resource, variant).
    """
    library = load_library()
    shape = tuple(library.TF_Dim(tensor, axis) for axis in range(library.TF_NumDims(tensor)))
    number, start = library.TF_TensorType(tensor), library.TF_TensorData(tensor)
    if number == STRING:
        return _from_native_strings(start, shape, library)
    array = np.empty(shape, _numpy_dtype(number))
    library.memmove(array.ctypes.data, start, array.nbytes)
    return array


def _from_native_strings(start: int, shape: tuple[int, ...], library: Any) -> Array:
    array = np.empty(shape, np.object_)
    flat = array.reshape(-1)
    for index in range(flat.size):
        text = start + index * _STRING_BYTES
        flat[index] = ctypes.string_at(library.TF_StringGetDataPointer(text), library.TF_StringGetSize(text))
    return flat.reshape(shape)


@lru_cache(maxsize=1024)
def _dimensions(shape: tuple[int, ...]) -> Any:
    return (ctypes.c_int64 * len(shape))(*shape)


@cache
def _numpy_dtype(number: int) -> np.dtype[Any]:
    if number == _BFLOAT16:
        import ml_dtypes

        bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    if number not in _NUMPY_NAMES:
        raise UnimplementedError(f"Tensors of TensorFlow's type {number} cannot be answered with")
    return np.dtype(_NUMPY_NAMES[number])
