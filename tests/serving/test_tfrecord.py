"""TFRecord files, written and read without TensorFlow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import DataLossError
from serving.tfrecord import checksum, frame, read_records


def test_checksum_is_crc_32c_masked():
    # CRC-32C of "123456789" is e3069283 (RFC 3720 B.4 has others); rotated by 15 bits, salted
    rotated = (0xE3069283 >> 15 | 0xE3069283 << 17) & 0xFFFFFFFF
    expected = (rotated + 0xA282EAD8) & 0xFFFFFFFF
    assert checksum(b"123456789") == expected.to_bytes(4, "little")


@given(st.lists(st.binary(), max_size=5), st.data())
def test_every_altered_byte_is_found(tmp_path_factory, records, data):
    file = tmp_path_factory.mktemp("records") / "file"
    content = b"".join(map(frame, records))
    file.write_bytes(content)
    assert list(read_records(file)) == records
    if content:
        altered = bytearray(content)
        altered[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        file.write_bytes(altered)
        with pytest.raises(DataLossError):
            list(read_records(file))
        file.write_bytes(content[:-1])
        with pytest.raises(DataLossError):
            list(read_records(file))


def test_a_cut_file_is_told_from_its_lengths(tmp_path):
    file = tmp_path / "file"
    for content in (frame(b"one")[:-1], frame(b"one")[:5], b"cut"):
        file.write_bytes(content)
        with pytest.raises(DataLossError, match="is cut within a record"):
            list(read_records(file))


@pytest.mark.tensorflow
def test_what_tensorflow_writes_is_read(tmp_path):
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(tmp_path / "file")) as writer:
        writer.write(b"one")
        writer.write(b"")
    assert list(read_records(tmp_path / "file")) == [b"one", b""]
