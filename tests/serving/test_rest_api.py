"""One test for each case of TensorFlow Serving's REST API that concerns paths, status, metadata and bodies."""

from __future__ import annotations

import asyncio
import gzip
import json
import math

import pytest

from serving.server.settings import Limits, ServerSettings

PREDICT = "/v1/models/m:predict"
SMALL = ServerSettings(limits=Limits(body_mb=1000 / 1024 / 1024, json_depth=20))


NOT_FOUND = {
    "unknown model": ("POST", "/v1/models/foo:predict", "Servable not found for request: Latest(foo)"),
    "unknown version": ("POST", "/v1/models/m/versions/50:predict", "Servable not found for request: Specific(m, 50)"),
    "model without versions": ("POST", "/v1/models/empty:predict", "Servable not found for request: Latest(empty)"),
    "failed version": ("POST", "/v1/models/m/versions/3:predict", "Servable not found for request: Specific(m, 3)"),
    "status of unknown model": ("GET", "/v1/models/foo", "Could not find any versions of model foo"),
    "status of unknown version": ("GET", "/v1/models/m/versions/125", "Could not find version 125 of model m"),
    "metadata of unknown model": ("GET", "/v1/models/foo/metadata", "Servable not found for request: Latest(foo)"),
}


@pytest.mark.parametrize(("method", "path", "message"), NOT_FOUND.values(), ids=NOT_FOUND)
def test_unknown_is_404(ask, method, path, message):
    response = ask(method, path, content='{"instances": [1]}')
    assert (response.status_code, response.json()) == (404, {"error": message})


MALFORMED = [
    ("GET", "/v1/models/m:predict"),
    ("PUT", "/v1/models/m:predict"),
    ("DELETE", "/v1/models/m"),
    ("POST", "/v1/models/m"),
    ("POST", "/v1/models/m:PREDICT"),
    ("POST", "/v1/models/m:predict?x=1"),
    ("POST", "/v1/models/m/versions/x:predict"),
    ("POST", "/v1/models/m/version/2:predict"),
    ("GET", "/v1/models/m/metadata/x"),
    ("GET", "/v1/foo"),
    ("GET", "/v1/"),
]


@pytest.mark.parametrize(("method", "path"), MALFORMED)
def test_malformed_request_is_400_and_never_405(ask, method, path):
    response = ask(method, path)
    assert (response.status_code, response.json()) == (400, {"error": f"Malformed request: {method} {path}"})


def test_status_without_model_is_400(ask):
    response = ask("GET", "/v1/models")
    assert (response.status_code, response.json()) == (400, {"error": "Missing model name in request."})


@pytest.mark.parametrize("path", ["/v1/models/m", "/v1/models/m/labels/any"])
def test_status_lists_all_versions_newest_first(ask, path):
    failure = {"error_code": "NOT_FOUND", "error_message": "Op type not registered 'Nope'"}
    assert ask("GET", path).json() == {
        "model_version_status": [
            {"version": "3", "state": "END", "status": failure},
            {"version": "2", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}},
        ]
    }


def test_status_of_one_version(ask):
    statuses = ask("GET", "/v1/models/m/versions/2").json()["model_version_status"]
    assert [status["version"] for status in statuses] == ["2"]


@pytest.mark.parametrize("path", ["/v1/models/m/metadata", "/v1/models/m/versions/2/metadata"])
def test_metadata_is_protobufs_json(ask, path):
    shape = {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
    signature = {
        "inputs": {"x": {"dtype": "DT_FLOAT", "tensor_shape": shape, "name": "x:0"}},
        "outputs": {"y": {"dtype": "DT_FLOAT", "tensor_shape": shape, "name": "y:0"}},
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }
    assert ask("GET", path).json() == {
        "model_spec": {"name": "m", "signature_name": "", "version": "2"},
        "metadata": {"signature_def": {"signature_def": {"serving_default": signature}}},
    }


def test_content_type_is_not_read(ask):
    assert ask("POST", PREDICT, content='{"instances": [1]}', headers={"content-type": "text/x"}).status_code == 200


def test_gzip_body_is_inflated(ask):
    packed = gzip.compress(b'{"instances": [1]}')
    assert ask("POST", PREDICT, content=packed, headers={"content-encoding": "gzip"}).json() == {"predictions": [1.0]}


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b"x" * 1000, mtime=0)[:-9]])
def test_broken_gzip_is_400(ask, body):
    response = ask("POST", PREDICT, content=body, headers={"content-encoding": "gzip"})
    assert response.status_code == 400
    assert "Failed to inflate" in response.json()["error"]


def test_gzip_bomb_is_413(ask_with):
    packed = gzip.compress(b" " * 100_000)
    assert ask_with(SMALL)("POST", PREDICT, content=packed, headers={"content-encoding": "gzip"}).status_code == 413


@pytest.mark.parametrize("chunked", [True, False])
def test_large_body_is_413(ask_with, chunked):
    async def send_chunks():
        for _ in range(3):
            yield b" " * 400

    response = ask_with(SMALL)("POST", PREDICT, content=send_chunks() if chunked else b" " * 1001)
    assert (response.status_code, response.json()) == (413, {"error": "The body is above the limit of 1000 bytes"})


@pytest.mark.parametrize("depth", [40, 500, 1000, 100_000])
@pytest.mark.parametrize("word", ["1", "NaN"])
@pytest.mark.parametrize("pair", ["[]", "{}"])
def test_deep_nesting_is_400(ask, depth, word, pair):
    opening = "[" if pair == "[]" else '{"x":'
    response = ask("POST", PREDICT, content=f'{{"inputs": {opening * depth}{word}{pair[1] * depth}}}')
    assert response.status_code == 400
    assert len(response.text) < 2000


def test_non_utf8_body_is_400(ask):
    response = ask("POST", PREDICT, content=b'{"inputs": ["\xff"]}')
    assert response.json() == {"error": "JSON Parse error: Invalid encoding in string. at offset: 13"}


def test_dtype_that_json_cannot_carry_is_501(ask):
    body = '{"signature_name": "half", "instances": [1]}'
    response = ask("POST", "/v1/models/typed:predict", content=body)
    assert (response.status_code, response.json()) == (501, {"error": "Conversion of JSON Value: 1 to type: half"})


def test_fault_of_the_server_is_500_without_details(ask):
    response = ask("POST", "/v1/models/faulty:predict", content='{"instances": [1]}')
    assert (response.status_code, response.json()) == (
        500,
        {"error": "KeyError while answering; see the server's log"},
    )


def test_large_value_is_cut_in_messages(ask):
    body = json.dumps({"instances": list(range(10_000)), "inputs": 1})
    assert len(ask("POST", PREDICT, content=body).text) < 1500


@pytest.mark.parametrize("path", ["/", "/v1", "/index.html", "/v2/models/m", "/healthz/x"])
def test_outside_the_api_is_404_html(ask, path):
    response = ask("GET", path)
    assert (response.status_code, response.headers["content-type"]) == (404, "text/html; charset=utf-8")


def test_health_names_models_without_version(ask):
    response = ask("GET", "/healthz")
    assert (response.status_code, response.json()) == (503, {"unavailable": ["empty"]})


def test_answer_of_nan_is_read_back_by_json(ask):
    assert math.isnan(ask("POST", PREDICT, content='{"instances": [NaN]}').json()["predictions"][0])


def test_body_that_does_not_come_is_408(ask_with):
    async def send_slowly():
        yield b"{"
        await asyncio.sleep(60)

    response = ask_with(ServerSettings(limits=Limits(body_timeout_s=0.01)))("POST", PREDICT, content=send_slowly())
    assert (response.status_code, response.json()) == (408, {"error": "The body did not arrive within 0.01 s"})
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("[" * 21, "nested 21 deep, above the limit of 20"),
        ('{"a": ' * 21, "nested 21 deep, above the limit of 20"),
        ('{"instances": [1], "x": "' + "[" * 30 + '\\"' + "{" * 30 + '"}', ""),
        ('{"instances": [1], "x": [' + "[], " * 30 + "[]]}", ""),
    ],
)
def test_depth_is_counted_outside_strings(ask_with, body, error):
    response = ask_with(SMALL)("POST", PREDICT, content=body)
    assert response.status_code == (400 if error else 200)
    assert error in response.text
