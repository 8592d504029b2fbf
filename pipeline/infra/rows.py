"""Examples as a client sends them: plain values for JSON, or serialized tf.Examples."""

from collections.abc import Container
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def plain_rows(examples: "pa.RecordBatch | pa.Table", lists: Container[str]) -> list[dict[str, Any]]:
    """Return examples (a list of values in each column) as plain values; missing ones are left out.

    Args:
        examples: the columns.
        lists: the columns that stay lists.
    """
    rows = examples.to_pylist()
    return [
        {name: plain if name in lists else plain[0] for name, value in row.items() if (plain := _plain(value))}
        for row in rows
    ]


def _plain(values: list[Any] | None) -> list[Any]:
    """Return text for bytes, and numbers as short as they tell a float32 from all others."""
    import numpy as np

    return [
        each.decode() if isinstance(each, bytes) else float(str(np.float32(each))) if isinstance(each, float) else each
        for each in values or ()
    ]


def serialized(examples: "pa.RecordBatch") -> list[bytes]:
    """Return each row as a serialized tf.Example."""
    from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

    encoded: list[bytes] = RecordBatchToExamplesEncoder().encode(examples)
    return encoded
