"""Columns of lists to one value per row."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.dataset import dense_batches, to_dense, to_matrix
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


@pytest.mark.parametrize("container", [pa.list_, pa.large_list])
@pytest.mark.parametrize(("raw_type", "value", "marker"), VALUES)
def test_to_matrix_keeps_the_last_values_and_pads_at_the_end(
    raw_type: RawType, value: object, marker: object, container: type
) -> None:
    rows = [[value], None, [], [value, None], [None, value, value], [None, value, None, value]]
    matrix = to_matrix(pa.array(rows, container(TYPES[raw_type])), raw_type, 2)
    gone = [marker, marker]
    expected = [[value, marker], gone, gone, [value, marker], [value, value], [marker, value]]
    np.testing.assert_equal(matrix.tolist(), expected)
    assert matrix.dtype == {"bytes": object, "int": np.int64, "float": np.float32}[raw_type]


@pytest.mark.parametrize(("raw_type", "value", "marker"), VALUES)
def test_to_matrix_of_no_values_and_no_rows(raw_type: RawType, value: object, marker: object) -> None:
    column = pa.array([None, [], None], pa.large_list(TYPES[raw_type]))
    np.testing.assert_equal(to_matrix(column, raw_type, 2).tolist(), [[marker, marker]] * 3)
    assert to_matrix(column.slice(0, 0), raw_type, 2).shape == (0, 2)
    assert to_matrix(pa.array([], pa.large_list(TYPES[raw_type])), raw_type, 2).shape == (0, 2)


@given(
    st.lists(st.one_of(st.none(), st.lists(st.integers(-5, 5), max_size=5))),
    st.integers(0, 10),
    st.integers(0, 10),
    st.integers(1, 6),
)
def test_to_matrix_of_a_slice(rows: list[list[int] | None], start: int, count: int, length: int) -> None:
    column = pa.array(rows, pa.large_list(pa.int64())).slice(start, count)
    kept = [(row or [])[-length:] for row in rows[start : start + count]]
    assert to_matrix(column, "int", length).tolist() == [row + [MISSING_INT] * (length - len(row)) for row in kept]


def test_values_below_a_null_row_do_not_count() -> None:
    offsets, values = pa.array([0, 2, 3], pa.int64()), pa.array([1, 2, 3])
    column = pa.LargeListArray.from_arrays(offsets, values, mask=pa.array([True, False]))
    assert to_matrix(column, "int", 2).tolist() == [[MISSING_INT] * 2, [3, MISSING_INT]]


def test_batches_have_lists_and_single_values(tmp_path: Path) -> None:
    table = pa.table(
        {
            "x": pa.array([[1.0], None], pa.large_list(pa.float32())),
            "steps": pa.array([[1, 2, 3], [4]], pa.large_list(pa.int64())),
        }
    )
    pq.write_table(table, tmp_path / "examples.parquet")
    (batch,) = dense_batches([tmp_path / "examples.parquet"], {"steps": "int", "x": "float"}, {"steps": 2})
    np.testing.assert_equal(batch["x"], np.float32([1, math.nan]))
    np.testing.assert_equal(batch["steps"], [[2, 3], [4, MISSING_INT]])
