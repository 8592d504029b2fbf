"""TensorFlow's C API, called in the libraries of the tensorflow package without importing it.

The API is public and stable: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/c/c_api.h. Its loader is
TensorFlow Serving's. Python's TensorFlow would add seconds to the start and hundreds of MB, and Keras with it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from ctypes import POINTER, Structure, c_char_p, c_int, c_int64, c_size_t, c_void_p
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from serving.errors import InternalError

_SUFFIX = ".2.dylib" if sys.platform == "darwin" else ".so.2"

_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "TF_Version": (c_char_p, []),
    "TF_NewStatus": (c_void_p, []),
    "TF_DeleteStatus": (None, [c_void_p]),
    "TF_GetCode": (c_int, [c_void_p]),
    "TF_Message": (c_char_p, [c_void_p]),
    "TF_NewGraph": (c_void_p, []),
    "TF_DeleteGraph": (None, [c_void_p]),
    "TF_NewSessionOptions": (c_void_p, []),
    "TF_SetConfig": (None, [c_void_p, c_char_p, c_size_t, c_void_p]),
    "TF_DeleteSessionOptions": (None, [c_void_p]),
    "TF_LoadSessionFromSavedModel": (
        c_void_p,
        [c_void_p, c_void_p, c_char_p, POINTER(c_char_p), c_int, c_void_p, c_void_p, c_void_p],
    ),
    "TF_CloseSession": (None, [c_void_p, c_void_p]),
    "TF_DeleteSession": (None, [c_void_p, c_void_p]),
    "TF_SessionRun": (
        None,
        [c_void_p, c_void_p, c_void_p, c_void_p, c_int, c_void_p, c_void_p, c_int, c_void_p, c_int, c_void_p, c_void_p],
    ),
    "TF_GraphOperationByName": (c_void_p, [c_void_p, c_char_p]),
    "TF_OperationNumOutputs": (c_int, [c_void_p]),
    "TF_AllocateTensor": (c_void_p, [c_int, c_void_p, c_int, c_size_t]),
    "TF_DeleteTensor": (None, [c_void_p]),
    "TF_TensorType": (c_int, [c_void_p]),
    "TF_NumDims": (c_int, [c_void_p]),
    "TF_Dim": (c_int64, [c_void_p, c_int]),
    "TF_TensorByteSize": (c_size_t, [c_void_p]),
    "TF_TensorData": (c_void_p, [c_void_p]),
    "TF_StringGetDataPointer": (c_void_p, [c_void_p]),
    "TF_StringGetSize": (c_size_t, [c_void_p]),
}


_SLOW = {"TF_LoadSessionFromSavedModel", "TF_SessionRun", "TF_CloseSession", "TF_DeleteSession", "TF_DeleteGraph"}
"""Those that let other threads run meanwhile. A run makes a hundred quick calls, which would each wait for a turn."""


class Output(Structure):
    """TF_Output: one tensor of a graph."""

    _fields_ = (("operation", c_void_p), ("index", c_int))


@cache
def load_library() -> Any:
    """The C API with the types of its functions, and C's memmove.

    Raises:
        InternalError: the tensorflow package is not installed, or is another one than this was made for.
    """
    spec = find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        raise InternalError("The package tensorflow, whose libraries run the models, is not installed")
    # else it tells of every CPU feature and of each model that it loads
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # whose start of each multiplication costs a fifth of a run that has small ones
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    folder = Path(spec.submodule_search_locations[0])
    try:
        ctypes.CDLL(str(folder / f"libtensorflow_framework{_SUFFIX}"), ctypes.RTLD_GLOBAL)
        file = str(folder / f"libtensorflow_cc{_SUFFIX}")
        slow, quick, library = ctypes.CDLL(file), ctypes.PyDLL(file), SimpleNamespace()
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(slow if name in _SLOW else quick, name)
            function.restype, function.argtypes = result, arguments
            setattr(library, name, function)
        library.memmove = ctypes.PyDLL(None).memmove
        library.memmove.restype, library.memmove.argtypes = c_void_p, [c_void_p, c_void_p, c_size_t]
    except (OSError, AttributeError) as error:
        raise InternalError(f"TensorFlow's libraries in {folder} cannot be used: {error}") from error
    return library
