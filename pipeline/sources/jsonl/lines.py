"""Files cut into numbered lines."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.sql import identifier

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

LONGEST_MB = 2
"""Of a line; DuckDB's own limit in a CSV file."""
LONGEST = LONGEST_MB * 2**20
CHUNK = 2 * LONGEST
MAX_EXPANSION = 300
"""Tables compress to a tenth; gzip's limit, a thousandth, is only met by files made to fill a disk."""
UNSUSPECTED = 100_000_000
"""Bytes that any archive may unpack to."""
PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd"}
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
TOO_LONG = f"expected a line of up to {LONGEST_MB} MB, received a longer one"
NOT_UTF8 = "expected text in UTF-8, received other bytes"


def numbered_lines(connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], limit: int | None = None) -> str:
    """Return SQL of the lines that are not blank: `file, line, text, fault`, which says why a line can't be read.

    Raises:
        InputError: a file that is empty.
    """
    for file in files:
        if file.stat().st_size == 0:
            raise InputError(f"{file}: expected a JSON object on each line, received an empty file")
    listed = hashlib.sha256("\0".join(map(str, files)).encode()).hexdigest()[:16]
    name = f"jsonl {listed} {limit or 'all'}"
    connection.register(name, Lines(files, limit))
    return (
        f"(SELECT * FROM {identifier(name)} WHERE strlen(text) > 8 OR trim(text, chr(32) || chr(9) || chr(13)) <> '')"
    )


class Lines:
    """An Arrow stream of lines that starts afresh for everyone who asks for it: `file, line, text, fault`."""

    def __init__(self, files: Sequence[Path], limit: int | None) -> None:
        self._files = files
        self._limit = limit

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        import pyarrow as pa

        names = [("file", pa.string()), ("line", pa.int64()), ("text", pa.large_string()), ("fault", pa.string())]
        reader = pa.RecordBatchReader.from_batches(pa.schema(names), self._batches())
        return reader.__arrow_c_stream__(requested_schema)

    def _batches(self) -> "Iterator[pa.RecordBatch]":
        left = self._limit
        for file in self._files:
            number = 0
            for lines in _split(file):
                batch = _number(file, number, lines)[:left]
                number += len(lines)
                yield batch
                if left is not None:
                    left -= batch.num_rows
                    if not left:
                        return


def _number(file: Path, number: int, lines: "pa.Array") -> "pa.RecordBatch":
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        if pc.any(pc.greater(pc.binary_length(lines), LONGEST)).as_py():
            raise pa.ArrowInvalid(TOO_LONG)
        texts, faults = lines.cast(pa.large_string()), pa.nulls(len(lines), pa.string())
    except pa.ArrowInvalid:  # which lines it is, Arrow does not say
        read = [_read(line) for line in lines.to_pylist()]
        texts = pa.array([text for text, _ in read], pa.large_string())
        faults = pa.array([fault for _, fault in read], pa.string())
    numbers = pa.array(np.arange(number + 1, number + 1 + len(lines)))
    columns = [pa.repeat(str(file), len(lines)), numbers, texts, faults]
    return pa.RecordBatch.from_arrays(columns, names=["file", "line", "text", "fault"])


def _read(line: bytes) -> tuple[str, str | None]:
    if len(line) > LONGEST:
        return line[:200].decode("utf-8", "replace"), TOO_LONG
    try:
        return line.decode("utf-8"), None
    except UnicodeDecodeError:
        return line.decode("utf-8", "replace"), NOT_UTF8


def _split(file: Path) -> "Iterator[pa.Array]":
    """Yield arrays of lines; of a line that is too long no more than shows it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rest = b""
    for chunk in _chunks(file):
        head, newline, tail = chunk.rpartition(b"\n")
        if newline:
            yield pc.split_pattern(pa.array([rest + head], pa.large_binary()), b"\n").flatten()
            rest = tail
        else:
            rest = (rest + chunk)[: LONGEST + 1]
    if rest:
        yield pa.array([rest], pa.large_binary())


def _chunks(file: Path) -> Iterator[bytes]:
    """Yield the unpacked bytes without a byte order mark."""
    import pyarrow as pa

    size, read = file.stat().st_size, 0
    with file.open("rb") as start:
        packed = PACKED.get(start.read(2))
    try:
        with pa.input_stream(str(file), compression=packed) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk if read else chunk.removeprefix(BYTE_ORDER_MARK)
                read += len(chunk)
                if read > max(UNSUSPECTED, MAX_EXPANSION * size):
                    raise InputError(f"{file}: unpacks to more than {MAX_EXPANSION} times its size")
    except OSError as error:
        raise InputError(f"{file}: can't be read: {error}") from error
