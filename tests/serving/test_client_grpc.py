"""The client over real sockets: gRPC against a server in this process that speaks TensorFlow Serving's messages."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
import trustme

from serving.client import AsyncPredictionClient, Options, PredictionClient
from serving.errors import InvalidArgumentError, NotFoundError, UnavailableError, UnreachableError

# not that it imports TensorFlow: it opens sockets
pytestmark = pytest.mark.tensorflow

ROWS = [{"a": 1.5, "b": "x"}, {"b": "é"}]


class Server:
    """Answers `Predict` with `a` doubled as `y` and `b` as `s_bytes`, after the errors that `faults` holds."""

    def __init__(self):
        self.faults = []
        self.metadata = []
        self.specs = []

    def handle(self, answer, request_type):
        def respond(request, context):
            self.metadata.append(dict(context.invocation_metadata()))
            self.specs.append(request.model_spec)
            if self.faults:
                context.abort(*self.faults.pop(0))
            return answer(request)

        return grpc.unary_unary_rpc_method_handler(
            respond, request_type.FromString, lambda message: message.SerializeToString()
        )

    def predict(self, request):
        from serving.protos import PredictResponse

        response = PredictResponse()
        response.outputs["s_bytes"].CopyFrom(request.inputs["b"])
        doubled = response.outputs["y"]
        doubled.CopyFrom(request.inputs["a"])
        doubled.tensor_content = (np.frombuffer(doubled.tensor_content, "f4") * 2).tobytes()
        return response

    def describe(self, _):
        from serving.protos import GetModelMetadataResponse, SignatureDefMap

        signatures = SignatureDefMap()
        signature = signatures.signature_def["serving_default"]
        sides = ((signature.inputs, {"a": 1, "b": 7}), (signature.outputs, {"y": 1, "s_bytes": 7}))
        for side, dtypes in sides:
            for name, dtype in dtypes.items():
                side[name].dtype = dtype
                side[name].tensor_shape.dim.add(size=-1)
        response = GetModelMetadataResponse()
        response.model_spec.version.value = 7
        response.metadata["signature_def"].Pack(signatures)
        return response

    def status(self, _):
        from serving.protos import GetModelStatusResponse

        response = GetModelStatusResponse()
        response.model_version_status.add(version=7, state=30)
        return response

    def regress(self, request):
        from serving.protos import RegressionResponse

        response = RegressionResponse()
        for example in request.input.example_list.examples:
            response.result.regressions.add(value=example.features.feature["a"].float_list.value[0])
        return response

    def classify(self, request):
        from serving.protos import ClassificationResponse

        response = ClassificationResponse()
        for _ in request.input.example_list.examples:
            response.result.classifications.add().classes.add(label="late", score=0.5)
        return response


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def ports(server, authority):
    """Ports of the server: plain, and with TLS."""
    from serving import protos

    predictions = {
        "Predict": server.handle(server.predict, protos.PredictRequest),
        "GetModelMetadata": server.handle(server.describe, protos.GetModelMetadataRequest),
        "Regress": server.handle(server.regress, protos.RegressionRequest),
        "Classify": server.handle(server.classify, protos.ClassificationRequest),
    }
    statuses = {"GetModelStatus": server.handle(server.status, protos.GetModelStatusRequest)}
    certificate = authority.issue_cert("localhost")
    pair = (certificate.private_key_pem.bytes(), b"".join(each.bytes() for each in certificate.cert_chain_pems))
    running = grpc.server(ThreadPoolExecutor(2))
    for name, methods in (("PredictionService", predictions), ("ModelService", statuses)):
        handler = grpc.method_handlers_generic_handler(f"tensorflow.serving.{name}", methods)
        running.add_generic_rpc_handlers((handler,))
    plain = running.add_insecure_port("127.0.0.1:0")
    secure = running.add_secure_port("localhost:0", grpc.ssl_server_credentials([pair]))
    running.start()
    yield plain, secure
    running.stop(None).wait()


@pytest.fixture
def client(ports, monkeypatch):
    monkeypatch.setattr("serving.client.transports._FIRST_WAIT_S", 0)
    with PredictionClient(f"grpc://127.0.0.1:{ports[0]}", "m", Options(version=7, token="secret")) as client:
        yield client


def check_answers(answers):
    assert answers[0] == {"y": 3.0, "s_bytes": b"x"}
    assert np.isnan(answers[1]["y"])
    assert answers[1]["s_bytes"] == "é".encode()


def test_every_call(client, server):
    check_answers(client.predict(ROWS))
    assert (client.describe().version, client.metadata().inputs["b"].dtype) == (7, "string")
    assert client.metadata().inputs["a"].shape == (-1,)
    assert client.status() == [(7, "AVAILABLE", "OK", "")]
    assert client.regress([{"a": 0.5}]) == [0.5]
    assert client.classify([{"a": 0.5}]) == [[("late", 0.5)]]
    assert {metadata["authorization"] for metadata in server.metadata} == {"Bearer secret"}
    assert {(spec.name, spec.version.value) for spec in server.specs} == {("m", 7)}


def test_many_rows_go_in_chunks(client, server):
    answers = client.predict([{"a": float(index), "b": ""} for index in range(2500)])
    assert [answer["y"] for answer in answers] == [2.0 * index for index in range(2500)]
    assert len(server.specs) == 1 + 3


def test_unavailable_is_tried_again_and_nothing_else(client, server):
    server.faults = [(grpc.StatusCode.UNAVAILABLE, "draining")] * 2
    assert client.status()
    server.faults = [(grpc.StatusCode.UNAVAILABLE, "draining")] * 9
    with pytest.raises(UnavailableError, match="^draining$"):
        client.status()
    server.faults = [(grpc.StatusCode.INVALID_ARGUMENT, "no"), (grpc.StatusCode.NOT_FOUND, "gone")]
    for kind, message in ((InvalidArgumentError, "^no$"), (NotFoundError, "^gone$")):
        with pytest.raises(kind, match=message):
            client.predict(ROWS)
    assert len(server.specs) == 3 + 4 + 2


def test_nothing_answers(client, server, ports):
    with (
        PredictionClient("grpc://127.0.0.1:1", "m", Options(attempts=1)) as nobody,
        pytest.raises(UnreachableError, match="grpc://127.0.0.1:1 cannot be reached: failed to connect"),
    ):
        nobody.status()


def test_tls(ports, authority, tmp_path):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    url = f"grpcs://localhost:{ports[1]}"
    with PredictionClient(url, "m", Options(ca_file=tmp_path / "ca.pem", gzip=True)) as client:
        check_answers(client.predict(ROWS))
    with PredictionClient(url, "m", Options(attempts=1)) as strange, pytest.raises(UnreachableError):
        strange.status()


def test_asyncio(ports, server):
    async def ask():
        async with AsyncPredictionClient(f"grpc://127.0.0.1:{ports[0]}", "m", Options(label="live")) as client:
            several = await asyncio.gather(client.predict(ROWS), client.predict(ROWS))
            server.faults = [(grpc.StatusCode.NOT_FOUND, "gone")]
            with pytest.raises(NotFoundError, match="gone"):
                await client.status()
            return several

    for answers in asyncio.run(ask()):
        check_answers(answers)
    assert {spec.version_label for spec in server.specs} == {"live"}
