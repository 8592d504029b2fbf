"""Reloading the configuration and health over real sockets in this process."""

from __future__ import annotations

from contextlib import contextmanager

import grpc
import pytest
from google.protobuf import text_format

from serving.artifact import Signature
from serving.protos import GetModelStatusRequest, GetModelStatusResponse, ReloadConfigRequest, ReloadConfigResponse
from serving.server.registry import Registry

pytestmark = pytest.mark.tensorflow  # opens sockets


class Loaded:
    signatures: dict[str, Signature] = {}  # noqa: RUF012

    def __init__(self, version, path):
        self.version = version


@pytest.fixture
def base(tmp_path):
    for model, version in (("a", 1), ("a", 2), ("b", 7)):
        (tmp_path / model / str(version)).mkdir(parents=True)
        (tmp_path / model / str(version) / "saved_model.pb").touch()
    return tmp_path


@pytest.fixture
def start(run_grpc):
    @contextmanager
    def call(registry):
        registry.refresh()
        with run_grpc(registry) as server, grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield server, channel

    return call


def reload_config(channel, text):
    request = text_format.Parse(text, ReloadConfigRequest())
    return channel.unary_unary(
        "/tensorflow.serving.ModelService/HandleReloadConfigRequest",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=ReloadConfigResponse.FromString,
    )(request, timeout=20)


def list_versions(channel, model):
    request = GetModelStatusRequest()
    request.model_spec.name = model
    answer = channel.unary_unary(
        "/tensorflow.serving.ModelService/GetModelStatus",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetModelStatusResponse.FromString,
    )(request, timeout=20)
    return [status.version for status in answer.model_version_status if status.state == 30]


def config(name, base, more=""):
    return f'config {{ name: "{name}" base_path: "{base / name}" model_platform: "tensorflow" {more} }}'


def test_exactly_the_models_of_the_request_are_served(start, base):
    registry = Registry({"a": base / "a"}, Loaded)
    with start(registry) as (_, channel):
        assert list_versions(channel, "a") == [2]
        more = 'model_version_policy { all {} } version_labels { key: "stable" value: 1 }'
        models = config("a", base, more) + config("b", base)
        answer = reload_config(channel, f"config {{ model_config_list {{ {models} }} }}")
        assert (answer.HasField("status"), answer.status.error_code) == (True, 0)
        assert (list_versions(channel, "a"), list_versions(channel, "b")) == ([2, 1], [7])
        assert dict(registry.list_models()["a"].labels) == {"stable": 1}
        reload_config(channel, f"config {{ model_config_list {{ {config('b', base)} }} }}")
        assert list(registry.folders) == ["b"]
        with pytest.raises(grpc.RpcError, match="Could not find any versions of model a"):
            list_versions(channel, "a")


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        ("", "INVALID_ARGUMENT", "Only ModelConfigList is currently supported"),
        ("config { custom_model_config {} }", "INVALID_ARGUMENT", "Only ModelConfigList is currently supported"),
        (
            'config { model_config_list { config { name: "c" base_path: "/nowhere" model_platform: "tensorflow" } } }',
            "UNKNOWN",
            r"1 model\(s\) did not become available: c: no version of those wanted in /nowhere",
        ),
        (
            'config { model_config_list { config { name: "a" base_path: "BASE" model_platform: "tensorflow" '
            'version_labels { key: "stable" value: 9 } } } }',
            "FAILED_PRECONDITION",
            "Request to assign label to version 9 of model a, which is not currently available for inference",
        ),
    ],
)
def test_what_cannot_be_served_is_told(start, base, text, status, message):
    with start(Registry({}, Loaded)) as (_, channel):
        with pytest.raises(grpc.RpcError, match=message) as caught:
            reload_config(channel, text.replace("BASE", str(base / "a")))
        assert caught.value.code().name == status


def test_health_follows_the_models_and_the_drain(start, base):
    from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
    from grpc_health.v1.health_pb2_grpc import HealthStub

    registry = Registry({"a": base / "a", "c": base / "c"}, Loaded)
    with start(registry) as (server, channel):
        health = HealthStub(channel)

        def check(service):
            answer = health.Check(HealthCheckRequest(service=service), timeout=20)
            return HealthCheckResponse.ServingStatus.Name(answer.status)

        services = ("", "tensorflow.serving.PredictionService")
        assert [check(service) for service in services] == ["NOT_SERVING"] * 2
        with pytest.raises(grpc.RpcError) as caught:
            check("nope")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        watched = health.Watch(HealthCheckRequest(), timeout=20)
        assert next(watched).status == HealthCheckResponse.NOT_SERVING
        (base / "c" / "1").mkdir(parents=True)
        (base / "c" / "1" / "saved_model.pb").touch()
        registry.refresh()
        assert next(watched).status == HealthCheckResponse.SERVING
        assert [check(service) for service in services] == ["SERVING"] * 2
        # the drain must not wait for who watches
        server.drain(20)
        assert [answer.status for answer in watched] == [HealthCheckResponse.NOT_SERVING]
