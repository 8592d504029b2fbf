"""The client against a server that is a function."""

from __future__ import annotations

import json
import math

import httpx
import numpy as np
import pytest

from serving.artifact import DEFAULT_SIGNATURE, TensorSpec
from serving.client import PredictionClient
from serving.errors import (
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    ServingError,
    UnavailableError,
    UnreachableError,
)


def tensor(dtype, rank=1):
    dims = [{"size": "-1", "name": ""}] * rank
    return {"dtype": dtype, "tensor_shape": {"dim": dims, "unknown_rank": False}, "name": "x:0"}


INPUTS = {"body mass (g)": tensor("DT_FLOAT"), "island": tensor("DT_STRING"), "year": tensor("DT_INT64")}
SIGNATURES = {DEFAULT_SIGNATURE: {"inputs": INPUTS, "outputs": {"y": tensor("DT_FLOAT")}, "method_name": "m"}}


class Server:
    """Keeps the bodies of predict requests; answers with the row's year, or with what `answers` holds."""

    def __init__(self):
        self.bodies = []
        self.answers = []
        self.paths = []

    def __call__(self, request):
        self.paths.append(request.url.raw_path.decode())
        if self.answers:
            return self.answers.pop(0)
        if request.method == "GET":
            return httpx.Response(
                200, json={"model_spec": {"version": "7"}, "metadata": {"signature_def": {"signature_def": SIGNATURES}}}
            )
        body = json.loads(request.content)
        self.bodies.append(body)
        return httpx.Response(200, json={"outputs": body["inputs"]["year"]})


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def client(server):
    with PredictionClient("http://host:8501/", "a model", transport=httpx.MockTransport(server)) as client:
        yield client


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)


ROW = {"body mass (g)": 3750.0, "island": "Biscoe", "year": 2007}


def test_metadata_is_typed(client, server):
    assert client.metadata().inputs["body mass (g)"] == TensorSpec("x:0", "float", (-1,))
    assert server.paths == ["/v1/models/a%20model/metadata"]


def test_unknown_signature_names_the_known_ones(client):
    with pytest.raises(NotFoundError, match="no signature 'x', only serving_default"):
        client.predict([ROW], signature_name="x")


def test_rows_are_sent_by_name(client, server):
    assert client.predict([ROW, ROW]) == [2007, 2007]
    columns = {name: [value, value] for name, value in ROW.items()}
    assert server.bodies == [{"signature_name": DEFAULT_SIGNATURE, "inputs": columns}]


def test_lists_are_padded_within_a_request(client, server, monkeypatch):
    monkeypatch.setitem(INPUTS, "steps", tensor("DT_FLOAT", 2))
    monkeypatch.setattr("serving.client.session.ROWS_PER_REQUEST", 2)
    client.predict([ROW | {"steps": [1, None, 2]}, ROW, ROW | {"steps": "[3]"}])
    sent = [body["inputs"]["steps"] for body in server.bodies]
    np.testing.assert_equal(sent, [[[1, 2], [math.nan, math.nan]], [[3]]])


def test_a_value_that_is_no_list_names_its_row(client, monkeypatch):
    monkeypatch.setitem(INPUTS, "steps", tensor("DT_FLOAT", 2))
    with pytest.raises(InvalidArgumentError, match="row 1, feature 'steps': expected a list, got 3"):
        client.predict([ROW, ROW | {"steps": 3}])


def test_missing_values_become_markers_and_text_becomes_numbers(client, server):
    client.predict([{"year": "2007", "island": None}])
    inputs = server.bodies[0]["inputs"]
    assert math.isnan(inputs["body mass (g)"][0])
    assert (inputs["island"], inputs["year"]) == ([""], [2007])


def test_metadata_is_asked_once(client, server):
    client.predict([ROW])
    client.predict([ROW])
    assert [path for path in server.paths if path.endswith("/metadata")] == server.paths[:1]


def test_inputs_are_asked_again_after_a_refusal(client, server):
    client.predict([ROW])
    server.answers.append(httpx.Response(400, json={"error": "no"}))
    with pytest.raises(InvalidArgumentError):
        client.predict([ROW])
    client.predict([ROW])
    assert sum(path.endswith("/metadata") for path in server.paths) == 2


def test_many_rows_go_in_chunks(client, server):
    rows = [{**ROW, "year": year} for year in range(2500)]
    assert client.predict(rows) == list(range(2500))
    assert [len(body["inputs"]["year"]) for body in server.bodies] == [1000, 1000, 500]


def test_no_rows(client, server):
    assert client.predict([]) == []
    assert server.bodies == []


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**ROW, "year": None}, "row 1, feature 'year': no value, and an input of type int64 has no marker"),
        ({**ROW, "body mass (g)": "abc"}, r"row 1, feature 'body mass \(g\)': expected a number, got 'abc'"),
        ({**ROW, "islnd": "x"}, "row 1, feature 'islnd': the model has no such input; did you mean 'island'?"),
        (
            {**ROW, "zzz": "x"},
            r"row 1, feature 'zzz': the model has no such input; the inputs are body mass \(g\), island, year",
        ),
    ],
)
def test_row_that_does_not_fit_is_named_and_nothing_is_sent(client, server, row, message):
    with pytest.raises(InvalidArgumentError, match=message):
        client.predict([ROW, row])
    assert server.bodies == []


def test_unknown_keys_are_dropped_when_asked(client, server):
    client.predict([{**ROW, "zzz": 1}], extra="drop")
    assert server.bodies[0]["inputs"] == {name: [value] for name, value in ROW.items()}


@pytest.mark.parametrize(
    ("response", "kind", "message"),
    [
        (httpx.Response(400, json={"error": "not so"}), InvalidArgumentError, "not so"),
        (httpx.Response(404, json={"error": "Servable not found"}), NotFoundError, "Servable not found"),
        (httpx.Response(502, text="<html>bad gateway"), ServingError, "<html>bad gateway"),
        (httpx.Response(500), InternalError, "Internal Server Error"),
        (httpx.Response(200, text="hello"), InternalError, "did not answer with a JSON object: hello"),
        (httpx.Response(200, json={}), InternalError, "metadata cannot be read: KeyError"),
    ],
)
def test_answers_of_the_server_become_errors(client, server, response, kind, message):
    server.answers.append(response)
    with pytest.raises(kind, match=message):
        client.metadata()
    assert len(server.paths) == 1


def test_other_number_of_predictions(client, server):
    client.metadata()
    server.answers.append(httpx.Response(200, json={"outputs": []}))
    with pytest.raises(InternalError, match="one value of 'y' for each row"):
        client.predict([ROW])


def test_503_is_tried_again(client, server):
    server.answers += [httpx.Response(503)] * 3
    assert client.metadata().inputs
    assert len(server.paths) == 4


def test_503_for_ever_is_given_up(client, server):
    server.answers += [httpx.Response(503, json={"error": "loading"})] * 9
    with pytest.raises(UnavailableError, match="loading"):
        client.metadata()
    assert len(server.paths) == 4


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (httpx.ConnectError("refused"), "http://host/v1/models/m/metadata cannot be reached: refused"),
        (httpx.ReadTimeout("slow"), "http://host/v1/models/m/metadata did not answer within 30 s"),
    ],
)
def test_unreachable_server_is_named_in_one_line(fault, message):
    def fail(_):
        raise fault

    with pytest.raises(UnreachableError) as raised:
        PredictionClient("http://host", "m", transport=httpx.MockTransport(fail)).metadata()
    assert raised.value.message == message


def test_client_and_server_understand_each_other(ask):
    def forward(request):
        response = ask(request.method, request.url.raw_path.decode(), content=request.content)
        return httpx.Response(response.status_code, content=response.content)

    with PredictionClient("http://host", "two", transport=httpx.MockTransport(forward)) as client:
        missing, full = client.predict([{}, {"a": "1.5", "b": 2}])
    assert math.isnan(missing["y"])
    assert (missing["s_bytes"], full) == (b"", {"s_bytes": b"2", "y": 1.5})
