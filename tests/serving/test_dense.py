"""JSON values to arrays: whole columns and the check value by value must agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.errors import InvalidArgumentError
from serving.server import dense

LEAVES = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=3)
VALUES = st.recursive(LEAVES | st.just({"b64": "YQ"}) | st.just({}), lambda inner: st.lists(inner, max_size=3))
DTYPES = st.sampled_from(["float", "double", "int8", "int32", "int64", "uint32", "uint64", "bool", "string"])


@settings(max_examples=50)
@given(VALUES, DTYPES)
def test_converts_exactly_what_the_check_takes(value, dtype):
    try:
        shape = dense.check(value, dtype)
    except InvalidArgumentError as error:
        with pytest.raises(InvalidArgumentError) as raised:
            dense.convert(value, dtype)
        assert raised.value.message == error.message
    else:
        assert dense.convert(value, dtype).shape == shape


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("float", np.float32), ("double", np.float64), ("int8", np.int8), ("uint64", np.uint64), ("bool", np.bool_)],
)
def test_array_has_the_dtype(dtype, expected):
    assert dense.convert([dtype == "bool"] if dtype == "bool" else [1], dtype).dtype == expected


def test_too_large_for_float32_is_infinity_without_a_warning():
    # the warnings of a test are errors
    assert dense.convert([3.4028235677973366e38, -1e300, 1.5], "float").tolist() == [np.inf, -np.inf, 1.5]


def test_strings_are_object_arrays_of_bytes():
    array = dense.convert(["é", {"b64": "AP8="}], "string")
    assert (array.dtype, array.tolist()) == (np.object_, ["é".encode(), b"\x00\xff"])


def test_rows_are_stacked():
    fitted = dense.fit_rows([[1, 2], [3, 4]], "int32")
    np.testing.assert_array_equal(fitted, np.array([[1, 2], [3, 4]], np.int32))


def test_more_levels_than_numpy_has_dimensions():
    value = 1
    for _ in range(40):
        value = [value]
    with pytest.raises(InvalidArgumentError, match="deeper than 32 levels"):
        dense.convert(value, "float")
