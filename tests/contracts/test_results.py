"""What every model answers to TensorFlow Serving's classify or regress: no other than to predict."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from models.spec import target_kind

pytestmark = pytest.mark.tensorflow

TOLERANCE = 1e-6
# dtype and rank
OUTPUTS = {"classify": {"classes": ("string", 2), "scores": ("float", 2)}, "regress": {"outputs": ("float", 1)}}


def expect(model: Any) -> dict[str, Any]:
    """The results, put together from the network's own answers."""
    from models.export import read_classes

    answers, rows = model.answers, len(model.examples)
    if model.target == "binary":
        positive = answers["probability"]
        return {"classes": [["0", "1"]] * rows, "scores": np.stack([1 - positive, positive], axis=1)}
    if model.target == "multiclass":
        return {"classes": [list(read_classes(model.folder))] * rows, "scores": answers["probabilities"]}
    names = {
        "multi_label": {"classes": "labels", "scores": "probabilities"},
        "retrieval": {"classes": "items", "scores": "scores"},
        "regression": {"outputs": "value"},
    }
    return {output: answers[name] for output, name in names[model.target].items()}


@pytest.fixture
def method(model: Any) -> str:
    found = target_kind(model.inputs.target).METHOD
    if found is None:
        pytest.skip(f"neither classify nor regress of TensorFlow Serving has the answers of {model.target}")
    return str(found)


@pytest.fixture
def served(model: Any) -> Any:
    """The model in TensorFlow's C++ loader."""
    from serving.server.model import load

    return load(1, model.folder)


def test_the_signature_is_what_tensorflow_serving_asks_for(served: Any, method: str) -> None:
    from serving.server.batching import is_batched
    from serving.server.results import check_signature

    signature = served.signatures[method]
    check_signature(signature, method)
    assert signature.method_name == f"tensorflow/serving/{method}"
    assert served.signatures["serving_default"].method_name == "tensorflow/serving/predict"
    found = {name: (spec.dtype, len(spec.shape)) for name, spec in signature.outputs.items()}
    assert found == OUTPUTS[method]
    assert is_batched(signature)


def test_the_results_are_what_predict_answers(model: Any, served: Any, method: str) -> None:
    results = served.run(method, {"inputs": np.array(model.examples, object)})
    expected = expect(model)
    assert results.keys() == expected.keys()
    for name, values in expected.items():
        if name == "classes":
            assert [[each.decode() for each in row] for row in results[name]] == [list(row) for row in values]
        else:
            largest = max(1.0, float(np.abs(values).max()))
            np.testing.assert_allclose(results[name], values, rtol=0, atol=TOLERANCE * largest)


def test_the_body_has_a_result_for_each_row(model: Any, served: Any, method: str) -> None:
    from serving.server.results import write_body

    rows = len(model.examples)
    results = served.run(method, {"inputs": np.array(model.examples, object)})
    found = json.loads(write_body(results, method, served.signatures[method], rows))["results"]
    width = {len(row) for row in expect(model).get("classes", [])}
    assert len(found) == rows
    assert {len(row) for row in found if isinstance(row, list)} == width


def test_the_graph_that_reads_examples_is_there_once(model: Any, method: str) -> None:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    graph = SavedModel.FromString((model.folder / "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
    operations = [node.op for function in graph.library.function for node in function.node_def]
    assert len([one for one in operations if one.startswith("ParseExample")]) == 1


def test_no_examples_have_no_results(served: Any, method: str) -> None:
    results = served.run(method, {"inputs": np.empty(0, object)})
    assert {len(values) for values in results.values()} == {0}
    assert {values.ndim for values in results.values()} == {rank for _, rank in OUTPUTS[method].values()}


def test_a_target_without_a_method_has_no_results() -> None:
    from models.discovery import discover
    from models.targets import LabelFacts

    without = [kind for kind in discover("models.targets").values() if kind.METHOD is None]
    assert [kind.results({}, LabelFacts()) for kind in without] == [{}] * len(without)
