"""What the client sends and hands back: REST and gRPC side by side, and every form of rows. No network."""

from __future__ import annotations

import asyncio
import gzip
import json
import math
import subprocess
import sys
from decimal import Decimal

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.artifact import Signature, TensorSpec
from serving.client import AsyncPredictionClient, Options, PredictionClient
from serving.client.rest import Rest
from serving.client.rows import prepare, restore
from serving.client.rpc import Rpc
from serving.errors import InternalError, InvalidArgumentError, RowError, UnavailableError, UnreachableError
from serving.protos import ClassificationRequest, PredictRequest, PredictResponse, RegressionResponse

NUMPY = {"float": "f4", "double": "f8", "int64": "i8", "int32": "i4", "uint8": "u1", "bool": "?", "half": "f2"}
VALUES = {
    "float": st.none() | st.floats(width=32) | st.integers(-(2**20), 2**20),
    "double": st.none() | st.floats(),
    "half": st.floats(width=16),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "uint8": st.integers(0, 255),
    "bool": st.booleans(),
    "string": st.none() | st.text(st.characters(exclude_categories=["Cs"])) | st.binary(),
}
INPUTS = {f"{dtype} é": TensorSpec("x:0", dtype, (-1,)) for dtype in VALUES}
SIGNATURE = Signature(INPUTS, {"y": TensorSpec("y:0", "float", (-1,))}, "")
ROWS = st.lists(
    st.fixed_dictionaries({f"{dtype} é": values for dtype, values in VALUES.items()}), min_size=1, max_size=4
)


def read_json(values, dtype):
    """A column of a REST request as TensorFlow Serving reads it."""
    if dtype == "string":
        import base64

        return [base64.b64decode(each["b64"]) if isinstance(each, dict) else each.encode() for each in values]
    with np.errstate(over="ignore"):
        return np.array(values, NUMPY[dtype])


@given(ROWS)
def test_rest_and_grpc_carry_the_same_values(rows):
    columns = prepare(rows, INPUTS, "refuse").columns
    rest = json.loads(Rest("m", Options()).ask_predict("s", SIGNATURE, columns).body)
    grpc = PredictRequest.FromString(Rpc("m", Options()).ask_predict("s", SIGNATURE, columns).body)
    assert rest["signature_name"] == grpc.model_spec.signature_name == "s"
    assert rest["inputs"].keys() == grpc.inputs.keys() == INPUTS.keys()
    for name, spec in INPUTS.items():
        tensor = grpc.inputs[name]
        assert [dim.size for dim in tensor.tensor_shape.dim] == [len(rows)]
        expected = read_json(rest["inputs"][name], spec.dtype)
        if spec.dtype == "string":
            assert list(tensor.string_val) == expected
        else:
            np.testing.assert_array_equal(np.frombuffer(tensor.tensor_content, NUMPY[spec.dtype]), expected)


FORMS = {
    "dicts": lambda columns: [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ],
    "pandas": pd.DataFrame,
    "table": pa.table,
    "batch": pa.RecordBatch.from_pydict,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_rows_is_the_same_request(form):
    rows = FORMS[form]({"a": [1, None, 3], "b": ["x", None, "z"], "c": [1.5, 2.5, 3.5], "d": [1, 2, 3]})
    dtypes = {"a": "double", "b": "string", "c": "float", "d": "int64", "absent": "float"}
    prepared = prepare(rows, {name: TensorSpec("x:0", dtype, (-1,)) for name, dtype in dtypes.items()}, "refuse")
    assert (prepared.length, prepared.faults) == (3, [])
    np.testing.assert_equal(
        dict(prepared.columns),
        {"a": [1, math.nan, 3], "b": ["x", "", "z"], "c": [1.5, 2.5, 3.5], "d": [1, 2, 3], "absent": [math.nan] * 3},
    )


@pytest.mark.parametrize(
    "array", [pd.Series([1, None], dtype="Int64"), pd.to_datetime(pd.Series(["2024-01-01 05:00", None]))]
)
def test_missing_values_of_pandas_are_missing(array):
    spec = TensorSpec("x:0", "string", (-1,))
    sent = prepare(pd.DataFrame({"x": array}), {"x": spec}, "refuse").columns["x"]
    assert sent in (["1", ""], ["2024-01-01T05:00:00Z", ""])


def test_decimals_are_numbers():
    table = pa.table({"x": pa.array([Decimal("1.25"), None])})
    assert prepare(table, {"x": TensorSpec("x:0", "float", (-1,))}, "refuse").columns["x"][0] == 1.25


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table([[1], [2]], names=["x", "x"]), "column 'x' is there twice"),
        (pd.DataFrame({"x": [1], "xx": [1]}), "column 'xx': the model has no such input; did you mean 'x'?"),
    ],
)
def test_odd_columns_of_a_table_are_refused(table, message):
    with pytest.raises(InvalidArgumentError) as raised:
        prepare(table, {"x": TensorSpec("x:0", "float", (-1,))}, "refuse")
    assert raised.value.message == message


def test_outputs_come_back_in_the_form_of_the_rows():
    spec = TensorSpec("y:0", "float", (-1,))
    signature = Signature(
        {}, {"y": spec, "s_bytes": TensorSpec("s:0", "string", (-1,)), "v": TensorSpec("v:0", "int64", (-1, 2))}, ""
    )
    outputs = {"y": [0.1, math.nan], "s_bytes": [b"a", b""], "v": [[1, 2], [3, 4]]}
    rows = restore(outputs, [{}, {}], signature)
    assert rows[0] == {"y": 0.1, "s_bytes": b"a", "v": [1, 2]}
    frame = restore(outputs, pd.DataFrame({"x": [1, 2]}, index=["p", "q"]), signature)
    assert (list(frame.index), list(frame.columns), frame["y"].dtype) == (["p", "q"], ["y", "s_bytes", "v"], np.float32)
    table = restore(outputs, pa.table({"x": [1, 2]}), signature)
    assert table.schema == pa.schema({"y": pa.float32(), "s_bytes": pa.binary(), "v": pa.list_(pa.int64())})
    assert restore({"y": [1.0]}, [{}], Signature({}, {"y": spec}, "")) == [1.0]


def answer(**outputs):
    """A PredictResponse whose outputs are TensorProtos' fields."""
    response = PredictResponse()
    for name, fields in outputs.items():
        proto = response.outputs[name]
        for size in fields.pop("shape"):
            proto.tensor_shape.dim.add(size=size)
        for field, value in fields.items():
            if isinstance(value, list):
                getattr(proto, field).extend(value)
            else:
                setattr(proto, field, value)
    return response.SerializeToString()


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        ({"dtype": 1, "shape": [2], "float_val": [0.5, 2]}, [0.5, 2]),
        ({"dtype": 1, "shape": [2, 1], "float_val": [0.5]}, [[0.5], [0.5]]),
        ({"dtype": 2, "shape": [2], "tensor_content": np.array([1.5, -1]).tobytes()}, [1.5, -1]),
        ({"dtype": 19, "shape": [1], "half_val": [0x3C00]}, [1.0]),
        ({"dtype": 4, "shape": [1], "int_val": [255]}, [255]),
        ({"dtype": 10, "shape": [2], "bool_val": [True, False]}, [True, False]),
        ({"dtype": 7, "shape": [2], "string_val": ["é".encode(), b"\xff"]}, ["é", "\ufffd"]),
        ({"dtype": 9, "shape": [0]}, []),
    ],
)
def test_tensors_of_an_answer(fields, values):
    assert Rpc("m", Options()).read_predict(answer(y=dict(fields)), SIGNATURE) == {"y": values}


@pytest.mark.parametrize("body", [b"\xff", b"", answer(y={"dtype": 1, "shape": [3], "float_val": [1, 2]})])
def test_answers_that_are_none(body):
    with pytest.raises(InternalError):
        Rpc("m", Options()).read_predict(body, SIGNATURE)


@pytest.mark.parametrize(
    ("options", "path"),
    [
        (Options(), "/v1/models/a%20b"),
        (Options(version=7), "/v1/models/a%20b/versions/7"),
        (Options(label="canary/1"), "/v1/models/a%20b/labels/canary%2F1"),
    ],
)
def test_version_and_label(options, path):
    rest, grpc = Rest("a b", options), Rpc("a b", options)
    assert (rest.ask_description().target, rest.ask_status().target) == (f"{path}/metadata", path)
    assert rest.ask_predict("s", SIGNATURE, {}).target == f"{path}:predict"
    spec = PredictRequest.FromString(grpc.ask_predict("s", SIGNATURE, {}).body).model_spec
    assert (spec.name, spec.version.value, spec.version_label) == ("a b", options.version or 0, options.label or "")


def test_version_and_label_exclude_each_other():
    with pytest.raises(InvalidArgumentError, match="expected a version or a label, got version 1 and 'stable'"):
        Options(version=1, label="stable")


def test_examples():
    examples = [{"f": 1.5, "i": 2, "s": "é", "b": b"\xff", "many": [1.0, 2.0]}]
    rest = json.loads(Rest("m", Options()).ask_examples("classify", "s", examples).body)
    assert rest == {"signature_name": "s", "examples": [{**examples[0], "b": {"b64": "/w=="}}]}
    grpc = Rpc("m", Options()).ask_examples("classify", "s", examples)
    assert grpc.target == "/tensorflow.serving.PredictionService/Classify"
    (example,) = ClassificationRequest.FromString(grpc.body).input.example_list.examples
    feature = example.features.feature
    assert (feature["f"].float_list.value, feature["i"].int64_list.value) == ([1.5], [2])
    assert (feature["s"].bytes_list.value, feature["b"].bytes_list.value) == (["é".encode()], [b"\xff"])
    assert feature["many"].float_list.value == [1.0, 2.0]
    with pytest.raises(InvalidArgumentError, match="feature 'x': expected numbers of one kind, or text"):
        Rpc("m", Options()).ask_examples("regress", "s", [{"x": [1, "a"]}])


def test_answers_to_examples():
    body = json.dumps({"results": [[["a", 0.5], ["b", 1]], []]}).encode()
    assert Rest("m", Options()).read_classes(body) == [[("a", 0.5), ("b", 1.0)], []]
    assert Rest("m", Options()).read_values(b'{"results": [1, NaN]}')[0] == 1
    response = RegressionResponse()
    response.result.regressions.add(value=0.5)
    assert Rpc("m", Options()).read_values(response.SerializeToString()) == [0.5]


def test_missing_features_of_examples_are_left_out():
    sent = []

    def serve(request):
        sent.append(json.loads(request.content))
        return httpx.Response(200, json={"results": [1.0, 2.0]})

    with PredictionClient("http://host", "m", transport=httpx.MockTransport(serve)) as client:
        assert client.regress([{"a": np.float32(0.5), "b": None}, {"a": math.nan}]) == [1.0, 2.0]
    assert sent == [{"signature_name": "serving_default", "examples": [{"a": 0.5}, {}]}]


def test_token_and_gzip():
    def serve(request):
        assert request.headers["authorization"] == "Bearer secret"
        body = gzip.decompress(request.content) if request.content else b""
        assert (request.headers.get("content-encoding") == "gzip") == bool(body)
        return httpx.Response(200, json={"results": json.loads(body)["examples"][0]["a"]})

    options = Options(token="secret", gzip=True)
    assert "secret" not in repr(options)
    with PredictionClient("https://host", "m", options, httpx.MockTransport(serve)) as client:
        assert client.regress([{"a": [1.0]}]) == [1.0]


@pytest.mark.parametrize("url", ["localhost:8501", "ftp://host", "grpc://"])
def test_odd_addresses_are_refused(url):
    with pytest.raises(InvalidArgumentError, match="expected http://, https://, grpc:// or grpcs:// and a host"):
        PredictionClient(url, "m")


def test_certificates_that_cannot_be_read_are_named(tmp_path):
    for url in ("https://host", "grpcs://host"):
        with pytest.raises(InvalidArgumentError, match=r"no\.pem: no certificates to trust"):
            PredictionClient(url, "m", Options(ca_file=tmp_path / "no.pem"))


STATUS = {
    "model_version_status": [
        {"version": "3", "state": "END", "status": {"error_code": "NOT_FOUND", "error_message": "gone"}}
    ]
}


def test_asyncio(monkeypatch):
    monkeypatch.setattr("serving.client.transports._FIRST_WAIT_S", 0)
    answers = [httpx.Response(503), httpx.Response(200, json=STATUS), httpx.Response(503), httpx.Response(503)]

    async def ask():
        transport = httpx.MockTransport(lambda _: answers.pop(0))
        async with AsyncPredictionClient("http://host", "m", Options(attempts=2), transport) as client:
            assert await client.status() == [(3, "END", "NOT_FOUND", "gone")]
            with pytest.raises(UnavailableError):
                await client.status()

    asyncio.run(ask())
    assert answers == []


@pytest.mark.parametrize(
    ("fault", "attempts"),
    [(httpx.ConnectError("refused"), 3), (httpx.ReadError("cut"), 1), (httpx.ReadTimeout("slow"), 1)],
)
def test_only_what_was_not_sent_is_sent_again(fault, attempts, monkeypatch):
    monkeypatch.setattr("serving.client.transports._FIRST_WAIT_S", 0)
    seen = []

    def fail(request):
        seen.append(request)
        raise fault

    with pytest.raises(UnreachableError):
        PredictionClient("http://host", "m", Options(attempts=3), httpx.MockTransport(fail)).status()
    assert len(seen) == attempts


def test_check_tells_every_fault_and_the_first_row_is_raised():
    signatures = {
        "serving_default": {
            "inputs": {
                name: {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1"}]}, "name": ""} for name in "ab"
            },
            "outputs": {},
        }
    }
    body = {"model_spec": {"version": "4"}, "metadata": {"signature_def": {"signature_def": signatures}}}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    rows = [{"a": 1}, {"b": "x"}, {"a": "y"}]
    with PredictionClient("http://host", "m", transport=transport) as client:
        assert client.describe().version == 4
        assert [(fault.row, fault.feature) for fault in client.check(rows)] == [(1, "b"), (2, "a")]
        with pytest.raises(RowError) as raised:
            client.predict(rows)
    assert (raised.value.row, raised.value.feature, raised.value.reason) == (1, "b", "expected a number, got 'x'")


def test_the_client_is_light():
    code = (
        "import sys, serving.client\n"
        "assert not {'httpx', 'grpc', 'numpy', 'pydantic', 'tenacity'} & set(sys.modules), 'import'\n"
        "serving.client.PredictionClient('http://host', 'm').close()\n"
        "assert not {'tensorflow', 'numpy', 'pandas', 'pyarrow', 'grpc', 'keras'} & set(sys.modules), 'REST'\n"
        "serving.client.PredictionClient('grpc://host', 'm').close()\n"
        "assert not {'tensorflow', 'pandas', 'pyarrow', 'keras'} & set(sys.modules), 'gRPC'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
