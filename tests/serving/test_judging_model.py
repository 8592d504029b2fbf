"""Classify, Regress and MultiInference of a model that TensorFlow wrote, over REST and over gRPC."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import httpx
import numpy as np
import pytest

from serving.server.app import create_app
from serving.server.registry import Registry

pytestmark = pytest.mark.tensorflow

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"
ROWS = [{"x": 1.5, "name": "größe"}, {"x": -2.0}, {"name": "a"}]
LABELS, SCORES = ["größe", "no", "a"], [1.5, -2.0, 0.0]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """x float and name string of an example -> classify: name and "other" with x and 2x; regress: x, `[rows, 1]`."""
    import tensorflow as tf

    from serving.server.model import load

    examples = tf.TensorSpec([None], tf.string, name="inputs")
    features = {
        "x": tf.io.FixedLenFeature([], tf.float32, 0.0),
        "name": tf.io.FixedLenFeature([], tf.string, "no"),
    }

    @tf.function(input_signature=[examples])
    def classify(inputs):
        parsed = tf.io.parse_example(inputs, features)
        classes = tf.stack([parsed["name"], tf.fill(tf.shape(inputs), "other")], axis=1)
        return {"classes": classes, "scores": tf.stack([parsed["x"], 2 * parsed["x"]], axis=1)}

    @tf.function(input_signature=[examples])
    def regress(inputs):
        return {"outputs": tf.io.parse_example(inputs, features)["x"][:, None]}

    base = tmp_path_factory.mktemp("judging")
    signatures = {"classify": classify, "regress": regress}
    tf.saved_model.save(tf.Module(), str(base / "1"), signatures)
    registry = Registry({"judging": base}, load)
    registry.refresh()
    return registry


@pytest.fixture(scope="module")
def ask(models):
    """`ask(method, **body)`: what REST answers."""

    async def post(method, body):
        transport = httpx.ASGITransport(create_app(models))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post(f"/v1/models/judging:{method}", json=body)

    return lambda method, **body: asyncio.run(post(method, {"signature_name": method} | body))


@pytest.fixture(scope="module")
def stub(models, run_grpc):
    """TensorFlow Serving's own client."""
    import grpc
    from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

    with run_grpc(models) as server, grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield PredictionServiceStub(channel)


@pytest.fixture
def requests():
    """A request of each kind for the rows."""
    import tensorflow as tf
    from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
    from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
    from tensorflow_serving.apis.regression_pb2 import RegressionRequest

    classify, regress, both = ClassificationRequest(), RegressionRequest(), MultiInferenceRequest()
    for row in ROWS:
        example = tf.train.Example()
        if "x" in row:
            example.features.feature["x"].float_list.value.append(row["x"])
        if "name" in row:
            example.features.feature["name"].bytes_list.value.append(row["name"].encode())
        for request in (classify, regress, both):
            request.input.example_list.examples.append(example)
    asked = [(classify, "classify"), (regress, "regress")]
    asked += [(both.tasks.add(method_name=CLASSIFY), "classify"), (both.tasks.add(method_name=REGRESS), "regress")]
    for message, signature in asked:
        message.model_spec.name, message.model_spec.signature_name = "judging", signature
    return SimpleNamespace(classify=classify, regress=regress, both=both)


def to_pairs(result):
    return [[[one.label, one.score] for one in row.classes] for row in result.classifications]


PAIRS = [[[label, score], ["other", 2 * score]] for label, score in zip(LABELS, SCORES, strict=True)]


def test_rest(ask):
    assert ask("classify", examples=ROWS).json() == {"results": PAIRS}
    assert ask("regress", examples=ROWS).json() == {"results": SCORES}


def test_the_context_is_of_every_example(ask):
    answer = ask("classify", context={"name": "shared"}, examples=ROWS).json()
    assert [first[0] for first, _ in answer["results"]] == ["größe", "shared", "a"]


def test_a_whole_number_is_no_float(ask):
    response = ask("regress", examples=[{"x": 5}])
    assert response.status_code == 400
    assert "Data types don't match" in response.json()["error"]


def test_grpc(stub, requests):
    response = stub.Classify(requests.classify, timeout=20)
    assert to_pairs(response.result) == PAIRS
    assert (response.model_spec.version.value, response.model_spec.signature_name) == (1, "classify")
    found = [one.value for one in stub.Regress(requests.regress, timeout=20).result.regressions]
    np.testing.assert_array_equal(found, SCORES)


def test_both_at_once_over_grpc(stub, requests):
    classified, regressed = stub.MultiInference(requests.both, timeout=20).results
    assert to_pairs(classified.classification_result) == PAIRS
    assert [one.value for one in regressed.regression_result.regressions] == SCORES
    assert regressed.model_spec.version.value == 1
