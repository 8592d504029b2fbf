"""Who may call over gRPC: the interceptor, without a server."""

from __future__ import annotations

from types import SimpleNamespace

import grpc
import pytest

from serving.errors import InvalidArgumentError
from serving.server.access import Token
from serving.server.grpc_access import AccessInterceptor, read_credentials
from serving.server.settings import Tls

PREDICT = "/tensorflow.serving.PredictionService/Predict"
RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
HEALTH = "/grpc.health.v1.Health/Check"
OTHER_MACHINE, OWN_MACHINE = "ipv4:10.0.0.7:4711", "ipv4:127.0.0.1:4711"


class Aborted(Exception):  # noqa: N818
    """What gRPC raises in `abort`."""


def abort(code, message):
    raise Aborted(code)


def call(method, token=None, sent=(), peer=OWN_MACHINE):
    """The answer, or the code that the call was refused with."""
    handler = grpc.unary_unary_rpc_method_handler(lambda request, context: "answer")
    details = SimpleNamespace(method=method, invocation_metadata=sent)
    found = AccessInterceptor(token and Token(token)).intercept_service(lambda _: handler, details)
    try:
        return found.unary_unary("request", SimpleNamespace(peer=lambda: peer, abort=abort))
    except Aborted as error:
        return error.args[0]


SIGNED = [("user-agent", "x"), ("authorization", "Bearer abc")]


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({"method": PREDICT, "peer": OTHER_MACHINE}, "answer"),
        ({"method": PREDICT, "token": b"abc"}, grpc.StatusCode.UNAUTHENTICATED),
        ({"method": PREDICT, "token": b"abc", "sent": [("authorization", "abc")]}, grpc.StatusCode.UNAUTHENTICATED),
        ({"method": PREDICT, "token": b"abc", "sent": SIGNED}, "answer"),
        ({"method": HEALTH, "token": b"abc"}, "answer"),
        ({"method": RELOAD}, "answer"),
        ({"method": RELOAD, "peer": OTHER_MACHINE}, grpc.StatusCode.PERMISSION_DENIED),
        ({"method": RELOAD, "peer": OTHER_MACHINE, "token": b"abc", "sent": SIGNED}, "answer"),
        ({"method": RELOAD, "token": b"abc"}, grpc.StatusCode.UNAUTHENTICATED),
    ],
)
def test_who_may_call(options, answer):
    assert call(**options) == answer


def test_unknown_methods_stay_unknown():
    details = SimpleNamespace(method="/x/y", invocation_metadata=())
    assert AccessInterceptor(None).intercept_service(lambda _: None, details) is None


def test_missing_key_is_named(tmp_path):
    with pytest.raises(InvalidArgumentError, match="key.pem cannot be read"):
        read_credentials(Tls(certificate=tmp_path / "cert.pem", key=tmp_path / "key.pem"))
