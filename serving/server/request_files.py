"""Logged requests as files: Parquet with a row for each row, or TFRecord of PredictionLog with a record for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from serving.server.dense import Array
from serving.tfrecord import frame


class Source(NamedTuple):
    """What answered: requests of one source have the same columns."""

    model: str
    version: int
    signature: str


class Entry(NamedTuple):
    """A request that was answered.

    Attributes:
        time_s: when, in seconds since 1970.
        dtypes: TensorFlow's name of the type of each input and output.
    """

    source: Source
    time_s: float
    feeds: Mapping[str, Array]
    outputs: Mapping[str, Array]
    dtypes: tuple[Mapping[str, str], Mapping[str, str]]

    @property
    def rows(self) -> int:
        """How many rows were asked for: 1 of inputs without a first dimension."""
        return next((len(array) for array in self.feeds.values() if array.ndim), 1)

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        return sum(_measure(array) for array in (*self.feeds.values(), *self.outputs.values()))


Write = Callable[[Sequence[Entry], Path], None]


def write_parquet(entries: Sequence[Entry], file: Path) -> None:
    """Write `time`, `model`, `version`, `signature` and a column for each input and output of one source.

    An input or output of a name that is taken is called `input.NAME` or `output.NAME`. Texts that are no UTF-8 make
    a binary column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    source, rows = entries[0].source, [entry.rows for entry in entries]
    moments = np.array([entry.time_s * 1e6 for entry in entries]).astype("datetime64[us]")
    columns: dict[str, Any] = {
        "time": pa.array(np.repeat(moments, rows), pa.timestamp("us", "UTC")),
        "model": pa.array([source.model] * sum(rows)),
        "version": pa.array([source.version] * sum(rows)),
        "signature": pa.array([source.signature] * sum(rows)),
    }
    sides = {"input": [entry.feeds for entry in entries], "output": [entry.outputs for entry in entries]}
    for side, tensors in sides.items():
        for name in tensors[0]:
            values = [_spread(each[name], count) for each, count in zip(tensors, rows, strict=True)]
            columns[f"{side}.{name}" if name in columns else name] = _to_column(values)
    pq.write_table(pa.table(columns), file, compression="zstd")


def write_tfrecord(entries: Sequence[Entry], file: Path) -> None:
    """Write records as `tf.data.TFRecordDataset` and TensorFlow Serving's own request log have them."""
    with file.open("wb") as stream:
        for entry in entries:
            stream.write(frame(_to_log(entry)))


def list_files(folder: Path) -> list[Path]:
    """The finished files of a folder, oldest first."""
    return sorted(each for each in folder.iterdir() if each.suffix in {f".{name}" for name in WRITERS})


def name_file(source: Source, format_name: str) -> str:
    """The name of a new file; names sort by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{source.version}-{quote(source.signature, safe=' ')}.{format_name}"


def _measure(array: Array) -> int:
    texts = array.reshape(-1).tolist() if array.dtype == object else ()
    return int(array.nbytes) + sum(map(len, texts))


def _spread(array: Array, rows: int) -> Array:
    """`[rows, ...]`; what is there once holds for every row."""
    is_by_row = array.ndim > 0 and len(array) == rows
    return array if is_by_row else np.broadcast_to(array, (rows, *array.shape))


def _to_column(arrays: Sequence[Array]) -> Any:
    import pyarrow as pa

    if arrays[0].dtype == object:
        return _to_texts(list(chain.from_iterable(array.tolist() for array in arrays)))
    # Parquet's readers do not agree on half floats, and Arrow has no bfloat16.
    plain = [
        array if array.dtype.kind in "biu" or array.itemsize >= 4 else array.astype(np.float32) for array in arrays
    ]
    if all(array.ndim == 1 for array in plain):
        return pa.array(np.concatenate(plain))
    return pa.array(list(chain.from_iterable(array.tolist() for array in plain)))


def _to_texts(values: list[Any]) -> Any:
    import pyarrow as pa

    try:
        return pa.array(_decode(values))
    except UnicodeDecodeError:
        return pa.array(values)


def _decode(value: Any) -> Any:
    return [_decode(each) for each in value] if isinstance(value, list) else value.decode()


def _to_log(entry: Entry) -> bytes:
    from serving.protos import PredictionLog

    log = PredictionLog()
    request, response = log.predict_log.request, log.predict_log.response
    for spec in (log.log_metadata.model_spec, request.model_spec, response.model_spec):
        spec.name, spec.signature_name = entry.source.model, entry.source.signature
        spec.version.value = entry.source.version
    sides = ((entry.feeds, request.inputs), (entry.outputs, response.outputs))
    for (tensors, messages), dtypes in zip(sides, entry.dtypes, strict=True):
        for name, array in tensors.items():
            _fill(messages[name], array, dtypes[name])
    serialized: bytes = log.SerializeToString()
    return serialized


def _fill(message: Any, array: Array, dtype: str) -> None:
    numbers = message.DESCRIPTOR.fields_by_name["dtype"].enum_type.values_by_name
    message.dtype = numbers[f"DT_{dtype.upper()}"].number
    message.tensor_shape.SetInParent()
    for size in array.shape:
        message.tensor_shape.dim.add(size=size)
    if array.dtype == object:
        message.string_val.extend(array.reshape(-1).tolist())
    else:
        message.tensor_content = np.ascontiguousarray(array).tobytes()


WRITERS: Mapping[str, Write] = {"parquet": write_parquet, "tfrecord": write_tfrecord}
