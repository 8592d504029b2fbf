"""TFRecord files without TensorFlow: length, its checksum, data, their checksum, record after record.

https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import google_crc32c

from serving.errors import DataLossError

_LENGTH_BYTES, _SUM_BYTES = 8, 4
_SALT = 0xA282EAD8


def frame(record: bytes) -> bytes:
    """A record as it stands in a file."""
    length = len(record).to_bytes(_LENGTH_BYTES, "little")
    return b"".join((length, checksum(length), record, checksum(record)))


def read_records(file: Path) -> Iterator[bytes]:
    """The records of a file.

    Raises:
        DataLossError: it is cut or altered.
    """
    content = memoryview(file.read_bytes())
    while content:
        header, content = _take(content, _LENGTH_BYTES, file)
        record, content = _take(content, int.from_bytes(header, "little"), file)
        yield bytes(record)


def checksum(data: bytes) -> bytes:
    """CRC-32C, rotated and salted."""
    crc: int = google_crc32c.value(data)
    return (((crc >> 15 | crc << 17) + _SALT) & 0xFFFFFFFF).to_bytes(_SUM_BYTES, "little")


def _take(content: memoryview, size: int, file: Path) -> tuple[memoryview, memoryview]:
    """The first bytes, which their checksum follows, and what comes after both."""
    data, found, rest = content[:size], content[size : size + _SUM_BYTES], content[size + _SUM_BYTES :]
    if len(found) < _SUM_BYTES:
        raise DataLossError(f"{file} is cut within a record")
    if bytes(found) != checksum(bytes(data)):
        raise DataLossError(f"{file} was altered: the checksum of a record is another")
    return data, rest
