"""Arrays to TensorFlow's tensors in memory and back, by its C API."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from serving.errors import UnimplementedError
from serving.server.library import load_library
from serving.server.native import from_native, to_native

pytestmark = pytest.mark.tensorflow

NUMBERS = ["float16", "float32", "float64", "complex64", "complex128", "bool"]
NUMBERS += [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]


def round_trip(array):
    tensor, kept = to_native(array)
    try:
        return from_native(tensor)
    finally:
        load_library().TF_DeleteTensor(tensor)
        del kept


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(NUMBERS).flatmap(
        lambda name: hnp.arrays(np.dtype(name), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    )
)
def test_numbers_come_back(array):
    found = round_trip(array)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(found, array)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.binary(max_size=60), max_size=5), st.booleans())
def test_texts_of_any_bytes_come_back(texts, is_matrix):
    array = np.array([*texts, None], object)[:-1]
    array = array.reshape(1, -1) if is_matrix else array
    found = round_trip(array)
    assert (found.dtype, found.shape, found.tolist()) == (np.dtype(object), array.shape, array.tolist())


def test_bfloat16_large_and_sliced_arrays_come_back():
    for array in (
        np.array([1.5, -2], ml_dtypes.bfloat16),
        np.arange(100_000, dtype=np.float64).reshape(-1, 2)[::3, 1],
        np.array(3.0, np.float32),
    ):
        found = round_trip(array)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("array", [np.zeros(1, "datetime64[s]"), np.zeros(1, "U3"), np.zeros(1, np.longdouble)])
def test_what_tensorflow_does_not_have_is_refused(array):
    with pytest.raises(UnimplementedError, match=re.escape(f"Values of type {array.dtype.name} cannot be fed")):
        to_native(array)


def test_texts_point_to_their_bytes_as_tensorflow_reads_them():
    library, texts = load_library(), [b"longer than what fits into a TF_TString itself", b""]
    tensor, kept = to_native(np.array(texts, object))
    start = library.TF_TensorData(tensor)
    for index, text in enumerate(texts):
        place = start + 24 * index
        assert library.TF_StringGetSize(place) == len(text)
        assert ctypes.string_at(library.TF_StringGetDataPointer(place), len(text)) == text
    library.TF_DeleteTensor(tensor)
    del kept


def test_a_server_that_has_answered_has_neither_tensorflow_nor_keras(saved_model):
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "import serving.server.run, serving.server.grpc_server\n"
        "from serving.server.model import load\n"
        f"model = load(1, Path({str(saved_model)!r}))\n"
        "print(model.run('matrix', {'x': np.ones((1, 2), np.float32)})['probabilities'].shape)\n"
        "print(sorted({'tensorflow', 'keras', 'tf_keras', 'tfx', 'apache_beam', 'pandas'} & set(sys.modules)))\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["(1, 1)", "[]"]
