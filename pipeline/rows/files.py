"""Files of rows, read in chunks: CSV, JSON, JSON lines, Parquet. Of a row that can't be read it is told why."""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from pipeline.errors import InputError
from pipeline.rows.plain import read_rows

if TYPE_CHECKING:
    from typing import BinaryIO, TextIO

    import pyarrow as pa

Row: TypeAlias = dict[str, Any]
CHUNK_ROWS = 5000
STDIN = Path("-")
_BUFFER_CHARACTERS = 2**20
_LONGEST_WORD = 40
_GAP = re.compile(r"[\s,]*")


class Refused(NamedTuple):
    """A row that gets no answer.

    Attributes:
        row: its number in the file, from 1, a CSV file's header not counted.
        column: at fault; empty if it is the whole row.
        reason: what was expected and received.
        values: the row, as far as it could be read.
    """

    row: int
    column: str
    reason: str
    values: Any

    def describe(self, file: Path) -> str:
        """Return the message for a person."""
        column = f", column {self.column!r}" if self.column else ""
        return f"{file}: row {self.row}{column}: {self.reason}"


class Chunk(NamedTuple):
    """Some rows that follow each other in the file.

    Attributes:
        number: of the chunk, from 0.
        rows: those that could be read.
        places: their numbers in the file, from 1.
        refused: the others.
        fraction: of the file, read at the end of the chunk.
    """

    number: int
    rows: "list[Row] | pa.Table"
    places: list[int]
    refused: list[Refused]
    fraction: float


class _Read(NamedTuple):
    """A row, or why it is none, and how much of the file is read."""

    row: Row | None
    reason: str
    values: Any
    fraction: float


def read_chunks(file: Path) -> Iterator[Chunk]:
    """Yield a file's rows, CHUNK_ROWS at a time; `-` is standard input. The suffix tells the format.

    Raises:
        InputError: the file can't be read, or not on from here: no row of it can be told.
    """
    if file.suffix == ".parquet":
        yield from _read_parquet(file)
        return
    pending: list[tuple[int, _Read]] = []
    number = 0
    for place, read in enumerate(_read_text(file), 1):
        pending.append((place, read))
        if len(pending) == CHUNK_ROWS:
            yield _collect(number, pending)
            number, pending = number + 1, []
    if pending:
        yield _collect(number, pending)


def cut(chunk: Chunk, rows: int) -> Chunk:
    """Return the first rows of a chunk."""
    last = chunk.places[rows - 1] if len(chunk.places) > rows else None
    refused = [each for each in chunk.refused if last is None or each.row < last]
    return chunk._replace(rows=chunk.rows[:rows], places=chunk.places[:rows], refused=refused)


def _collect(number: int, pending: list[tuple[int, _Read]]) -> Chunk:
    rows = [read.row for _, read in pending if read.row is not None]
    places = [place for place, read in pending if read.row is not None]
    refused = [Refused(place, "", read.reason, read.values) for place, read in pending if read.row is None]
    return Chunk(number, rows, places, refused, pending[-1][1].fraction)


def _read_parquet(file: Path) -> Iterator[Chunk]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            done, total = 0, opened.metadata.num_rows
            for number, batch in enumerate(opened.iter_batches(CHUNK_ROWS)):
                places = list(range(done + 1, done + len(batch) + 1))
                done += len(batch)
                yield Chunk(number, pa.Table.from_batches([batch]), places, [], done / total)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{file}: can't be read: {error}") from error


def _read_text(file: Path) -> Iterator[_Read]:
    if file == STDIN:
        yield from (_Read(row, "", None, 1.0) for row in read_rows(file))
        return
    try:
        with file.open("rb") as raw, file.open(encoding="utf-8-sig", newline="") as text:
            raw.seek(0, 2)
            yield from _choose(file, text)(file, text, max(raw.tell(), 1))
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: can't be read: expected UTF-8: {error}") from error
    except OSError as error:
        raise InputError(f"{file}: can't be read: {error}") from error


def _choose(file: Path, text: "TextIO") -> Any:
    """Return the reader for a file; it must not hold all of a large one in memory."""
    if file.suffix == ".csv":
        return _read_csv
    if file.suffix in {".jsonl", ".ndjson"}:
        return _read_lines
    start = text.readline(_BUFFER_CHARACTERS).lstrip()
    text.seek(0)
    if start.startswith("["):
        return _read_array
    try:
        first = json.loads(start)
    except json.JSONDecodeError:
        return _read_whole
    return _read_lines if isinstance(first, dict) and "instances" not in first else _read_whole


def _fraction(text: "TextIO", size_bytes: int) -> float:
    raw: BinaryIO = text.buffer
    return min(1.0, raw.tell() / size_bytes)


def _read_whole(file: Path, _: "TextIO", __: int) -> Iterator[_Read]:
    yield from (_Read(row, "", None, 1.0) for row in read_rows(file))


def _read_csv(file: Path, text: "TextIO", size_bytes: int) -> Iterator[_Read]:
    """Yield rows as text; empty cells are missing values."""
    reader = csv.reader(text, strict=True)
    try:
        header = next(reader, [])
        twice = next((name for name in header if header.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"{file}: column {twice!r} is there twice")
        for cells in reader:
            if not cells:
                continue
            fraction = _fraction(text, size_bytes)
            if len(cells) != len(header):
                reason = f"line {reader.line_num}: expected {len(header)} cells as in the header, received {len(cells)}"
                yield _Read(None, reason, cells, fraction)
            else:
                row = {name: value or None for name, value in zip(header, cells, strict=True)}
                yield _Read(row, "", None, fraction)
    except csv.Error as error:
        raise InputError(f"{file}:{reader.line_num}: {error}") from error


def _read_lines(_: Path, text: "TextIO", size_bytes: int) -> Iterator[_Read]:
    for number, line in enumerate(text, 1):
        if not line.strip():
            continue
        fraction = _fraction(text, size_bytes)
        try:
            yield _to_row(json.loads(line.rstrip("\r\n")), fraction)
        except json.JSONDecodeError as error:
            yield _Read(None, f"line {number}, character {error.colno}: no JSON: {error.msg}", line, fraction)


def _to_row(value: Any, fraction: float) -> _Read:
    if isinstance(value, dict):
        return _Read(value, "", None, fraction)
    return _Read(None, f"expected an object of values by column, received {value!r:.60}", value, fraction)


def _read_array(file: Path, text: "TextIO", size_bytes: int) -> Iterator[_Read]:
    """Yield the items of a JSON array, without the whole of it in memory."""
    decoder = json.JSONDecoder()
    buffer, place = text.read(_BUFFER_CHARACTERS), 1
    at = buffer.index("[") + 1
    while True:
        gap = _GAP.match(buffer, at)
        at = gap.end() if gap else at
        if buffer.startswith("]", at):
            return
        value, end = _decode(decoder, buffer, at)
        if end == len(buffer) and (more := text.read(_BUFFER_CHARACTERS)):
            buffer, at = buffer[at:] + more, 0
            continue
        if isinstance(value, json.JSONDecodeError):
            raise InputError(f"{file}: row {place}: no JSON: {value.msg}: {buffer[value.pos :][:40]!r}")
        yield _to_row(value, _fraction(text, size_bytes))
        at, place = end, place + 1


def _decode(decoder: json.JSONDecoder, buffer: str, at: int) -> tuple[Any, int]:
    """Return a value and where it ends; if it is none, the error, and the buffer's end if it may go on there."""
    try:
        return decoder.raw_decode(buffer, at)
    except json.JSONDecodeError as error:
        is_cut = error.msg.startswith("Unterminated") or error.pos > len(buffer) - _LONGEST_WORD
        return error, len(buffer) if is_cut else error.pos
