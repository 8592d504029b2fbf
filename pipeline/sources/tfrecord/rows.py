"""Records as an Arrow stream of columns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.sources.tfrecord.records import Batch

if TYPE_CHECKING:
    import pyarrow as pa

NOT_WHOLE = "the first records do not have it, or not more than one value of it"
"""What reading fails with where the types do not hold for every record: a value would be lost."""
SQL_TYPES = {"int64": "BIGINT", "float": "FLOAT", "double": "DOUBLE", "large_binary": "VARCHAR"}


Decode = Callable[[Sequence[Path], int | None], Iterator[Batch]]
"""Reads the rows of all files, or those of so many first records."""


class Rows:
    """An Arrow stream of records that starts afresh for everyone who asks for it.

    Its columns: `file`; `line`, the record's number; `column` and `value` of bytes that are no UTF-8; and `v0`, `v1`
    ... for the features, in the order of `types`.
    """

    def __init__(self, decode: Decode, files: Sequence[Path], types: Mapping[str, str], limit: int | None) -> None:
        self._decode = decode
        self._files = files
        self._types = types
        self._limit = limit

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        import pyarrow as pa

        schema = pa.schema(
            [("file", pa.string()), ("line", pa.int64()), ("column", pa.string()), ("value", pa.string())]
            + [(f"v{index}", _arrow_type(each)) for index, each in enumerate(self._types.values())]
        )
        batches = (_columns(each, self._types, schema) for each in self._decode(self._files, self._limit))
        return pa.RecordBatchReader.from_batches(schema, batches).__arrow_c_stream__(requested_schema)


def find_types(decode: Decode, files: Sequence[Path], limit: int | None) -> dict[str, str]:
    """Return DuckDB's type of each feature; one that has no value anywhere is text.

    Raises:
        InputError: a feature of two types, one without a name, or two whose names differ by case only.
    """
    import pyarrow.compute as pc

    found: dict[str, str] = {}
    several: set[str] = set()
    for batch in decode(files, limit):
        for name, column in batch.lists().items():
            sql_type = SQL_TYPES[str(column.type.value_type)]
            if found.get(name) not in {None, "", sql_type}:
                raise _clash(batch, name, found[name], sql_type)
            found[name] = sql_type
            if (pc.max(pc.list_value_length(column)).as_py() or 0) > 1:
                several.add(name)
        found |= {name: "" for name in batch.values.schema.names if name not in found}
    _refuse_names(files[0], found)
    return {name: (found[name] or "VARCHAR") + ("[]" if name in several else "") for name in sorted(found)}


def _refuse_names(file: Path, names: Mapping[str, str]) -> None:
    folded: dict[str, str] = {}
    for name in sorted(names):
        other = folded.setdefault(name.casefold(), name)
        if other != name or not name:
            raise InputError(f"{file}: features {other!r} and {name!r}: expected names that differ by more than case")


def _clash(batch: Batch, name: str, expected: str, received: str) -> InputError:
    return batch.error(name, f"expected {expected} as in the records before, received {received}")


def _arrow_type(sql_type: str) -> "pa.DataType":
    import pyarrow as pa

    numbers = {"BIGINT": pa.int64(), "FLOAT": pa.float32(), "DOUBLE": pa.float64()}
    single = numbers.get(sql_type.removesuffix("[]"), pa.large_string())
    return pa.large_list(single) if sql_type.endswith("[]") else single


def _columns(batch: Batch, types: Mapping[str, str], schema: "pa.Schema") -> "pa.RecordBatch":
    """Return the batch in the stream's columns."""
    import pyarrow as pa

    lists, count = batch.lists(), batch.values.num_rows
    unknown = sorted(lists.keys() - types.keys())
    if unknown:
        raise batch.error(unknown[0], NOT_WHOLE)
    faults: dict[int, tuple[str, str]] = {}
    values = []
    for name, field in zip(types, list(schema)[4:], strict=True):
        array, broken = _values(batch, name, lists.get(name), field.type)
        values.append(array)
        faults = {row: (name, text) for row, text in broken.items()} | faults
    columns, texts = ([faults.get(row, (None, None))[part] for row in range(count)] for part in (0, 1))
    return pa.RecordBatch.from_arrays(
        [
            pa.repeat(str(batch.file), count),
            pa.array(batch.numbers, pa.int64()),
            pa.array(columns, pa.string()),
            pa.array(texts, pa.string()),
            *values,
        ],
        schema=schema,
    )


def _values(
    batch: Batch, name: str, lists: "pa.Array | None", wanted: "pa.DataType"
) -> "tuple[pa.Array, dict[int, str]]":
    """Return a feature's values as `wanted`, and by row what is no UTF-8."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if lists is None:
        return pa.nulls(len(batch.values), wanted), {}
    single = wanted.value_type if pa.types.is_large_list(wanted) else wanted
    if SQL_TYPES[str(lists.type.value_type)] != SQL_TYPES.get(str(single), "VARCHAR"):
        raise _clash(batch, name, SQL_TYPES.get(str(single), "VARCHAR"), SQL_TYPES[str(lists.type.value_type)])
    rows = pc.list_parent_indices(lists).to_numpy()
    flat, broken = _texts(lists.flatten()) if single == pa.large_string() else (lists.flatten(), {})
    faults = {int(rows[index]): text for index, text in broken.items()}
    lengths = np.bincount(rows, minlength=len(lists))
    if single != wanted:
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), flat, mask=lists.is_null()), faults
    if len(lengths) and lengths.max() > 1:
        raise batch.error(name, NOT_WHOLE)
    places = np.zeros(len(lists), np.int64)
    places[rows] = np.arange(len(flat))
    return flat.take(pa.array(places, mask=lengths == 0)), faults


def _texts(values: "pa.Array") -> "tuple[pa.Array, dict[int, str]]":
    """Return bytes as text, and those that are none by their place."""
    import pyarrow as pa

    try:
        return values.cast(pa.large_string()), {}
    except pa.ArrowInvalid:  # which of them, Arrow does not say
        texts = [value.decode("utf-8", "replace") for value in values.to_pylist()]
        broken = {
            index: text
            for index, (text, value) in enumerate(zip(texts, values.to_pylist(), strict=True))
            if text.encode() != value
        }
        return pa.array(texts, pa.large_string()), broken
