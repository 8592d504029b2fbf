"""Raw columns inside the graphs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.raw import (
    MISSING,
    MISSING_INT,
    RawType,
    fit,
    from_request,
    is_missing,
    request_dtype,
    tensor_dtype,
    to_number,
    to_text,
)

pytestmark = pytest.mark.tensorflow

NAN = math.nan


def tensor(values: list[Any], dtype: str) -> Any:
    import tensorflow as tf

    return tf.constant(values, dtype)


@pytest.mark.parametrize("raw_type", ["bytes", "int", "float"])
def test_a_missing_value_travels_from_request_to_text_and_number(raw_type: Any) -> None:
    sent = {"bytes": b"", "int": NAN, "float": NAN}[raw_type]
    column = from_request(tensor([sent], request_dtype(raw_type).name))
    assert column.dtype == tensor_dtype(raw_type)
    np.testing.assert_equal(column.numpy().tolist(), [MISSING[raw_type]])
    assert is_missing(column).numpy().tolist() == [True]
    assert to_text(column).numpy().tolist() == [b""]
    assert np.isnan(to_number(column).numpy()).tolist() == [True]


def test_whole_numbers_are_exact_up_to_two_to_the_53() -> None:
    numbers = [0.0, -1.0, 2.0**53, -(2.0**53), NAN]
    expected = [0, -1, 2**53, -(2**53), MISSING_INT]
    assert from_request(tensor(numbers, "float64")).numpy().tolist() == expected


def test_numbers_beyond_int64_are_missing() -> None:
    assert from_request(tensor([1e300, math.inf, -math.inf], "float64")).numpy().tolist() == [MISSING_INT] * 3


def test_infinite_numbers_are_missing() -> None:
    column = tensor([1.0, math.inf, -math.inf], "float32")
    assert is_missing(column).numpy().tolist() == [False, True, True]
    np.testing.assert_array_equal(to_number(column), [1.0, NAN, NAN])


def test_text_and_floats_pass_a_request_unchanged() -> None:
    assert from_request(tensor(["a", ""], "string")).numpy().tolist() == [b"a", b""]
    np.testing.assert_array_equal(from_request(tensor([1.5, NAN], "float32")), np.float32([1.5, NAN]))


TEXTS = {
    "1": 1.0, " -2.5\n": -2.5, "1e3": 1000.0, "+.5": 0.5, "3.": 3.0, "1e-99": 0.0,
    "": NAN, " ": NAN, "abc": NAN, "1,000": NAN, "0x10": NAN, "nan": NAN, "inf": NAN, "1e99": NAN,
    "-1e999": NAN, "1 2": NAN, "٣": NAN,
}  # fmt: skip


def test_text_becomes_the_number_it_spells() -> None:
    np.testing.assert_array_equal(to_number(tensor(list(TEXTS), "string")), np.float32(list(TEXTS.values())))


def test_bytes_that_are_no_utf8_are_no_number() -> None:
    assert np.isnan(to_number(tensor([b"\xff\xfe"], "string")).numpy()).all()


def test_whole_numbers_become_the_text_that_spells_them() -> None:
    column = tensor([0, -7, 2**62, MISSING_INT], "int64")
    assert to_text(column).numpy().tolist() == [b"0", b"-7", str(2**62).encode(), b""]


@settings(max_examples=30)
@given(st.lists(st.floats(width=32), min_size=1))
def test_a_number_and_its_text_are_the_same_number(values: list[float]) -> None:
    texts = to_number(tensor([repr(value) for value in values], "string"))
    np.testing.assert_array_equal(texts, to_number(tensor(values, "float32")))


VALUES: dict[RawType, list[Any]] = {"bytes": [b"a", b"b"], "int": [5, -1], "float": [0.5, 0.0]}


def last(row: list[Any], length: int, marker: Any) -> list[Any]:
    """The last `length` values of a padded row, padded."""
    present = list(row)
    while present and (present[-1] == marker or present[-1] != present[-1]):
        present.pop()
    kept = present[-length:]
    return kept + [marker] * (length - len(kept))


@settings(max_examples=60)
@given(st.data(), st.sampled_from(list(VALUES)), st.integers(0, 5), st.integers(0, 4), st.integers(1, 6))
def test_fit_keeps_the_last_values_and_pads_at_the_end(
    data: Any, raw_type: RawType, width: int, rows: int, length: int
) -> None:
    marker = MISSING[raw_type]
    value = st.sampled_from([*VALUES[raw_type], marker])
    column = data.draw(st.lists(st.lists(value, min_size=width, max_size=width), min_size=rows, max_size=rows))
    import tensorflow as tf

    fitted = fit(tf.constant(column, tensor_dtype(raw_type), [rows, width]), length)
    assert (fitted.dtype, fitted.shape) == (tensor_dtype(raw_type), (rows, length))
    np.testing.assert_equal(fitted.numpy().tolist(), [last(row, length, marker) for row in column])


def test_fit_knows_its_length_in_a_graph() -> None:
    import tensorflow as tf

    traced = tf.function(lambda column: fit(column, 3)).get_concrete_function(tf.TensorSpec([None, None], tf.int64))
    assert traced.structured_outputs.shape.as_list() == [None, 3]
    assert traced(tf.zeros([0, 0], tf.int64)).shape == (0, 3)
    assert traced(tf.zeros([2, 0], tf.int64)).numpy().tolist() == [[MISSING_INT] * 3] * 2
