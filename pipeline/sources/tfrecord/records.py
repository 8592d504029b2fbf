"""tf.Example records in batches: framing and checksums by tf.data, protos by tfx_bsl."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_RECORDS = 1024
FRAME = 16
"""Bytes of a record's length and of the two checksums."""


class Batch(NamedTuple):
    """Some records of a file.

    Attributes:
        file: where they are.
        numbers: of the records, from 1; one that holds several rows is there for each.
        values: a list of values, or null, for each feature and row.
    """

    file: Path
    numbers: Sequence[int]
    values: "pa.RecordBatch"

    def error(self, feature: str, message: str) -> InputError:
        """Return an error about one of the records."""
        return InputError(
            f"{self.file}: records {self.numbers[0]} to {self.numbers[-1]}: feature '{feature}': {message}"
        )

    def lists(self) -> "dict[str, pa.Array]":
        """Return the features of which any record has a value."""
        import pyarrow as pa

        named = zip(self.values.schema.names, self.values.columns, strict=True)
        return {name: column for name, column in named if not pa.types.is_null(column.type)}


def decode(files: Sequence[Path], limit: int | None) -> Iterator[Batch]:
    """Yield the records of all files, or the first ones.

    Raises:
        InputError: no TFRecord file, a record that is corrupt or no tf.Example, or a file that ends within one.
    """
    from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

    decoder = ExamplesToRecordBatchDecoder()
    for file, start, records in read_records(files, limit):
        try:
            batch = decoder.DecodeBatch(records)
        except RuntimeError as error:
            number = _first_wrong(decoder, records)
            raise InputError(f"{file}: record {start + number}: expected a tf.Example: {error}") from error
        yield Batch(file, range(start + 1, start + 1 + len(records)), batch)


def read_records(files: Sequence[Path], limit: int | None) -> Iterator[tuple[Path, int, list[bytes]]]:
    """Yield a file, how many of its records came before, and the next ones; of all files, or only the first records.

    Raises:
        InputError: no TFRecord file, a record that is corrupt, or a file that ends within one.
    """
    left = limit
    for file in files:
        for start, records in _read(file):
            kept = records[:left]
            yield file, start, kept
            if left is not None:
                left -= len(kept)
                if not left:
                    return


def _read(file: Path) -> Iterator[tuple[int, list[bytes]]]:
    """Yield serialized records, and how many came before them."""
    import tensorflow as tf

    packed = is_gzip(file)
    count, size = 0, 0
    dataset = tf.data.TFRecordDataset(str(file), "GZIP" if packed else "", buffer_size=1 << 20).batch(BATCH_RECORDS)
    try:
        for batch in dataset.as_numpy_iterator():
            records = batch.tolist()
            yield count, records
            count += len(records)
            size += sum(map(len, records)) + FRAME * len(records)
    except tf.errors.OpError as error:
        count += _count_sound(file, packed, count)
        reason = str(error.message).partition("}} ")[2].partition(" [Op:")[0]
        raise InputError(f"{file}: record {count + 1}: expected a sound TFRecord: {reason}") from error
    if not _is_all(file, size, packed=packed):
        raise InputError(f"{file}: record {count + 1}: expected a sound TFRecord, but the file ends within it")
    if not count:
        raise InputError(f"{file}: expected records, received none")


def is_gzip(file: Path) -> bool:
    """Return whether it can be unpacked; a plain record of 559,903 bytes starts like gzip."""
    with file.open("rb") as stream:
        if stream.read(2) != b"\x1f\x8b":
            return False
    try:
        with gzip.open(file, "rb") as unpacked:
            unpacked.read(1)
    except (OSError, EOFError, zlib.error):
        return False
    return True


def _is_all(file: Path, size: int, *, packed: bool) -> bool:
    """Return whether the records take all of the file's bytes; tf.data leaves out a rest shorter than a length."""
    if not packed:
        return file.stat().st_size == size
    with file.open("rb") as stream:
        stream.seek(-4, 2)
        if int.from_bytes(stream.read(4), "little") == size % 2**32:
            return True
    return _unpacked_size(file) == size  # of several archives in one file, each has its own size


def _unpacked_size(file: Path) -> int | None:
    import pyarrow as pa

    size = 0
    try:
        with pa.input_stream(str(file), compression="gzip") as stream:
            while chunk := stream.read(1 << 20):
                size += len(chunk)
    except OSError:
        return None
    return size


def _count_sound(file: Path, packed: bool, start: int) -> int:
    """Return how many records after the first `start` can be read."""
    import tensorflow as tf

    count = 0
    try:
        for _ in tf.data.TFRecordDataset(str(file), "GZIP" if packed else "").skip(start):
            count += 1
    except tf.errors.OpError:
        return count
    return count


def _first_wrong(decoder: Any, records: list[bytes]) -> int:
    """Return the number of the first record that can't be decoded together with those before it."""
    low, high = 0, len(records)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            decoder.DecodeBatch(records[:middle])
            low = middle
        except RuntimeError:
            high = middle
    return high
