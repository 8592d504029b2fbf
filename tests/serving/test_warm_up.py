"""The requests that a version is asked before it answers others."""

from __future__ import annotations

import logging
import re

import numpy as np
import pytest

from serving import tfrecord
from serving.artifact import Signature, TensorSpec
from serving.errors import InternalError
from serving.protos import PredictionLog
from serving.server.registry import ModelQuery, Registry
from serving.server.tensors import fill_proto
from serving.server.warm_up import FILE, MAX_REQUESTS, warm_up


def frame(*records):
    return b"".join(map(tfrecord.frame, records))


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


def test_predict_requests_are_asked_and_session_runs_passed_over(write):
    other = PredictionLog()
    other.session_run_log.request.model_spec.name = "m"
    model = Model()
    warm_up(model, write(frame(log([1, 2]), other.SerializeToString(), log([3], "serving_default"))))
    assert model.asked == [("serving_default", [1, 2]), ("serving_default", [3])]


def test_requests_with_examples_are_asked_too(registry, write):
    judge, asked = registry.list_models()["judge"].latest, []
    logs = [PredictionLog() for _ in range(3)]
    requests = [logs[0].classify_log.request, logs[1].regress_log.request, logs[2].multi_inference_log.request]
    for request in requests:
        request.input.example_list.examples.add()
    for asker, signature in ((requests[0], "classify"), (requests[1], "regress")):
        asker.model_spec.signature_name = signature
    for signature, method in (("scores", "classify"), ("regress", "regress")):
        task = requests[2].tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name, task.model_spec.signature_name = "judge", signature

    class Watching:
        version, signatures = 1, judge.signatures

        def run(self, name, feeds):
            asked.append((name, feeds["inputs"].tolist()))

    warm_up(Watching(), write(frame(*(each.SerializeToString() for each in logs))))
    assert asked == [("classify", [b""]), ("regress", [b""]), ("scores", [b""]), ("regress", [b""])]


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
