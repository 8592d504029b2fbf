"""Examples as a client sends them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.requests import plain_rows, serialized

BATCH = pa.RecordBatch.from_pydict(
    {
        "mass": pa.array([[0.1], None], pa.large_list(pa.float32())),
        "name": pa.array([["Größe".encode()], [b"b"]], pa.large_list(pa.large_binary())),
        "age": pa.array([[2**53], [7]], pa.large_list(pa.int64())),
        "sales": pa.array([[1.5, 2.5], []], pa.large_list(pa.float32())),
    }
)


def test_values_are_plain_and_missing_ones_left_out():
    assert plain_rows(BATCH, {"sales"}) == [
        {"mass": 0.1, "name": "Größe", "age": 2**53, "sales": [1.5, 2.5]},
        {"name": "b", "age": 7},
    ]


def test_short_numbers_are_the_same_float32():
    numbers = np.random.default_rng(1).lognormal(0, 9, 1000).astype("float32")
    batch = pa.RecordBatch.from_pydict({"x": pa.array([[each] for each in numbers], pa.large_list(pa.float32()))})
    assert np.array_equal(np.array([row["x"] for row in plain_rows(batch, ())], "float32"), numbers)


@pytest.mark.tensorflow
def test_a_serialized_example_lacks_what_is_missing():
    import tensorflow as tf

    first, second = (tf.train.Example.FromString(each).features.feature for each in serialized(BATCH))
    assert first["name"].bytes_list.value[:] == ["Größe".encode()]
    assert first["sales"].float_list.value[:] == [1.5, 2.5]
    assert second["age"].int64_list.value[:] == [7]
    assert not second["mass"].float_list.value
