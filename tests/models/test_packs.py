"""Columns in matrices of one dtype each."""

from __future__ import annotations

import numpy as np
import pytest

from models.packs import ALIGNMENT, pack

BATCHES = [
    {"x": np.float32([1, 2]), "id": np.array([7, 8]), "wide": np.arange(8, dtype="float32").reshape(2, 2, 2)},
    {"x": np.float32([3]), "id": np.array([9]), "wide": np.arange(8, 12, dtype="float32").reshape(1, 2, 2)},
]


def test_columns_of_a_dtype_share_a_matrix() -> None:
    packed = pack(BATCHES, 3)
    floats, ids = packed.packs
    assert floats.shapes == {"x": (), "wide": (2, 2)}
    assert floats.matrix.tolist() == [[1, 0, 1, 2, 3], [2, 4, 5, 6, 7], [3, 8, 9, 10, 11]]
    assert ids.matrix.tolist() == [[7], [8], [9]]
    assert packed["wide"].shape == (3, 2, 2)
    assert packed["x"].tolist() == [1, 2, 3]
    assert all(each.matrix.ctypes.data % ALIGNMENT == 0 for each in packed.packs)


def test_columns_are_views() -> None:
    packed = pack(BATCHES, 3)
    packed["wide"][1, 0, 1] = 50
    assert packed.packs[0].matrix[1, 2] == 50


@pytest.mark.parametrize("rows", [2, 4])
def test_the_batches_have_all_rows(rows: int) -> None:
    with pytest.raises(ValueError, match=f"expected {rows} rows in all batches, received 3"):
        pack(BATCHES, rows)


@pytest.mark.tensorflow
def test_batches_read_the_matrix_where_it_lies() -> None:
    from models.fit.feed import in_order

    packed = pack(BATCHES, 3)
    batches = in_order(packed, "id", 3)
    packed["x"][:] = 40  # a copy would not see it
    ((features, label),) = batches
    assert features["x"].numpy().tolist() == [40, 40, 40]
    assert label.numpy().tolist() == [7, 8, 9]
