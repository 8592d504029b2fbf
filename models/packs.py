"""Columns side by side in one matrix a dtype: a row is gathered in one go, and no column is held twice."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    from models.dataset import Columns

    Array = np.ndarray[Any, Any]

ALIGNMENT = 64
"""Bytes; TensorFlow reads a matrix where it lies if it begins at a multiple of them, and copies it if not."""


class Pack(NamedTuple):
    """Columns of one dtype.

    Attributes:
        matrix: `[rows, widths together]`.
        shapes: by column, in the order in which they stand, without the rows.
    """

    matrix: "Array"
    shapes: dict[str, tuple[int, ...]]


class Packed(dict[str, "Array"]):
    """Columns `{name: [rows, ...]}` that are views of `packs`: what is written to one is in its matrix."""

    def __init__(self, packs: list[Pack]) -> None:
        super().__init__()
        self.packs = packs
        for matrix, shapes in packs:
            place = 0
            for name, shape in shapes.items():
                width = math.prod(shape)
                self[name] = matrix[:, place : place + width].reshape(len(matrix), *shape)
                place += width


def pack(batches: "Iterable[Columns]", rows: int) -> Packed:
    """Return the columns of all batches, at least one.

    Raises:
        ValueError: they have more or fewer rows than `rows` together.
    """
    remaining = iter(batches)
    batch, done = next(remaining), 0
    packed = Packed(_room(batch, rows))
    while batch:
        count = len(next(iter(batch.values())))
        for name, column in batch.items():
            packed[name][done : done + count] = column
        done += count
        batch = next(remaining, {})
    if done != rows:
        msg = f"expected {rows} rows in all batches, received {done}"
        raise ValueError(msg)
    return packed


def _room(batch: "Columns", rows: int) -> list[Pack]:
    """Return packs of `rows` rows for columns like those of `batch`, with nothing in them yet."""
    groups: dict[Any, dict[str, tuple[int, ...]]] = {}
    for name, column in batch.items():
        groups.setdefault(column.dtype, {})[name] = column.shape[1:]
    return [
        Pack(_aligned(rows, sum(map(math.prod, shapes.values())), dtype), shapes) for dtype, shapes in groups.items()
    ]


def _aligned(rows: int, width: int, dtype: "np.dtype[Any]") -> "Array":
    """Return an empty `[rows, width]` matrix that begins at a multiple of ALIGNMENT."""
    import numpy as np

    size = rows * width * dtype.itemsize
    memory = np.empty(size + ALIGNMENT, "uint8")
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(rows, width)
