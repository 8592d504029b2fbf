"""Values of rows to what an input takes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from serving.artifact import TensorSpec
from serving.coercion import coerce, pad
from serving.errors import InvalidArgumentError


def spec(dtype, shape=(-1,)):
    return TensorSpec("x:0", dtype, shape)


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        ("float", True, 1),
        ("float", 3, 3),
        ("double", 2.5, 2.5),
        ("float", " 1e3 ", 1000.0),
        ("float", "-inf", -math.inf),
        ("float", np.float32(0.5), 0.5),
        ("float", [1, "2"], [1, 2.0]),
        ("int64", False, 0),
        ("int64", 3.0, 3),
        ("int64", "3.0", 3),
        ("int64", "9007199254740993", 9007199254740993),
        ("int32", "-7", -7),
        ("int32", np.int64(7), 7),
        ("string", True, "true"),
        ("string", False, "false"),
        ("string", 5, "5"),
        ("string", 5.5, "5.5"),
        ("string", "é", "é"),
        ("string", " ", " "),
        ("string", b"\xff", {"b64": "/w=="}),
        ("string", None, ""),
        ("string", math.nan, ""),
        ("bool", "TRUE", True),
        ("bool", 0, False),
        ("bool", np.bool_(True), True),
    ],
)
def test_coerces(dtype, value, expected):
    coerced = coerce(value, spec(dtype))
    assert (coerced, type(coerced)) == (expected, type(expected))


@pytest.mark.parametrize("value", [None, "", "  ", math.nan, "nan"])
def test_missing_float_is_nan(value):
    assert math.isnan(coerce(value, spec("float")))


def test_missing_value_has_the_shape_of_a_row():
    assert coerce(None, spec("string", (-1, 2, 1))) == [[""], [""]]


@pytest.mark.parametrize(
    ("dtype", "value", "message"),
    [
        ("float", "abc", "expected a number, got 'abc'"),
        ("float", "1_000", "expected a number, got '1_000'"),
        ("float", b"1", "expected a number, got b'1'"),
        ("int64", 1.5, "expected an integer, got 1.5"),
        ("int64", math.inf, "expected an integer, got inf"),
        ("int64", "x", "expected a number, got 'x'"),
        ("int64", None, "no value, and an input of type int64 has no marker for a missing one"),
        ("int64", "", "no value, and an input of type int64 has no marker for a missing one"),
        ("bool", "maybe", "expected true or false, got 'maybe'"),
        ("string", {}, "expected text, got {}"),
    ],
)
def test_refuses(dtype, value, message):
    with pytest.raises(InvalidArgumentError) as raised:
        coerce(value, spec(dtype))
    assert raised.value.message == message


@pytest.mark.parametrize("shape", [(-1, -1, -1), (-1, 2, -1)])
def test_missing_value_of_no_fixed_size(shape):
    with pytest.raises(InvalidArgumentError, match="no fixed size"):
        coerce(None, spec("float", shape))


LIST = (-1, -1)


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        ("float", [1, "2", True], [1, 2.0, 1]),
        ("float", (1, 2), [1, 2]),
        ("float", np.float32([0.5, 2]), [0.5, 2.0]),
        ("float", "[1, 2.5]", [1, 2.5]),
        ("float", [1, None, 2], [1, 2]),
        ("double", [None], []),
        ("float", None, []),
        ("float", math.nan, []),
        ("float", "  ", []),
        ("string", ["a", None, ""], ["a", ""]),
        ("string", '["a", 5]', ["a", "5"]),
        ("string", [b"\xff"], [{"b64": "/w=="}]),
        ("int64", [3.0, "4"], [3, 4]),
    ],
)
def test_coerces_lists(dtype, value, expected):
    assert coerce(value, spec(dtype, LIST)) == expected


def test_a_number_that_is_none_stays_in_its_list():
    np.testing.assert_equal(coerce([1, math.nan, 2], spec("float", LIST)), [1, math.nan, 2])


@pytest.mark.parametrize(
    ("dtype", "value", "message"),
    [
        ("float", 3, "expected a list, got 3"),
        ("float", "3", "expected a list, got '3'"),
        ("string", "a b", "expected a list, got 'a b'"),
        ("string", {"a": 1}, "expected a list, got {'a': 1}"),
        ("float", [1, "x"], "expected a number, got 'x'"),
    ],
)
def test_refuses_what_is_no_list(dtype, value, message):
    with pytest.raises(InvalidArgumentError) as raised:
        coerce(value, spec(dtype, LIST))
    assert raised.value.message == message


def test_lists_are_padded_to_the_longest_of_their_input():
    inputs = {"x": spec("float", LIST), "words": spec("string", LIST), "y": spec("float")}
    rows = [{"x": [1, 2], "words": [], "y": 1}, {"x": [], "words": [], "y": 2}, {"x": [3], "words": ["a"], "y": 3}]
    padded = pad(rows, inputs)
    np.testing.assert_equal([row["x"] for row in padded], [[1, 2], [math.nan] * 2, [3, math.nan]])
    assert [row["words"] for row in padded] == [[""], [""], ["a"]]
    assert [row["y"] for row in padded] == [1, 2, 3]
    assert rows[1]["x"] == []


def test_lists_that_are_all_empty_have_a_shape():
    (row,) = pad([{"x": []}], {"x": spec("float", LIST)})
    np.testing.assert_equal(row, {"x": [math.nan]})


def test_lists_of_a_type_without_a_marker_must_be_equally_long():
    inputs = {"x": spec("int64", LIST)}
    assert pad([{"x": [1, 2]}, {"x": [3, 4]}], inputs) == [{"x": [1, 2]}, {"x": [3, 4]}]
    with pytest.raises(InvalidArgumentError, match="an input of type int64 has no marker"):
        pad([{"x": [1, 2]}, {"x": [3]}], inputs)


def test_padding_no_rows():
    assert pad([], {"x": spec("float", LIST)}) == []
