"""One test for each case of TensorFlow Serving's predict API, with its exact text."""

from __future__ import annotations

import pytest

PREDICT = "/v1/models/m:predict"
TWO = "/v1/models/two:predict"
TYPED = "/v1/models/typed:predict"


def typed(dtype: str, value: str) -> str:
    return f'{{"signature_name": "{dtype}", "instances": [{value}]}}'


def mistyped(dtype: str, value: str, kind: str) -> str:
    return (
        "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "
        f"JSON Value: {value} Type: {kind} is not of expected type: {dtype}"
    )


ERRORS = {
    "empty body": (PREDICT, "", "JSON Parse error: The document is empty"),
    "blank body": (PREDICT, "  ", "JSON Parse error: The document is empty. at offset: 2"),
    "bad JSON": (PREDICT, "instances = [1, 2]", "JSON Parse error: Invalid value. at offset: 0"),
    "bad JSON later": (PREDICT, '{"é": nul}', "JSON Parse error: Invalid value. at offset: 7"),
    "no object": (PREDICT, "[1, 2]", "JSON Value: [1, 2] Is not object"),
    "neither key": (PREDICT, "{}", "Missing 'inputs' or 'instances' key"),
    "both keys": (
        PREDICT,
        '{"instances": [1], "inputs": [1]}',
        'JSON Value: {"instances": [1], "inputs": [1]} Not formatted correctly expecting only one of '
        "'inputs' or 'instances' keys to exist ",
    ),
    "instances no list": (
        PREDICT,
        '{"instances": 1}',
        "JSON Value: {\"instances\": 1} Expecting 'instances' to be an list/array",
    ),
    "instances empty": (PREDICT, '{"instances": []}', "JSON Value: {\"instances\": []} No values in 'instances' array"),
    "signature_name no string": (
        PREDICT,
        '{"signature_name": 5}',
        "JSON Value: {\"signature_name\": 5} not formatted correctly. 'signature_name' key must be a string value.",
    ),
    "unknown signature": (PREDICT, '{"signature_name": "x"}', 'Serving signature name: "x" not found in signature def'),
    "ragged rows": (
        PREDICT,
        '{"instances": [[1, 2], [1, 2, 3]]}',
        "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
        "Expecting tensor size: 2 but got: 3",
    ),
    "ragged rows, named": (
        TWO,
        '{"instances": [{"a": [1, 2], "b": ""}, {"a": [1, 2, 3], "b": ""}]}',
        "Failed to process element: 1 key: a of 'instances' list. Error: INVALID_ARGUMENT: "
        "Expecting tensor size: 2 but got: 3",
    ),
    "other shape of one size": (
        PREDICT,
        '{"instances": [[1, 2], [[1, 2]]]}',
        "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting shape [2] but got: [1,2]",
    ),
    "ragged columns": (
        PREDICT,
        '{"inputs": [[1, 2], [1, 2, 3]]}',
        "Encountered list at unexpected size: 3 at level: 1 expected size: 2",
    ),
    "list too deep": (PREDICT, '{"inputs": [1, [2]]}', "Encountered list at unexpected level: 1 expected < 1"),
    "value too shallow": (
        PREDICT,
        '{"inputs": [[1], 2]}',
        "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
    ),
    "text for float": (PREDICT, '{"inputs": ["x"]}', 'JSON Value: "x" Type: String is not of expected type: float'),
    "object for float": (
        PREDICT,
        '{"inputs": [{"b64": ""}]}',
        'JSON Value: {"b64": ""} Type: Object is not of expected type: float',
    ),
    "decimal for int32": (TYPED, typed("int32", "1.0"), mistyped("int32", "1.0", "Number")),
    "bool for number": (TYPED, typed("float", "true"), mistyped("float", "true", "True")),
    "null for number": (TYPED, typed("int64", "null"), mistyped("int64", "null", "Null")),
    "number for bool": (TYPED, typed("bool", "0"), mistyped("bool", "0", "Number")),
    "number for string": (TYPED, typed("string", "0"), mistyped("string", "0", "Number")),
    "int32 out of range": (TYPED, typed("int32", "2147483648"), mistyped("int32", "2147483648", "Number")),
    "int64 out of range": (
        TYPED,
        typed("int64", "9223372036854775808"),
        mistyped("int64", "9223372036854775808", "Number"),
    ),
    "uint32 out of range": (TYPED, typed("uint32", "-1"), mistyped("uint32", "-1", "Number")),
    "too big for double": (PREDICT, '{"inputs": [1e400]}', "JSON Parse error: Number too big to be stored in double."),
    "5000 digits": (
        PREDICT,
        f'{{"inputs": [{"9" * 5000}]}}',
        "JSON Parse error: Number too big to be stored in double.",
    ),
    "bad base64": (
        TYPED,
        typed("string", '{"b64": "a"}'),
        "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: Unable to base64 decode",
    ),
    "missing input, row": (
        TWO,
        '{"instances": [{"a": 1}]}',
        "Failed to process element: 0 of 'instances' list. JSON object: {\"a\": 1} keys must be equal to: a,b",
    ),
    "extra input, row": (
        TWO,
        '{"instances": [{"a": 1, "b": "", "k": 1}]}',
        "Failed to process element: 0 key: k of 'instances' list. Error: INVALID_ARGUMENT: "
        "JSON object: does not have named input: k",
    ),
    "missing input, columnar": (TWO, '{"inputs": {"b": [""]}}', "Missing named input: a in 'inputs' object."),
    "plain list, two inputs": (
        TWO,
        '{"instances": [1]}',
        "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
        "tensorinfo_map",
    ),
    "plain columns, two inputs": (
        TWO,
        '{"inputs": [1]}',
        "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
        "tensorinfo_map",
    ),
    "list among objects": (
        TWO,
        '{"instances": [{"a": 1, "b": ""}, [1]]}',
        "Expecting object but got list at item 1 of input list",
    ),
    "object among lists": (
        PREDICT,
        '{"instances": [[1], {"x": 1}]}',
        "Expecting value/list but got object at item 1 of input list",
    ),
    "scalar output, row": (
        "/v1/models/scalar:predict",
        '{"instances": [1]}',
        "Tensor name: y has no shape information ",
    ),
    "output of another batch": (
        "/v1/models/unbatched:predict",
        '{"instances": [1, 2]}',
        "Tensor name: b has inconsistent batch size: 1 expecting: 2",
    ),
    "lone surrogate": (
        PREDICT,
        '{"inputs": [NaN, "\\ud800"]}',
        "JSON Parse error: The surrogate pair in string is invalid.",
    ),
    "version of 20 digits": (
        f"/v1/models/m/versions/{2**64}:predict",
        "",
        f"Failed to convert version: {2**64} to numeric.",
    ),
    "unknown label": ("/v1/models/m/labels/L:predict", '{"instances": [1]}', "Unrecognized servable version label: L"),
    "unknown label, unknown model": (
        "/v1/models/foo/labels/%C3%A9:predict",
        '{"instances": [1]}',
        "Unrecognized servable version label: é",
    ),
}


@pytest.mark.parametrize(("path", "body", "message"), ERRORS.values(), ids=ERRORS)
def test_wrong_predict_request_is_400(ask, path, body, message):
    response = ask("POST", path, content=body)
    assert (response.status_code, response.json()) == (400, {"error": message})
    assert response.headers["content-type"] == "application/json"


ANSWERS = {
    "instances": (PREDICT, '{"instances": [1, 2.5]}', '{"predictions":[1.0,2.5]}'),
    "instances of lists": (PREDICT, '{"instances": [[1, 2], [3, 4]]}', '{"predictions":[[1.0,2.0],[3.0,4.0]]}'),
    "instances of objects": (PREDICT, '{"instances": [{"x": 1}]}', '{"predictions":[1.0]}'),
    "several outputs": (
        TWO,
        '{"instances": [{"a": 1, "b": "ü"}]}',
        '{"predictions":[{"s_bytes":{"b64":"w7w="},"y":1.0}]}',
    ),
    "columns": (PREDICT, '{"inputs": [1]}', '{"outputs":[1.0]}'),
    "columns by name": (PREDICT, '{"inputs": {"x": [[1]]}}', '{"outputs":[[1.0]]}'),
    "several columns": (
        TWO,
        '{"inputs": {"a": [1], "b": ["x"], "ignored": 1}}',
        '{"outputs":{"s_bytes":[{"b64":"eA=="}],"y":[1.0]}}',
    ),
    "no inputs at all": (PREDICT, '{"inputs": []}', '{"outputs":[]}'),
    "scalar output, columnar": ("/v1/models/scalar:predict", '{"inputs": [1]}', '{"outputs":3.0}'),
    "trailing garbage": (PREDICT, '{"instances": [1]} and more', '{"predictions":[1.0]}'),
    "byte order mark": (PREDICT, '\ufeff {"instances": [1]}', '{"predictions":[1.0]}'),
    "unknown keys": (PREDICT, '{"instances": [1], "id": 7}', '{"predictions":[1.0]}'),
    "bare words": (
        PREDICT,
        '{"instances": [NaN, -NaN, Inf, -Inf, Infinity, -Infinity], "x": "\\" -Inf"}',
        '{"predictions":[NaN,NaN,Infinity,-Infinity,Infinity,-Infinity]}',
    ),
    "too large for float32": (PREDICT, '{"instances": [1e39, -1e39]}', '{"predictions":[Infinity,-Infinity]}'),
    "int8 wraps": (TYPED, typed("int8", "128"), '{"predictions":[-128]}'),
    "uint8 wraps": (TYPED, typed("uint8", "-1"), '{"predictions":[255]}'),
    "int16 wraps": (TYPED, typed("int16", "32768"), '{"predictions":[-32768]}'),
    "int64 in full": (TYPED, typed("int64", "9223372036854775807"), '{"predictions":[9223372036854775807]}'),
    "uint64 in full": (TYPED, typed("uint64", "18446744073709551615"), '{"predictions":[18446744073709551615]}'),
    "bool": (TYPED, typed("bool", "true"), '{"predictions":[true]}'),
    "base64, no padding": (TYPED, typed("string", '{"b64": "w7w"}'), '{"predictions":["ü"]}'),
    "slash and quote": (TYPED, typed("string", '"a/\\"\\n"'), '{"predictions":["a/\\"\\n"]}'),
    "a version": ("/v1/models/m/versions/2:predict", '{"instances": [1]}', '{"predictions":[1.0]}'),
    "prefix in capitals": ("/V1/MODELS/m:predict", '{"instances": [1]}', '{"predictions":[1.0]}'),
    "encoded name": ("/v1/models/a%2Fb%20c:predict", '{"instances": [1]}', '{"predictions":[1.0]}'),
}


@pytest.mark.parametrize(("path", "body", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_predict_answers(ask, path, body, expected):
    response = ask("POST", path, content=body)
    assert (response.status_code, response.text) == (200, expected)
