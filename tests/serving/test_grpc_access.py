"""Who may call over gRPC, and over what."""

from __future__ import annotations

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from serving.errors import InvalidArgumentError
from serving.server import access, grpc_server
from serving.server.extras import Extras
from serving.server.grpc_access import read_authorization, read_credentials
from serving.server.settings import Auth, ServerSettings, Tls

pytestmark = pytest.mark.tensorflow  # opens sockets

STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"


@pytest.fixture
def refuse(run_grpc, registry, tmp_path):
    """The code that a call is refused with; the server has the token abc."""
    (tmp_path / "token").write_text("abc")
    extras = Extras(ServerSettings(auth=Auth(token_file=tmp_path / "token")))
    with run_grpc(registry, extras) as server, grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:

        def call(method, *metadata):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(method)(b"", metadata=metadata, timeout=20)
            return caught.value.code().name

        call.channel = channel
        yield call


@pytest.mark.parametrize("method", [STATUS, RELOAD])
@pytest.mark.parametrize("sent", ["abc", "Bearer abd", "Bearer ", None])
def test_without_the_token_nothing_is_answered(refuse, method, sent):
    assert refuse(method, *([] if sent is None else [("authorization", sent)])) == "UNAUTHENTICATED"


@pytest.mark.parametrize("method", [STATUS, RELOAD])
def test_with_the_token_requests_are_read(refuse, method):
    assert refuse(method, ("authorization", "Bearer abc")) == "INVALID_ARGUMENT"


def test_health_needs_no_token(refuse):
    answer = HealthStub(refuse.channel).Check(HealthCheckRequest(), timeout=20)
    assert answer.status == HealthCheckResponse.NOT_SERVING  # one model has no version


def test_fault_39_another_machine_needs_the_token_to_reload(run_grpc, registry, monkeypatch):
    monkeypatch.setattr(grpc_server, "check_admin", lambda _, token: access.check_admin("ipv4:192.0.2.7:1", token))
    with run_grpc(registry) as server, grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(RELOAD)(b"", timeout=20)
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("metadata", "expected"), [(None, b""), ([("x", "y")], b""), ([("authorization", "Bearer abc")], b"Bearer abc")]
)
def test_authorization_is_found(metadata, expected):
    assert read_authorization(metadata) == expected


def test_missing_key_is_named(tmp_path):
    with pytest.raises(InvalidArgumentError, match="key.pem cannot be read"):
        read_credentials(Tls(certificate=tmp_path / "cert.pem", key=tmp_path / "key.pem"))
