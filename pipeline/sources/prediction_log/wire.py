"""Protocol buffers looked at from outside: which fields a message has, without TensorFlow, which its classes import."""

import gzip
import zlib
from pathlib import Path

from pipeline.sources.tfrecord.records import is_gzip

LENGTH_BYTES = 8
CHECKSUM_BYTES = 4
LONGEST = 1 << 30
EXAMPLE = {1}
"""Fields of a tf.Example; a PredictionLog has others."""
LOGS = {2, 3, 4, 5, 6, 7}
"""Fields of a PredictionLog: one log of requests each. Its field 1 is of the log, not of the request."""


def first_record(path: Path) -> bytes:
    """Return the first record of a TFRecord file; nothing if it has none, or is none."""
    try:
        with gzip.open(path) if is_gzip(path) else path.open("rb") as stream:
            length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
            stream.read(CHECKSUM_BYTES)
            record = stream.read(length) if length < LONGEST else b""
    except (OSError, EOFError, zlib.error):
        return b""
    return record if len(record) == length else b""


def fields(message: bytes) -> dict[int, bytes] | None:
    """Return the last field of each number; None if one is no text, bytes or message, or these bytes are none."""
    found = {}
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        length, position = _varint(message, position)
        if tag & 7 != 2 or not tag >> 3 or position + length > len(message):
            return None
        found[tag >> 3] = message[position : position + length]
        position += length
    return found


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """Return a number and where it ends; beyond the end of the message its bytes are 0."""
    value, shift = 0, 0
    while True:
        byte = message[position] if position < len(message) else 0
        value, shift, position = value | (byte & 127) << shift, shift + 7, position + 1
        if byte < 128:
            return value, position


def is_prediction_log(record: bytes) -> bool:
    """Return whether a record is a PredictionLog, no tf.Example."""
    numbers = set(fields(record) or ())
    return bool(LOGS & numbers) and numbers <= LOGS | EXAMPLE


def is_example(record: bytes) -> bool:
    """Return whether bytes look like a serialized tf.Example with features."""
    outer = fields(record) or {}
    return set(outer) == EXAMPLE and set(fields(outer[1]) or ()) == EXAMPLE
