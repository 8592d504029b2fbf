"""Load SavedModels with TensorFlow's C++ loader, the one that TensorFlow Serving uses, through the C API.

python -I cpp_loader.py < REQUEST.json     Python's tensorflow is never imported: its libraries are enough

    [{"folder": "...", "inputs": {"tensor:0": [dtype, values, shape]}, "outputs": ["tensor:0"]}]

A dtype is its number in TensorFlow's types.proto; values are flat. Prints, for each run, the outputs by tensor as
flat lists, or the message of TensorFlow's error. A process of its own, since the libraries can't be loaded twice.

C API: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/c/c_api.h, strings: tf_tstring.h.
"""

from __future__ import annotations

import ctypes
import json
import math
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

STRING = 7
STRING_BYTES = 24
NUMBERS = {1: ctypes.c_float, 2: ctypes.c_double, 3: ctypes.c_int32, 9: ctypes.c_int64}

pointer, size, integer = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int


class Output(ctypes.Structure):
    """TF_Output: the tensor that an operation gives at `index`."""

    _fields_ = (("operation", pointer), ("index", integer))


# function: what it returns, what it takes
FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "TF_NewStatus": (pointer, []),
    "TF_GetCode": (integer, [pointer]),
    "TF_Message": (ctypes.c_char_p, [pointer]),
    "TF_NewGraph": (pointer, []),
    "TF_NewSessionOptions": (pointer, []),
    "TF_LoadSessionFromSavedModel": (
        pointer,
        [pointer, pointer, ctypes.c_char_p, pointer, integer, pointer, pointer, pointer],
    ),
    "TF_GraphOperationByName": (pointer, [pointer, ctypes.c_char_p]),
    "TF_SessionRun": (
        None,
        [pointer, pointer, pointer, pointer, integer, pointer, pointer, integer, pointer, integer, pointer, pointer],
    ),
    "TF_AllocateTensor": (pointer, [integer, pointer, integer, size]),
    "TF_TensorData": (pointer, [pointer]),
    "TF_TensorType": (integer, [pointer]),
    "TF_NumDims": (integer, [pointer]),
    "TF_Dim": (ctypes.c_int64, [pointer, integer]),
    "TF_StringInit": (None, [pointer]),
    "TF_StringCopy": (None, [pointer, ctypes.c_char_p, size]),
    "TF_StringGetDataPointer": (pointer, [pointer]),
    "TF_StringGetSize": (size, [pointer]),
}


@cache
def library() -> Any:
    """Load TensorFlow's libraries and declare the functions."""
    spec = find_spec("tensorflow")
    assert spec is not None
    folder = Path(str(spec.origin)).parent
    ctypes.CDLL(str(folder / "libtensorflow_framework.so.2"), ctypes.RTLD_GLOBAL)
    loaded = ctypes.CDLL(str(folder / "libtensorflow_cc.so.2"), ctypes.RTLD_GLOBAL)
    for name, (returned, taken) in FUNCTIONS.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = returned, taken
    return loaded


class Status:
    """TF_Status: how a call ended."""

    def __init__(self) -> None:
        self.handle = library().TF_NewStatus()

    def check(self) -> None:
        """Raise TensorFlow's message if the call failed."""
        if library().TF_GetCode(self.handle):
            raise RuntimeError(library().TF_Message(self.handle).decode())


@cache
class Session:
    """A SavedModel in memory, loaded once for each folder."""

    def __init__(self, folder: str) -> None:
        status = Status()
        self._graph = library().TF_NewGraph()
        tags = (ctypes.c_char_p * 1)(b"serve")
        options = library().TF_NewSessionOptions()
        self._session = library().TF_LoadSessionFromSavedModel(
            options, None, folder.encode(), tags, 1, self._graph, None, status.handle
        )
        status.check()

    def run(self, inputs: dict[str, tuple[int, list[Any], list[int]]], outputs: list[str]) -> dict[str, list[Any]]:
        """Return the tensors `outputs` for the tensors `inputs`."""
        status = Status()
        feeds = (Output * len(inputs))(*(self._find(name) for name in inputs))
        fed = (pointer * len(inputs))(*(to_tensor(*given) for given in inputs.values()))
        fetches = (Output * len(outputs))(*(self._find(name) for name in outputs))
        fetched = (pointer * len(outputs))()
        library().TF_SessionRun(
            self._session, None, feeds, fed, len(feeds), fetches, fetched, len(fetches), None, 0, None, status.handle
        )
        status.check()
        return {name: to_list(tensor) for name, tensor in zip(outputs, fetched, strict=True)}

    def _find(self, tensor: str) -> Output:
        operation, index = tensor.split(":")
        found = library().TF_GraphOperationByName(self._graph, operation.encode())
        if not found:
            raise RuntimeError(f"no operation {operation}")
        return Output(found, int(index))


def to_tensor(dtype: int, values: list[Any], sizes: list[int]) -> int:
    """Return a new TF_Tensor of flat values."""
    shape = (ctypes.c_int64 * len(sizes))(*sizes)
    if dtype != STRING:
        content = (NUMBERS[dtype] * len(values))(*values)
        tensor: int = library().TF_AllocateTensor(dtype, shape, len(sizes), ctypes.sizeof(content))
        ctypes.memmove(library().TF_TensorData(tensor), content, ctypes.sizeof(content))
        return tensor
    tensor = library().TF_AllocateTensor(dtype, shape, len(sizes), STRING_BYTES * len(values))
    for index, value in enumerate(values):
        place, text = library().TF_TensorData(tensor) + STRING_BYTES * index, to_bytes(value)
        library().TF_StringInit(place)
        library().TF_StringCopy(place, text, len(text))
    return tensor


def to_bytes(text: str) -> bytes:
    """Return the bytes that JSON carried as text."""
    return text.encode("utf-8", "surrogateescape")


def to_list(tensor: int) -> list[Any]:
    """Return the values of a TF_Tensor, flat; text as str."""
    dims = library().TF_NumDims(tensor)
    count = math.prod(library().TF_Dim(tensor, index) for index in range(dims))
    data, dtype = library().TF_TensorData(tensor), library().TF_TensorType(tensor)
    if dtype != STRING:
        return list((NUMBERS[dtype] * count).from_address(data)) if count else []
    places = [data + STRING_BYTES * index for index in range(count)]
    return [read_text(place) for place in places]


def read_text(place: int) -> str:
    """Return the TF_TString at an address."""
    return ctypes.string_at(library().TF_StringGetDataPointer(place), library().TF_StringGetSize(place)).decode()


def answer(run: dict[str, Any]) -> dict[str, list[Any]] | str:
    """Return the outputs of one run, or what went wrong."""
    try:
        return Session(run["folder"]).run(run["inputs"], run["outputs"])
    except RuntimeError as error:
        return str(error)


if __name__ == "__main__":
    json.dump([answer(run) for run in json.load(sys.stdin)], sys.stdout)
