"""Where each record of a CSV file begins: DuckDB counts records, blank lines among them, and tells no line of a row."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.sources.csv.text import open_bytes, open_text

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK = 1 << 22
BATCH = 65_536
LONGEST_CELL = 1 << 21


class File(NamedTuple):
    """A file to look at.

    Attributes:
        path: where it is.
        delimiter: between cells.
        encoding: of its text.
        single: whether it has one column only: then a blank line is a row.
    """

    path: Path
    delimiter: str
    encoding: str
    single: bool


class Record(NamedTuple):
    """A record.

    Attributes:
        number: as DuckDB counts, the header is 1.
        line: where it begins, as an editor counts.
        lines: that it takes: a quote that nobody closes takes the next ones with it.
    """

    number: int
    line: int
    lines: int


class Records:
    """An Arrow stream of the records below the headers: `file`, what a Record has, and their `place` in the stream."""

    def __init__(self, files: Sequence[File]) -> None:
        self._files = files

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        import pyarrow as pa

        schema = pa.schema([("file", pa.string()), *((name, pa.int64()) for name in (*Record._fields, "place"))])
        return pa.RecordBatchReader.from_batches(schema, self._batches(schema)).__arrow_c_stream__(requested_schema)

    def _batches(self, schema: "pa.Schema") -> "Iterator[pa.RecordBatch]":
        place = 0
        for file in self._files:
            for found in _records(file):
                yield _batch(file, found, place, schema)
                place += len(found)


def _batch(file: File, found: Sequence[Record] | range, place: int, schema: "pa.Schema") -> "pa.RecordBatch":
    import numpy as np
    import pyarrow as pa

    if isinstance(found, range):
        lines = np.arange(found.start, found.stop)
        columns = [lines, lines, np.ones_like(lines)]
    else:
        columns = list(np.array(found, "int64").reshape(-1, len(Record._fields)).T)
    places = np.arange(place, place + len(found))
    arrays = [pa.repeat(str(file.path), len(found)), *map(pa.array, (*columns, places))]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def is_plain(file: File) -> bool:
    """Return whether every record is one line and every line a record: no quote, no blank line."""
    rest = b""
    with open_bytes(file.path) as stream:
        while chunk := stream.read(CHUNK):
            text = rest + chunk
            if b'"' in chunk or b"\n\n" in text or b"\n\r" in text or chunk.count(b"\r") > chunk.count(b"\n") + 1:
                return False
            rest = chunk[-1:]
    return "16" not in file.encoding


def _records(file: File) -> Iterator[Sequence[Record] | range]:
    """Yield the records, some at a time; a range of lines where each is a record."""
    if is_plain(file):
        last = _count_lines(file.path)
        for start in range(2, last + 1, BATCH):
            yield range(start, min(start + BATCH, last + 1))
        return
    with open_text(file.path, file.encoding) as stream:
        found = _parse(stream, file)
        while batch := list(islice(found, BATCH)):
            yield batch


def _count_lines(path: Path) -> int:
    count, last = 0, b"\n"
    with open_bytes(path) as stream:
        while chunk := stream.read(CHUNK):
            count += chunk.count(b"\n")
            last = chunk[-1:]
    return count + (last != b"\n")


def _parse(stream: Iterable[str], file: File) -> Iterator[Record]:
    """Yield each record that is no blank line; stops where Python's reader gives up, at a cell of 2 MB."""
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    reader = csv.reader(stream, delimiter=file.delimiter)
    next(reader, None)
    line = reader.line_num
    try:
        for number, row in enumerate(reader, 2):
            if row or file.single:
                yield Record(number, line + 1, reader.line_num - line)
            line = reader.line_num
    except csv.Error:
        return
