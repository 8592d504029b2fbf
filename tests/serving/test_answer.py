"""Numbers and strings as TensorFlow Serving writes them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import InvalidArgumentError
from serving.server.answer import write_answer, write_floats

# Each text is what printf("%g") or printf("%.9g") gives for the number.
FLOATS32 = {
    "0.0": 0,
    "-0.0": -0.0,
    "1.0": 1,
    "0.2": 0.2,
    "0.333333343": 1 / 3,
    "123456.0": 123456,
    "1234567.0": 1234567,
    "9e+06": 9_000_000,
    "3e-05": 0.00003,
    "16777216.0": 2**24,
    "3.40282347e+38": 3.4028234663852886e38,
    "1.4013e-45": 1e-45,
    "NaN": math.nan,
    "Infinity": math.inf,
    "-Infinity": -math.inf,
}


@pytest.mark.parametrize(("text", "value"), FLOATS32.items())
def test_float32(text, value):
    assert write_floats(np.array([value], np.float32)) == [text]


@pytest.mark.parametrize(
    ("text", "value"), [("0.1", 0.1), ("0.33333333333333331", 1 / 3), ("1e+300", 1e300), ("2.0", 2)]
)
def test_float64(text, value):
    assert write_floats(np.array([value], np.float64)) == [text]


@given(st.lists(st.floats(width=32)))
def test_float32_round_trips(values):
    array = np.array(values, np.float32)
    back = json.loads(write_answer({"y": array}, "columnar"))["outputs"]
    np.testing.assert_array_equal(np.array(back, np.float64).astype(np.float32), array)


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros((0,), np.float32), "[]"),
        (np.zeros((2, 0), np.int32), "[[],[]]"),
        (np.zeros((0, 2), np.int32), "[]"),
        (np.arange(6, dtype=np.int64).reshape(1, 3, 2), "[[[0,1],[2,3],[4,5]]]"),
        (np.array(True), "true"),
        (np.array(b"a\0", object), '"a\\u0000"'),
        (np.array([1.5], np.float16), "[1.5]"),
    ],
)
def test_shapes(array, text):
    assert write_answer({"y": array}, "columnar").decode() == f'{{"outputs":{text}}}'


def test_rows_of_nothing():
    assert write_answer({"y": np.zeros((0, 3), np.float32)}, "row") == b'{"predictions":[]}'


def test_string_that_is_no_utf8_leaves_as_it_is():
    assert write_answer({"y": np.array([b"\xff"], object)}, "row") == b'{"predictions":["\xff"]}'


def test_bytes_only_by_suffix_and_dtype():
    outputs = {"a_bytes": np.array([1], np.int32), "b_bytes": np.array([b"\xff"], object)}
    assert write_answer(outputs, "row") == b'{"predictions":[{"a_bytes":1,"b_bytes":{"b64":"/w=="}}]}'


@pytest.mark.parametrize("outputs", [{}, {"y": np.array([1j])}])
def test_what_json_cannot_carry(outputs):
    with pytest.raises(InvalidArgumentError):
        write_answer(outputs, "columnar")
