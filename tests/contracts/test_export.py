"""Every family, every target, every kind of feature: trains, exports, and answers alike wherever it is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.discovery import discover
from models.raw import safe_name
from models.spec import ModelSpec, target_kind

pytestmark = pytest.mark.tensorflow

HERE = Path(__file__).parent.parent
TOLERANCE = 1e-6
NUMBERS_OF_DTYPES = {"float32": 1, "float64": 2, "string": 7}


def signatures(folder: Path) -> Any:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    return SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs[0].signature_def


def ask(script: str, request: Any) -> Any:
    """Run one of the scripts beside this folder, isolated and elsewhere; JSON in, JSON out."""
    result = subprocess.run(
        [sys.executable, "-I", HERE / script], input=json.dumps(request), capture_output=True, text=True, cwd="/"
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return json.loads(result.stdout)


def carried(data: list[bytes]) -> list[str]:
    """Bytes as text for JSON."""
    return [value.decode("utf-8", "surrogateescape") for value in data]


@pytest.fixture(scope="session")
def elsewhere(models: dict[Any, Any]) -> Any:
    """What a Python process without this project makes of every model."""
    return ask("saved_model.py", {str(model.folder): runs_of(model) for model in models.values()})


def runs_of(model: Any) -> list[tuple[str, Any]]:
    """Signatures with their inputs: rows, then none."""
    request, empty = (
        {safe_name(name): tensor for name, tensor in tensors.items()} for tensors in (model.request, model.empty)
    )
    examples = carried(model.examples)
    return [
        ("serving_default", request),
        ("examples", {"examples": ("string", examples, [len(examples)])}),
        ("transform_features", request),
        ("serving_default", empty),
        ("examples", {"examples": ("string", [], [0])}),
    ]


@pytest.fixture(scope="session")
def native(models: dict[Any, Any]) -> dict[Path, list[dict[str, Any]]]:
    """What TensorFlow's C++ loader makes of every model: serving_default on rows and on none, examples on rows."""
    runs = []
    for model in models.values():
        default, parsed = (signatures(model.folder)[name] for name in ("serving_default", "examples"))
        for tensors in (model.request, model.empty):
            inputs = {
                default.inputs[name].name: (NUMBERS_OF_DTYPES[dtype], values, shape)
                for name, (dtype, values, shape) in tensors.items()
            }
            runs.append((model.folder, inputs, default))
        examples = carried(model.examples)
        runs.append((model.folder, {parsed.inputs["examples"].name: (7, examples, [len(examples)])}, parsed))
    found = ask(
        "cpp_loader.py",
        [
            {"folder": str(folder), "inputs": inputs, "outputs": [info.name for info in signature.outputs.values()]}
            for folder, inputs, signature in runs
        ],
    )
    answers = [
        outputs if isinstance(outputs, str) else {name: outputs[info.name] for name, info in signature.outputs.items()}
        for outputs, (_, _, signature) in zip(found, runs, strict=True)
    ]
    return {model.folder: answers[index * 3 : index * 3 + 3] for index, model in enumerate(models.values())}


def assert_same(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    assert set(found) == set(expected)
    for name, values in expected.items():
        if values.dtype.kind == "U":
            assert list(found[name]) == values.tolist()
        else:
            # of numbers in the label's unit float32 has so many digits of the largest, and no more
            largest = max(1.0, float(np.abs(values).max(initial=0.0)))
            np.testing.assert_allclose(found[name], values, rtol=TOLERANCE, atol=TOLERANCE * largest)


def test_every_kind_of_feature_is_in_the_table(kinds: set[str]) -> None:
    assert kinds == set(discover("models.features"))


@pytest.mark.parametrize("kind", discover("models.features"))
def test_a_network_of_one_kind_learns_with_all_of_its_weights(train_kind: Callable[..., Any], kind: str) -> None:
    (network, losses), (untrained, _) = train_kind(kind, 2), train_kind(kind, 0)
    assert losses[1] < losses[0]
    weights = zip(network.trainable_variables, untrained.trainable_variables, strict=True)
    assert [now.path for now, before in weights if np.array_equal(now.numpy(), before.numpy())] == []


def test_a_few_steps_lower_the_loss(model: Any) -> None:
    losses = model.losses
    assert np.isfinite(losses).all()
    assert min(losses[1:]) < losses[0]


def test_the_signatures_have_the_names_of_the_columns(model: Any) -> None:
    found = signatures(model.folder)
    method = target_kind(model.inputs.target).METHOD
    assert {name for name in found if not name.startswith("__")} == {
        "serving_default",
        "examples",
        "transform_features",
        *([method] if method else []),
    }
    for signature in ("serving_default", "transform_features"):
        inputs = found[signature].inputs
        assert {name: inputs[name].dtype for name in inputs} == {
            name: NUMBERS_OF_DTYPES[dtype] for name, (dtype, _, _) in model.request.items()
        }
        shapes = {name: [dim.size for dim in info.tensor_shape.dim] for name, info in inputs.items()}
        assert shapes == {name: [-1, -1] if name in model.inputs.lengths else [-1] for name in inputs}
    assert list(found["examples"].inputs) == ["examples"]


def test_the_spec_travels_with_the_model(model: Any) -> None:
    from models.export import SPEC_FILE, read_classes

    folder = model.folder
    spec = ModelSpec.model_validate_json((folder / SPEC_FILE).read_text("utf-8"))
    assert (spec.inputs, spec.model.family) == (model.inputs, model.family)
    assert set(read_classes(folder)) == model.classes


def test_it_runs_no_operation_but_those_that_a_server_allows(model: Any) -> None:
    from serving.operations import check_operations

    check_operations(model.folder)
    assert (model.folder / "saved_model.pb").stat().st_size > 0


def test_loading_needs_none_of_our_modules(elsewhere: Any) -> None:
    assert elsewhere["modules"] == []


def test_answers_are_finite_whatever_is_missing_or_unseen(model: Any) -> None:
    answers = model.answers
    assert {len(values) for values in answers.values()} == {len(model.examples)}
    assert all(np.isfinite(values).all() for values in answers.values() if values.dtype.kind == "f")


def test_a_process_without_this_project_answers_alike(model: Any, elsewhere: Any) -> None:
    default, parsed, features, *_ = elsewhere["folders"][str(model.folder)]
    assert_same(default, model.answers)
    assert_same(parsed, model.answers)
    assert_same(features, model.transformed)


def test_an_empty_batch_has_an_empty_answer(model: Any, elsewhere: Any) -> None:
    for answers in elsewhere["folders"][str(model.folder)][3:]:
        assert answers == {name: [] for name in model.answers}


def test_the_cpp_loader_answers_alike(model: Any, native: Any) -> None:
    default, empty, parsed = native[model.folder]
    flat = {name: values.reshape(-1) for name, values in model.answers.items()}
    assert_same(default, flat)
    assert_same(parsed, flat)
    assert empty == {name: [] for name in flat}


def test_the_evaluators_predictor_answers_alike(model: Any) -> None:
    from models.export import load_predictor

    columns = {name: value.numpy() for name, value in model.raw.items()}
    found = load_predictor(model.folder)(columns)
    texts = {name: np.char.decode(array.astype(bytes)) for name, array in found.items() if array.dtype == object}
    assert_same({name: array.tolist() for name, array in (found | texts).items()}, model.answers)


def test_the_cpp_loader_says_what_is_wrong(models: dict[Any, Any]) -> None:
    folder = str(next(iter(models.values())).folder)
    nowhere, unknown = ask(
        "cpp_loader.py",
        [
            {"folder": "/nowhere", "inputs": {}, "outputs": []},
            {"folder": folder, "inputs": {}, "outputs": ["no such:0"]},
        ],
    )
    assert "/nowhere" in nowhere
    assert "no such" in unknown
