"""A file's bytes and its text, unpacked if its name says that it is packed."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import InputError

MAX_EXPANSION = 300
"""Tables compress to a tenth; gzip's limit, a thousandth, is only met by files made to fill a disk."""


@contextmanager
def open_bytes(file: Path) -> Iterator[Any]:
    """Open a file for reading, unpacked if its name says that it is packed."""
    try:
        if file.suffix == ".zst":
            import pyarrow as pa

            with pa.input_stream(str(file), compression="zstd") as stream:
                yield stream
            return
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            yield stream
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{file}: can't be read: {error}") from error


@contextmanager
def open_text(file: Path, encoding: str) -> Iterator[io.TextIOWrapper]:
    """Open a file to read its text, ends of lines as they are; bytes that are none become U+FFFD."""
    with open_bytes(file) as stream:
        yield io.TextIOWrapper(stream, codec(encoding), "replace", "")


def codec(encoding: str) -> str:
    """Return Python's name of an encoding, of that which drops a byte order mark."""
    return {"utf-8": "utf-8-sig"}.get(encoding, encoding)


def refuse_bomb(file: Path) -> None:
    """Refuse an archive whose first tenth of a gigabyte takes less than a 300th of it."""
    if file.suffix not in {".gz", ".zst"}:
        return
    limit = min(file.stat().st_size * MAX_EXPANSION, 100_000_000)
    unpacked = 0
    with open_bytes(file) as stream:
        while unpacked <= limit and (chunk := stream.read(1_000_000)):
            unpacked += len(chunk)
    if unpacked > file.stat().st_size * MAX_EXPANSION:
        raise InputError(
            f"{file}: expected an archive of a table, received one that unpacks to more than {MAX_EXPANSION} times "
            f"its {file.stat().st_size:,} bytes"
        )
