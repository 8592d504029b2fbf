"""The requests that a version is asked before it answers others."""

from __future__ import annotations

import logging
import re
import struct

import google_crc32c
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.artifact import Signature, TensorSpec
from serving.errors import DataLossError, InternalError
from serving.protos import PredictionLog
from serving.server import warm_up as module
from serving.server.registry import ModelQuery, Registry
from serving.server.tensors import fill_proto
from serving.server.warm_up import FILE, MAX_REQUESTS, read_records, warm_up


def seal(data):
    crc = google_crc32c.value(data)
    return data + struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def frame(*records):
    return b"".join(seal(struct.pack("<Q", len(record))) + seal(record) for record in records)


def log(values, signature=""):
    message = PredictionLog()
    request = message.predict_log.request
    request.model_spec.name, request.model_spec.signature_name = "m", signature
    fill_proto(request.inputs["x"], np.float32(values))
    return message.SerializeToString()


class Model:
    version = 1
    signatures = {"serving_default": Signature({"x": TensorSpec("x:0", "float", (-1,))}, {}, "")}  # noqa: RUF012

    def __init__(self):
        self.asked = []

    def run(self, signature_name, feeds):
        self.asked.append((signature_name, feeds["x"].tolist()))
        if feeds["x"].tolist() == [13]:
            raise InternalError("not 13")
        return {}


@pytest.fixture
def write(tmp_path):
    def write_requests(content):
        (tmp_path / "assets.extra").mkdir()
        (tmp_path / FILE).write_bytes(content)
        return tmp_path

    return write_requests


def test_predict_requests_are_asked_and_others_passed_over(write):
    other = PredictionLog()
    other.classify_log.request.model_spec.name = "m"
    model = Model()
    warm_up(model, write(frame(log([1, 2]), other.SerializeToString(), log([3], "serving_default"))))
    assert model.asked == [("serving_default", [1, 2]), ("serving_default", [3])]


def test_no_more_than_a_thousand_are_asked(write):
    model = Model()
    warm_up(model, write(frame(log([1])) * (MAX_REQUESTS + 1)))
    assert len(model.asked) == 1000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (frame(log([1]), log([13]), log([2])), "not 13"),
        (frame(log([1]), log([1], "nope"), log([2])), 'signature key "nope" not found'),
        (frame(log([1]), b"\xff", log([2])), "DecodeError"),
        (frame(log([1]))[:-1], "is cut within a record"),
        (frame(log([1]))[:-1] * 2, "was altered"),
        (frame(log([1])) + b"123", "is cut within a record"),
    ],
    ids=["refused", "unknown signature", "no log", "cut", "altered", "cut length"],
)
def test_what_fails_is_logged_and_does_not_refuse_the_version(write, caplog, content, reason):
    path = write(content)
    with caplog.at_level(logging.WARNING):
        warm_up(Model(), path)
    assert f"the warm-up of {path} failed" in caplog.text
    assert re.search(reason, caplog.text)


def test_it_comes_before_the_version_is_given_requests(tmp_path, write):
    version = tmp_path / "1"
    version.mkdir()
    (version / "saved_model.pb").touch()
    (version / "assets.extra").mkdir()
    (version / FILE).write_bytes(frame(log([4])))
    seen = []

    class Watching(Model):
        def run(self, signature_name, feeds):
            seen.append((registry.list_unavailable(), feeds["x"].tolist()))
            return {}

    registry = Registry({"m": tmp_path}, lambda *_: Watching())
    registry.refresh()
    assert seen == [(["m"], [4])]
    assert registry.find(ModelQuery("m")).version == 1


@given(st.lists(st.binary(), max_size=5), st.data())
def test_every_altered_byte_is_found(tmp_path_factory, records, data):
    file = tmp_path_factory.mktemp("records") / "file"
    content = frame(*records)
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


def test_without_the_library_lengths_are_checked(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "google_crc32c", None)
    file = tmp_path / "file"
    file.write_bytes(frame(b"one")[:-1] + b"x")
    assert list(read_records(file)) == [b"one"]
    file.write_bytes(struct.pack("<Q", 2**62) + b"sum." + b"one")
    with pytest.raises(DataLossError, match="is cut within a record"):
        list(read_records(file))
    file.write_bytes(b"cut")
    with pytest.raises(DataLossError, match="is cut within a record"):
        list(read_records(file))


@pytest.mark.tensorflow
def test_what_tensorflow_writes_is_read(tmp_path):
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(tmp_path / "file")) as writer:
        writer.write(b"one")
        writer.write(b"")
    assert list(read_records(tmp_path / "file")) == [b"one", b""]
