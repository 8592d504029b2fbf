"""Columns in memory: Parquet examples to dense raw columns, to transformed columns, to batches for Keras."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.raw import MISSING, RawType

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    Columns = dict[str, np.ndarray[Any, Any]]

READ_ROWS = 16_384
"""Rows read and transformed at a time; larger ones bring nothing (docs/adr/0002)."""


def read_batches(files: Sequence[Path], columns: Sequence[str]) -> "Iterator[pa.RecordBatch]":
    """Yield record batches of at most READ_ROWS rows with `columns`, in this order."""
    import pyarrow.parquet as pq

    for file in files:
        for batch in pq.ParquetFile(file).iter_batches(READ_ROWS, columns=list(columns)):
            yield batch.select(list(columns))


def count_rows(files: Sequence[Path]) -> int:
    """Return how many rows the files have together."""
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(file).num_rows for file in files)


def to_dense(column: "pa.Array", raw_type: RawType) -> "pa.Array":
    """Return one value per row for a column of lists (tf.Example's form), with the type's marker where there is none.

    Raises:
        ValueError: a row holds more than one value.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(column), 0)
    if (pc.max(lengths).as_py() or 0) > 1:
        msg = "expected one value per row, received a list of several"
        raise ValueError(msg)
    values = column.flatten()
    if len(values) < len(column):
        present = pc.equal(lengths, 1)
        places = pc.subtract(pc.cumulative_sum(lengths), 1)
        values = values.take(pc.if_else(present, places, pa.scalar(None, places.type)))
    return values.fill_null(pa.scalar(MISSING[raw_type], values.type))


def to_matrix(column: "pa.Array", raw_type: RawType, length: int) -> "np.ndarray[Any, Any]":
    """Return `[rows, length]`: the last `length` values of each row's list, padded at the end with missing ones."""
    import numpy as np

    rows = column.fill_null([]) if column.null_count else column
    offsets = np.asarray(rows.offsets)
    values = rows.values.fill_null(MISSING[raw_type]).to_numpy(zero_copy_only=False)
    counts = np.minimum(np.diff(offsets), length)
    places = (offsets[1:] - counts)[:, None] + np.arange(length)
    present = np.arange(length) < counts[:, None]
    matrix = np.full((len(rows), length), MISSING[raw_type], dtype=values.dtype)
    matrix[present] = values[places[present]]
    return matrix


def to_column(values: "np.ndarray[Any, Any]") -> "pa.Array":
    """Return `[rows]` as a column of values, `[rows, ...]` as one of flat lists; objects are texts."""
    import math

    import numpy as np
    import pyarrow as pa

    flat = pa.array(values.ravel(), pa.string() if values.dtype == object else None)
    if values.ndim == 1:
        return flat
    length = math.prod(values.shape[1:])
    return pa.ListArray.from_arrays(np.arange(0, len(flat) + 1, length, dtype="int32"), flat)


def dense_batches(files: Sequence[Path], types: dict[str, RawType], lengths: dict[str, int]) -> "Iterator[Columns]":
    """Yield `{name: [rows]}` with float32, int64 or object (bytes) arrays, missing values as their markers.

    Columns with a length are lists: `[rows, length]`.
    """
    for batch in read_batches(files, list(types)):
        yield dense(batch, types, lengths)


def dense(batch: "pa.RecordBatch", types: dict[str, RawType], lengths: dict[str, int]) -> "Columns":
    """Return one record batch as dense_batches yields it."""
    return {
        name: to_matrix(batch.column(name), raw_type, lengths[name])
        if name in lengths
        else to_dense(batch.column(name), raw_type).to_numpy(zero_copy_only=False)
        for name, raw_type in types.items()
    }


def sample(files: Sequence[Path], columns: Sequence[str], count: int) -> "pa.RecordBatch":
    """Return `count` rows (all, if there are fewer) of the files with `columns`, at even distances."""
    import numpy as np

    total = count_rows(files)
    return take(files, columns, np.linspace(0, total - 1, min(count, total)).astype("int64"))


def take(files: Sequence[Path], columns: Sequence[str], places: "np.ndarray[Any, Any]") -> "pa.RecordBatch":
    """Return the rows at `places` `[rows] int64`, counted over all files, with `columns`."""
    from pyarrow.dataset import dataset

    found = dataset([str(file) for file in files], format="parquet")
    (batch,) = found.take(places, columns=list(columns)).combine_chunks().to_batches()
    return batch


def concatenate(batches: "Iterable[Columns]") -> "Columns":
    """Return the batches' columns as whole columns; a column of the batches goes when its whole one is there."""
    import numpy as np

    parts = [dict(batch) for batch in batches]
    return {name: np.concatenate([part.pop(name) for part in parts]) for name in list(parts[0])}
