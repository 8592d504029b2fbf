"""Values of rows to what an input takes."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.artifact import TensorSpec
from serving.coercion import coerce, coerce_plain, pad
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


def test_lists_are_padded_to_the_longest():
    lists = [[1, 2], [], [3]]
    np.testing.assert_equal(pad(lists, spec("float", LIST)), [[1, 2], [math.nan] * 2, [3, math.nan]])
    assert pad([[], [], ["a"]], spec("string", LIST)) == [[""], [""], ["a"]]
    assert lists == [[1, 2], [], [3]]


def test_what_is_no_list_of_any_length_stays_as_it_is():
    assert pad([1, 2], spec("float")) == [1, 2]


def test_lists_that_are_all_empty_have_a_shape():
    np.testing.assert_equal(pad([[]], spec("float", LIST)), [[math.nan]])


def test_lists_of_a_type_without_a_marker_must_be_equally_long():
    assert pad([[1, 2], [3, 4]], spec("int64", LIST)) == [[1, 2], [3, 4]]
    with pytest.raises(InvalidArgumentError, match="an input of type int64 has no marker"):
        pad([[1, 2], [3]], spec("int64", LIST))


def test_padding_no_rows():
    assert pad([], spec("float", LIST)) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (date(2024, 2, 29), "2024-02-29"),
        (datetime(2024, 1, 1, 5), "2024-01-01T05:00:00Z"),
        (datetime(2024, 1, 1, 5, tzinfo=timezone(timedelta(hours=2))), "2024-01-01T03:00:00Z"),
    ],
)
def test_moments_are_iso_8601_in_utc(value, text):
    assert coerce(value, spec("string")) == text


PLAIN = (
    st.none() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(["1", "1_0", " 2", "nan", "-1e3"])
)


@given(st.lists(PLAIN, max_size=4), st.sampled_from(["float", "double", "int64", "string", "bool"]))
def test_a_column_at_once_is_as_each_of_its_values(values, dtype):
    column = coerce_plain(values, spec(dtype))
    if column is not None:
        np.testing.assert_equal(column, [coerce(value, spec(dtype)) for value in values])


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([1, 2.5, None], "float"), (["1", "", None], "double"), (["a", None], "string"), ([1, 2], "int64")],
)
def test_common_columns_need_no_look_at_each_value(values, dtype):
    assert coerce_plain(values, spec(dtype)) is not None
