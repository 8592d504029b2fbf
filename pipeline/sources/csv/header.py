"""A CSV file's first line: its columns and its delimiter."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import InputError
from pipeline.sources.csv.text import codec, open_bytes

HEADER_BYTES = 1_000_000
MAX_COLUMNS = 10_000


class Header(NamedTuple):
    """A file's first line."""

    delimiter: str
    names: tuple[str, ...]


def read_headers(files: Sequence[Path], encoding: str) -> dict[Path, Header]:
    """Return each file's header.

    Raises:
        InputError: a header that names no column, or a column twice, or not the columns of the first file.
    """
    headers = {file: read_header(file, encoding) for file in files}
    first, *_ = files
    expected = set(headers[first].names)
    for file, (_, names) in headers.items():
        mistakes = [f"{file}: header: column {index} has no name" for index, name in enumerate(names, 1) if not name]
        counts = Counter(name.casefold() for name in names if name)
        mistakes += [
            f"{file}: header: {count} columns are named '{name}' (upper and lower case count as one)"
            for name, count in counts.items()
            if count > 1
        ]
        for name in sorted(expected - set(names)):
            mistakes.append(f"{file}: header: expected the columns of {first}, but '{name}' is missing")
        for name in sorted(set(names) - expected):
            mistakes.append(f"{file}: header: expected the columns of {first}, received '{name}' as well")
        if len(names) > MAX_COLUMNS:
            mistakes = [f"{file}: header: expected at most {MAX_COLUMNS:,} columns, received {len(names):,}"]
        if mistakes:
            raise InputError(mistakes[:20])
    return headers


def read_header(file: Path, encoding: str) -> Header:
    """Return the names in the first line, and the delimiter: what it has most of, outside quotes.

    Raises:
        InputError: an archive that is none, a line without end, another encoding.
    """
    line = _first_line(file, encoding)
    bare = re.sub(r'"[^"]*"', "", line)
    # of a single column: a comma
    delimiter = max(",;\t|", key=bare.count)
    return Header(delimiter, tuple(name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])))


def _first_line(file: Path, encoding: str) -> str:
    with open_bytes(file) as stream:
        start: bytes = stream.read(HEADER_BYTES)
    line = start.decode(codec(encoding), "replace").partition("\n")[0]
    if "\0" in line:
        raise InputError(f"{file}: header: expected text in {encoding}, received NUL bytes; set source.encoding?")
    if len(line) >= HEADER_BYTES:
        raise InputError(f"{file}: header: expected a line of at most {HEADER_BYTES:,} bytes, received a longer one")
    if "\ufffd" in line:
        raise InputError(f"{file}: header: expected text in {encoding}, received other bytes; set source.encoding?")
    return line.rstrip("\r")
