"""The OpenAPI document and the page over it."""

from __future__ import annotations

import json
import shutil

import jsonschema_rs
import pytest

from serving.artifact import Signature, TensorSpec
from serving.server.contract import Column, Contract
from serving.server.extras import Extras
from serving.server.openapi import example_row, row_schema
from serving.server.registry import Registry
from serving.server.settings import Auth, ServerSettings

SIGNATURE = Signature(
    {
        "carrier": TensorSpec("", "string", (-1,)),
        "delay": TensorSpec("", "double", (-1,)),
        "hour": TensorSpec("", "string", (-1,)),
        "stops": TensorSpec("", "string", (-1, -1)),
    },
    {"y": TensorSpec("", "float", (-1,))},
    "",
)
COLUMNS = {
    "carrier": Column("carrier", "bytes", required=True, values=("AA", "UA")),
    "delay": Column("delay", "int", low=-60, high=1440),
    "hour": Column("hour", "bytes", is_moment=True),
    "stops": Column("stops", "bytes", values=("x", "y"), is_list=True),
}
ROW = {"carrier": "AA", "delay": 3, "hour": "2013-01-31T12:00:00Z", "stops": ["x", "y", ""]}


@pytest.fixture(scope="module")
def document(ask):
    response = ask("GET", "/openapi.json")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    return response.json()


def test_every_model_has_its_paths(document):
    assert document["openapi"] == "3.1.0"
    paths = document["paths"]
    for place in ("", "/versions/{version}", "/labels/{label}"):
        assert "post" in paths[f"/v1/models/m{place}:predict"]
    assert "get" in paths["/v1/models/m/metadata"]
    assert "/v1/models/a%2Fb%20c:predict" in paths
    assert not any("empty" in path or ":classify" in path for path in paths)


def test_every_reference_leads_somewhere_and_every_error_is_there(document):
    text = json.dumps(document)
    answers = document["paths"]["/v1/models/m:predict"]["post"]["responses"]
    assert {"200", "400", "401", "404", "408", "413", "429", "431", "500", "501", "503", "504"} == set(answers)
    for reference in {each.split('"')[0] for each in text.split('"$ref": "#/')[1:]}:
        node = document
        for key in reference.split("/"):
            node = node[key]
    identifiers = [
        each["operationId"] for path in document["paths"].values() for each in path.values() if "operationId" in each
    ]
    assert len(identifiers) == len(set(identifiers))


def test_examples_are_answered_and_fit_their_schema(document, ask):
    for model in ("m", "two"):
        content = document["paths"][f"/v1/models/{model}:predict"]["post"]["requestBody"]["content"]["application/json"]
        for example in content["examples"].values():
            jsonschema_rs.validate(content["schema"], example["value"])
            answer = ask("POST", f"/v1/models/{model}:predict", json=example["value"])
            assert answer.status_code == 200
            responses = document["paths"][f"/v1/models/{model}:predict"]["post"]["responses"]
            jsonschema_rs.validate(responses["200"]["content"]["application/json"]["schema"], answer.json())


def test_schemathesis_reads_it(document):
    import schemathesis

    schema = schemathesis.openapi.from_dict(document)
    labels = {operation.ok().label for operation in schema.get_all_operations()}
    assert "POST /v1/models/m:predict" in labels


@pytest.mark.parametrize(
    "change",
    [
        {"carrier": "ZZ"},
        {"carrier": ""},
        {"delay": 2.5},
        {"delay": -61},
        {"delay": 1441},
        {"delay": "3"},
        {"stops": "x"},
        {"stops": ["z"]},
        {"more": 1},
    ],
)
def test_rows_are_typed_by_the_schema(change):
    schema = row_schema(SIGNATURE, Contract(COLUMNS))
    assert jsonschema_rs.is_valid(schema, ROW)
    assert not jsonschema_rs.is_valid(schema, ROW | change)
    assert not jsonschema_rs.is_valid(
        schema, {key: ROW[key] for key in ROW if key not in change} if "more" not in change else {}
    )


def test_row_to_show_is_a_real_one_else_made_up():
    made_up = {"carrier": "AA", "delay": -60, "hour": "2024-01-31T12:00:00Z", "stops": ["x"]}
    assert example_row(SIGNATURE, Contract(COLUMNS)) == made_up
    assert example_row(SIGNATURE, Contract()) == {"carrier": "", "delay": 0.0, "hour": "", "stops": [""]}
    real = {"carrier": "UA", "delay": float("nan"), "hour": "2013-02-01", "stops": ["y", "y"]}
    shown = example_row(SIGNATURE, Contract(COLUMNS, real))
    assert shown == {"carrier": "UA", "delay": -60, "hour": "2013-02-01", "stops": ["y", "y"]}
    assert jsonschema_rs.is_valid(row_schema(SIGNATURE, Contract(COLUMNS)), shown)


def test_document_is_written_again_for_another_version(ask_with, tmp_path):
    versions = {1: "old", 2: "new"}

    def load(version, path):
        return Fake(version, versions[version])

    def push(version):
        (tmp_path / str(version)).mkdir()
        (tmp_path / str(version) / "saved_model.pb").touch()
        registry.refresh()

    registry = Registry({"m": tmp_path}, load)
    ask = ask_with(ServerSettings(), registry)
    assert "/v1/models/m:predict" not in ask("GET", "/openapi.json").json()["paths"]
    push(1)
    assert '"old"' in ask("GET", "/openapi.json").text
    push(2)
    assert '"new"' in ask("GET", "/openapi.json").text
    shutil.rmtree(tmp_path / "2")
    registry.refresh()
    assert '"old"' in ask("GET", "/openapi.json").text


class Fake:
    """One input by that name."""

    def __init__(self, version, name):
        spec = TensorSpec("", "float", (-1,))
        self.version = version
        self.signatures = {"serving_default": Signature({name: spec}, {"y": spec}, "")}


def test_classify_and_regress_are_there_for_their_signatures(ask_with, tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").touch()
    fake = Fake(1, "inputs")
    spec = TensorSpec("", "string", (-1,))
    fake.signatures["regression"] = Signature({"inputs": spec}, {"outputs": spec}, "tensorflow/serving/regress")
    registry = Registry({"m": tmp_path}, lambda version, path: fake)
    registry.refresh()
    paths = ask_with(ServerSettings(), registry)("GET", "/openapi.json").json()["paths"]
    assert "/v1/models/m:regress" in paths
    assert "/v1/models/m:classify" not in paths


def test_page_and_its_files_come_from_the_server_itself(ask):
    page = ask("GET", "/docs")
    assert page.status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text
    for file in ("docs/swagger-ui.css", "docs/swagger-ui-bundle.js"):
        assert file in page.text
        assert len(ask("GET", f"/{file}").content) > 10_000


def test_token_is_part_of_the_document(ask_with, monkeypatch):
    monkeypatch.setenv("PENSTOCK_TEST_TOKEN", "abc")
    extras = Extras(ServerSettings(auth=Auth(token_env="PENSTOCK_TEST_TOKEN")))
    document = ask_with(extras)("GET", "/openapi.json", headers={"authorization": "Bearer abc"}).json()
    assert document["security"] == [{"token": []}]
