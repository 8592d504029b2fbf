"""Columns of lists to one value per row."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.dataset import to_dense
from models.raw import MISSING_INT, RawType

TYPES = {"bytes": pa.binary(), "int": pa.int64(), "float": pa.float32()}
VALUES: list[tuple[RawType, object, object]] = [("bytes", b"x", b""), ("int", 3, MISSING_INT), ("float", 0.5, math.nan)]


def dense(values: list[object], raw_type: RawType, container: type = pa.large_list) -> list[object]:
    return to_dense(pa.array(values, container(TYPES[raw_type])), raw_type).to_pylist()


@pytest.mark.parametrize("container", [pa.list_, pa.large_list])
@pytest.mark.parametrize(("raw_type", "value", "marker"), VALUES)
def test_to_dense_marks_null_lists_empty_lists_and_nulls(
    raw_type: RawType, value: object, marker: object, container: type
) -> None:
    rows = [[value], None, [], [value], [None]]
    np.testing.assert_equal(dense(rows, raw_type, container), [value, marker, marker, value, marker])


@pytest.mark.parametrize(("raw_type", "value", "marker"), VALUES)
def test_to_dense_of_full_absent_and_no_rows(raw_type: RawType, value: object, marker: object) -> None:
    assert dense([[value], [value]], raw_type) == [value, value]
    np.testing.assert_equal(dense([None, None], raw_type), [marker, marker])
    assert dense([], raw_type) == []


@given(st.lists(st.one_of(st.none(), st.integers(-5, 5))), st.integers(0, 10), st.integers(0, 10))
def test_to_dense_of_a_slice_is_the_slice_of_to_dense(values: list[int | None], start: int, length: int) -> None:
    column = pa.array([None if value is None else [value] for value in values], pa.large_list(pa.int64()))
    expected = [MISSING_INT if value is None else value for value in values][start : start + length]
    assert to_dense(column.slice(start, length), "int").to_pylist() == expected


def test_to_dense_refuses_several_values() -> None:
    with pytest.raises(ValueError, match="expected one value per row"):
        dense([[1], [2, 3]], "int")
