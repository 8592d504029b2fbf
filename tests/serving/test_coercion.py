"""Values of rows to what an input takes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from serving.artifact import TensorSpec
from serving.coercion import coerce
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


def test_missing_value_of_no_fixed_size():
    with pytest.raises(InvalidArgumentError, match="no fixed size"):
        coerce(None, spec("float", (-1, -1)))
