"""One test for each case of TensorFlow Serving's classify and regress API, with its exact text."""

from __future__ import annotations

import json

import numpy as np
import pytest

CLASSIFY, REGRESS = "/v1/models/judge:classify", "/v1/models/judge:regress"


def body(signature, rows=2, **more):
    return json.dumps({"signature_name": signature, "examples": [{"x": 1.5}] * rows} | more)


def test_classes_are_label_and_score(ask):
    response = ask("POST", CLASSIFY, content=body("classify"))
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.text == ('{"results":[[["größe",0.0],["a\\"/b",0.1]],[["größe",1.0],["a\\"/b",1.1]]]}')


def test_regressions_are_numbers(ask):
    response = ask("POST", REGRESS, content=body("regress", 3))
    assert (response.status_code, response.text) == (200, '{"results":[0.0,0.25,0.5]}')


def test_without_labels_they_are_empty_and_without_scores_zero(ask):
    assert ask("POST", CLASSIFY, content=body("scores", 1)).text == '{"results":[[["",0.0],["",0.1]]]}'
    assert ask("POST", CLASSIFY, content=body("labels", 1)).json() == {"results": [[["größe", 0.0], ['a"/b', 0.0]]]}


def test_an_output_beside_is_left_out(ask):
    assert ask("POST", CLASSIFY, content=body("beside", 1)).json() == {"results": [[["", 0.0], ["", 0.1]]]}


@pytest.mark.parametrize("path", ["/v1/models/judge/versions/2:classify", "/V1/models/judge:classify"])
def test_a_version_may_be_named(ask, path):
    assert len(ask("POST", path, content=body("classify")).json()["results"]) == 2


def test_context_and_unknown_keys_are_taken(ask):
    assert ask("POST", REGRESS, content=body("regress", 1, context={"a": 1}, other=5)).json() == {"results": [0.0]}


DESCRIBED = """inputs {
  key: "x"
  value {
    name: "x:0"
    dtype: DT_STRING
    tensor_shape {
      dim {
        size: -1
      }
    }
  }
}
outputs {
  key: "y"
  value {
    name: "y:0"
    dtype: DT_FLOAT
    tensor_shape {
      dim {
        size: -1
      }
    }
  }
}
method_name: "tensorflow/serving/predict"
"""
ERRORS = {
    "empty body": (CLASSIFY, "", "JSON Parse error: The document is empty"),
    "no object": (REGRESS, "[1]", "JSON Value: [1] Is not object"),
    "signature_name no string, before the examples": (
        CLASSIFY,
        '{"signature_name": 5}',
        "JSON Value: {\"signature_name\": 5} not formatted correctly. 'signature_name' key must be a string value.",
    ),
    "examples missing": (
        REGRESS,
        '{"instances": [1]}',
        "JSON Value: {\"instances\": [1]} When method is classify, key 'examples' is expected and was not found",
    ),
    "examples wrong, before the model": (
        "/v1/models/foo:classify",
        '{"examples": [[1]]}',
        "Example must be JSON object but got JSON Array",
    ),
    "unknown label": (
        "/v1/models/judge/labels/L:classify",
        body("classify"),
        "Unrecognized servable version label: L",
    ),
    "unknown signature": (CLASSIFY, body("nope"), "No signature was found with the name: nope"),
    "unknown signature, regress": (REGRESS, body("nope"), "No signature was found with the name: nope"),
    "default signature of several inputs": (CLASSIFY, '{"examples": [{}]}', "Expected one input Tensor."),
    "default signature of several inputs, regress": (REGRESS, '{"examples": [{}]}', "Expected one input Tensor."),
    "predict signature": (CLASSIFY, body("x"), f"No classification inputs found in SignatureDef: {DESCRIBED}"),
    "predict signature, regress": (REGRESS, body("x"), f"No regression inputs found in SignatureDef: {DESCRIBED}"),
    "three outputs": (CLASSIFY, body("three"), "Expected one or two output Tensors, found 3"),
    "two outputs, regress": (REGRESS, body("classify"), "Expected one output Tensor."),
    "no rows": (
        "/v1/models/flat:classify",
        body("scores"),
        "Expected Tensor shape: [batch_size num_classes] but got [2]",
    ),
    "no rows, regress": (
        "/v1/models/flat:regress",
        body("regress"),
        "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got []",
    ),
    "several numbers a row": (
        "/v1/models/wider:regress",
        body("regress"),
        "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [2,3]",
    ),
    "more rows than examples": (
        "/v1/models/longer:classify",
        body("classify"),
        "Expected classes output batch size of 2. Got: 3",
    ),
    "more rows than examples, regress": (
        "/v1/models/longer:regress",
        body("regress"),
        "Input batch size did not match output batch size: 2 vs. 3",
    ),
    "more scores than labels": (
        "/v1/models/wider:classify",
        body("classify"),
        "Tensors class and score should match in dim_size(1). Got 2 vs. 3",
    ),
    "scores no float": (CLASSIFY, body("double"), "Expected scores Tensor of DT_FLOAT. Got: DT_DOUBLE"),
    "classes no string": (CLASSIFY, body("numbers"), "Expected classes Tensor of DT_STRING. Got: DT_FLOAT"),
    "numbers no float": (REGRESS, body("doubled"), "Expected output Tensor of DT_FLOAT.  Got: DT_DOUBLE"),
}


@pytest.mark.parametrize(("path", "content", "message"), ERRORS.values(), ids=ERRORS)
def test_wrong_requests_are_400_in_the_originals_words(ask, path, content, message):
    response = ask("POST", path, content=content)
    assert (response.status_code, response.json()) == (400, {"error": message})


@pytest.mark.parametrize("method", ["classify", "regress"])
def test_outputs_of_no_known_name_are_400_and_described(ask, method):
    error = ask("POST", f"/v1/models/judge:{method}", content=body("neither")).json()["error"]
    expected = {
        "classify": 'Expected classification signature outputs to contain at least one of "classes" or "scores". '
        "Signature was: ",
        "regress": "No regression outputs found in SignatureDef: ",
    }
    assert error.startswith(f'{expected[method]}inputs {{\n  key: "inputs"')


@pytest.mark.parametrize("method", ["classify", "regress"])
def test_unknown_models_are_404(ask, method):
    response = ask("POST", f"/v1/models/foo:{method}", content=body("x"))
    assert (response.status_code, response.json()["error"]) == (404, "Servable not found for request: Latest(foo)")
    response = ask("POST", f"/v1/models/judge/versions/9:{method}", content=body("x"))
    assert (response.status_code, response.json()["error"]) == (
        404,
        "Servable not found for request: Specific(judge, 9)",
    )


def test_a_column_of_one_number_is_a_regression(registry):
    from serving.server.results import write_body

    signature = registry.list_models()["judge"].latest.signatures["regress"]
    column = {"outputs": np.float32([[0.5], [np.nan], [-np.inf]])}
    assert write_body(column, "regress", signature, 3) == b'{"results":[0.5,NaN,-Infinity]}'
