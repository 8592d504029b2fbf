"""The gRPC API over real sockets in this process, beside what REST answers from the same models."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest

from serving.artifact import DEFAULT_SIGNATURE, Signature, TensorSpec
from serving.errors import UnavailableError
from serving.server.app import create_app
from serving.server.registry import Registry

pytestmark = pytest.mark.tensorflow

MASS, COLUMN = "body mass (g)", "naïve.column"


@dataclass
class Caller:
    """Asks a server over gRPC, and the application of the same models over REST."""

    server: Any
    channel: Any
    models: Registry

    def predict(self, model, inputs, signature="", version=None, outputs=()):
        import tensorflow as tf
        from tensorflow_serving.apis.predict_pb2 import PredictRequest

        request = PredictRequest(output_filter=outputs)
        request.model_spec.name, request.model_spec.signature_name = model, signature
        if version is not None:
            request.model_spec.version.value = version
        for name, value in inputs.items():
            is_proto = hasattr(value, "tensor_shape")
            request.inputs[name].CopyFrom(value if is_proto else tf.make_tensor_proto(value))
        return self.call("PredictionService/Predict", request)

    def call(self, method, request):
        from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2

        modules = (predict_pb2, get_model_metadata_pb2, get_model_status_pb2)
        name = f"{method.partition('/')[2]}Response"
        response = next((getattr(module, name) for module in modules if hasattr(module, name)), None)
        return self.channel.unary_unary(
            f"/tensorflow.serving.{method}",
            request_serializer=lambda message: message if isinstance(message, bytes) else message.SerializeToString(),
            response_deserializer=response and response.FromString,
        )(request, timeout=20)

    def ask_rest(self, method, path, **options):
        async def ask():
            transport = httpx.ASGITransport(create_app(self.models))
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path, **options)

        return asyncio.run(ask()).json()


@dataclass(eq=False)
class SlowModel:
    """Version 2 of a model from x to y that answers when `respond` does."""

    respond: Callable[[Any], Any]
    version: int = 2
    is_row_wise: bool = False

    @property
    def signatures(self):
        return {DEFAULT_SIGNATURE: Signature({"x": TensorSpec("x:0", "float", (-1,))}, {"y": None}, "")}

    def run(self, _, feeds):
        return self.respond(feeds)


@pytest.fixture(scope="module")
def start(run_grpc):
    @contextmanager
    def call(models):
        import grpc

        with run_grpc(models) as server, grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield Caller(server, channel, models)

    return call


@pytest.fixture(scope="module")
def fakes(start, registry):
    with start(registry) as caller:
        yield caller


@pytest.fixture(scope="module")
def real(start, saved_model, tmp_path_factory):
    from serving.server.model import load

    base = tmp_path_factory.mktemp("real")
    shutil.copytree(saved_model, base / "1")
    models = Registry({"real": base}, load)
    models.refresh()
    with start(models) as caller:
        yield caller


def refuse(caller, *args, **options):
    """Call predict; return the name of the status and the message it fails with."""
    import grpc

    with pytest.raises(grpc.RpcError) as caught:
        caller.predict(*args, **options)
    return caught.value.code().name, caught.value.details()


def test_predict_answers_what_rest_answers(real):
    texts = ["naïve", "", "東京\0"]
    answer = real.predict("real", {MASS: np.array([1.5, -3, 3750], np.float32), COLUMN: np.array(texts, object)})
    rest = real.ask_rest("POST", "/v1/models/real:predict", json={"inputs": {MASS: [1.5, -3, 3750], COLUMN: texts}})
    assert list(answer.outputs["doubled"].float_val) == rest["outputs"]["doubled"] == [3, -6, 7500]
    assert list(answer.outputs["echo_bytes"].string_val) == [text.encode() for text in texts]
    spec = answer.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("real", 1, DEFAULT_SIGNATURE)


def test_values_may_come_as_content_typed_or_once_for_all(real):
    import tensorflow as tf

    content = tf.make_tensor_proto(np.array([[1, 1], [1, 1]], np.float32))
    assert content.tensor_content
    typed, once = (tf.make_tensor_proto(np.zeros((2, 2), np.float32)) for _ in range(2))
    for proto, count in ((typed, 4), (once, 1)):
        proto.ClearField("tensor_content")
        proto.ClearField("float_val")
        proto.float_val.extend([1.0] * count)
    expected = 1 / (1 + np.exp(-4.0))
    for proto in (content, typed, once):
        output = real.predict("real", {"x": proto}, "matrix").outputs["probabilities"]
        assert [dim.size for dim in output.tensor_shape.dim] == [2, 1]
        np.testing.assert_allclose(output.float_val, [expected, expected], rtol=1e-6)


def test_empty_batch(real):
    import tensorflow as tf

    inputs = {MASS: np.zeros(0, np.float32), COLUMN: tf.make_tensor_proto(np.zeros(0, object), dtype=tf.string)}
    outputs = real.predict("real", inputs).outputs
    shapes = {name: tf.make_ndarray(proto).shape for name, proto in outputs.items()}
    assert shapes == {"doubled": (0,), "echo_bytes": (0,)}


def test_output_filter(fakes):
    inputs = {"a": np.float32([1]), "b": np.array([b"x"], object)}
    assert list(fakes.predict("two", inputs, outputs=["y"]).outputs) == ["y"]
    assert set(fakes.predict("two", inputs).outputs) == {"y", "s_bytes"}


VALUES = {
    "float": np.float32([[1.5, np.nan], [np.inf, 0]]),
    "double": np.float64([1 / 3]),
    "half": np.float16([0.5, -2]),
    "int8": np.int8([-128, 127]),
    "int16": np.int16([-300]),
    "int32": np.int32([[2**31 - 1]]),
    "int64": np.int64([-(2**63)]),
    "uint8": np.uint8([255]),
    "uint32": np.uint32([2**32 - 1]),
    "uint64": np.uint64([2**64 - 1]),
    "bool": np.array([True, False]),
    "string": np.array([[b"a\0", "ü".encode()], [b"", b"x"]], object),
}


@pytest.mark.parametrize("dtype", VALUES)
def test_every_dtype_comes_back_in_its_typed_field(fakes, dtype):
    import tensorflow as tf

    sent = tf.make_tensor_proto(VALUES[dtype])
    output = fakes.predict("typed", {"x": sent}, dtype).outputs["y"]
    assert (output.dtype, output.tensor_content) == (sent.dtype, b"")
    np.testing.assert_array_equal(tf.make_ndarray(output), VALUES[dtype])


def test_scalar(fakes):
    import tensorflow as tf

    proto = fakes.predict("scalar", {"x": np.float32(1)}).outputs["y"]
    assert (tf.make_ndarray(proto).shape, list(proto.float_val)) == ((), [3])


X = {"x": np.float32([1])}
TWO = {"a": np.float32([1]), "b": np.array([b""], object)}
ERRORS = {
    "unknown model": (("foo", X), {}, "NOT_FOUND", "Servable not found for request: Latest(foo)"),
    "unknown version": (("m", X), {"version": 50}, "NOT_FOUND", "Servable not found for request: Specific(m, 50)"),
    "no model": (("", X), {}, "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    "unknown signature": (("m", X, "x"), {}, "FAILED_PRECONDITION", 'Serving signature key "x" not found.'),
    "missing input": (
        ("two", {"a": X["x"]}),
        {},
        "INVALID_ARGUMENT",
        "input size does not match signature: 1!=2 len({a}) != len({a,b}). Sent extra: {}. Missing but required: {b}.",
    ),
    "extra input": (
        ("m", X | {"é": X["x"]}),
        {},
        "INVALID_ARGUMENT",
        "input size does not match signature: 2!=1 len({x,é}) != len({x}). Sent extra: {é}. Missing but required: {}.",
    ),
    "unknown input": (
        ("m", {"y": X["x"]}),
        {},
        "INVALID_ARGUMENT",
        "input tensor alias not found in signature: y. Inputs expected to be in the set {x}.",
    ),
    "wrong dtype": (
        ("m", {"x": np.array([b""], object)}),
        {},
        "INVALID_ARGUMENT",
        "Expects arg[0] to be float but string is provided (input x)",
    ),
    "unknown output": (
        ("two", TWO),
        {"outputs": ["y", "z"]},
        "INVALID_ARGUMENT",
        "output tensor alias not found in signature: z Outputs expected to be in the set {s_bytes,y}.",
    ),
    "output twice": (("m", X), {"outputs": ["y", "y"]}, "INVALID_ARGUMENT", "duplicate output tensor alias: y"),
    "fault of the server": (("faulty", X), {}, "INTERNAL", "KeyError while answering; see the server's log"),
    "long message": (
        ("n" * 2000, X),
        {},
        "NOT_FOUND",
        f"Servable not found for request: Latest({'n' * 985}...TRUNCATED",
    ),
}


@pytest.mark.parametrize(("args", "options", "status", "message"), ERRORS.values(), ids=ERRORS)
def test_wrong_requests_fail_in_the_originals_words(fakes, args, options, status, message):
    assert refuse(fakes, *args, **options) == (status, message)


def test_errors_of_the_graph_are_those_of_rest(real):
    status, message = refuse(real, "real", {"x": np.zeros((4, 2), np.float32)}, "matrix")
    body = {"signature_name": "matrix", "inputs": [[0, 0]] * 4}
    rest = real.ask_rest("POST", "/v1/models/real:predict", json=body)
    assert status == "INVALID_ARGUMENT"
    assert "too many rows" in message
    assert message.removesuffix("...TRUNCATED") in rest["error"]


def test_signature_that_is_no_function_cannot_be_asked(real):
    message = "Expected at least one input Tensor in prediction signature."
    assert refuse(real, "real", {}, "__saved_model_init_op") == ("INTERNAL", message)


def test_request_without_model_spec(fakes):
    import grpc

    for method in ("PredictionService/Predict", "PredictionService/GetModelMetadata", "ModelService/GetModelStatus"):
        with pytest.raises(grpc.RpcError, match="Missing ModelSpec"):
            fakes.call(method, b"")


def test_bytes_that_are_no_message_are_refused(fakes):
    import grpc

    with pytest.raises(grpc.RpcError, match="Unable to parse request"):
        fakes.call("PredictionService/Predict", b"\xff")


def test_metadata_is_that_of_rest(real):
    from google.protobuf import json_format
    from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, SignatureDefMap

    request = GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "real"
    response = real.call("PredictionService/GetModelMetadata", request)
    signatures = SignatureDefMap.FromString(response.metadata["signature_def"].value)
    rest = real.ask_rest("GET", "/v1/models/real/metadata")
    assert signatures == json_format.ParseDict(rest["metadata"]["signature_def"], SignatureDefMap())
    assert set(signatures.signature_def["serving_default"].inputs) == {MASS, COLUMN}
    assert (response.model_spec.name, response.model_spec.version.value) == ("real", 1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [(["x"], "Metadata field x is not supported"), ([], "must specify at least one metadata_field")],
)
def test_metadata_of_other_fields_is_refused(real, fields, message):
    import grpc
    from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest

    request = GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = "real"
    with pytest.raises(grpc.RpcError, match=message):
        real.call("PredictionService/GetModelMetadata", request)


def test_status_is_that_of_rest(fakes):
    from google.protobuf import json_format
    from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, GetModelStatusResponse

    request = GetModelStatusRequest()
    request.model_spec.name = "m"
    answer = fakes.call("ModelService/GetModelStatus", request)
    assert answer == json_format.ParseDict(fakes.ask_rest("GET", "/v1/models/m"), GetModelStatusResponse())
    failed, served = answer.model_version_status
    assert (failed.version, failed.status.error_message) == (3, "Op type not registered 'Nope'")
    assert (served.version, served.State.Name(served.state)) == (2, "AVAILABLE")


def test_what_is_not_offered_is_unimplemented(fakes):
    import grpc

    with pytest.raises(grpc.RpcError) as caught:
        fakes.call("SessionService/SessionRun", b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_newer_version_takes_over(start, saved_model, tmp_path):
    from serving.server.model import load

    shutil.copytree(saved_model, tmp_path / "1")
    models = Registry({"real": tmp_path}, load)
    models.refresh()
    with start(models) as caller:
        inputs = {"x": np.zeros((1, 2), np.float32)}
        assert caller.predict("real", inputs, "matrix").model_spec.version.value == 1
        shutil.copytree(saved_model, tmp_path / "2")
        models.refresh()
        assert caller.predict("real", inputs, "matrix").model_spec.version.value == 2
        assert refuse(caller, "real", inputs, "matrix", version=1)[0] == "NOT_FOUND"


def test_large_message_is_refused(start, registry, monkeypatch):
    from serving.server import grpc_server

    monkeypatch.setattr(grpc_server, "_OPTIONS", (("grpc.max_receive_message_length", 1000),))
    with start(registry) as caller:
        assert refuse(caller, "m", {"x": np.zeros(1000, np.float32)})[0] == "RESOURCE_EXHAUSTED"
        assert caller.predict("m", X).outputs["y"].float_val == [1]


def test_drain_answers_what_is_in_flight_and_nothing_new(start, tmp_path):
    begun, finish = threading.Event(), threading.Event()

    def respond(feeds):
        begun.set()
        assert finish.wait(20)
        return {"y": feeds["x"]}

    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "saved_model.pb").touch()
    models = Registry({"m": tmp_path}, lambda *_: SlowModel(respond))
    models.refresh()
    with start(models) as caller, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(caller.predict, "m", X)
        assert begun.wait(20)
        caller.server.drain(20)
        assert refuse(caller, "m", X)[0] == "UNAVAILABLE"
        finish.set()
        assert asked.result().outputs["y"].float_val == [1]


def test_port_that_cannot_be_listened_on_is_named(run_grpc, registry):
    with run_grpc(registry) as first:
        message = f"Cannot listen on port {first.port} of 127.0.0.1"
        with pytest.raises(UnavailableError, match=message), run_grpc(registry, port=first.port):
            pass
