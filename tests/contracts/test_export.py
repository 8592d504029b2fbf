"""Every family with every target: trains, exports, and answers alike wherever it is loaded.

All feature kinds are in one table, under names that Python, Keras or TensorFlow would not take as they are.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from models.discovery import discover
from models.raw import MISSING, RawType, from_request, safe_name, tensor_dtype
from models.spec import InputSpec, ModelSpec, target_kind
from models.targets import LabelFacts

pytestmark = pytest.mark.tensorflow

HERE = Path(__file__).parent.parent
ROWS = 64
EPOCHS = 10
TOLERANCE = 1e-6

# name: (raw type, settings, values in turn)
FEATURES: dict[str, tuple[RawType, dict[str, Any], list[Any]]] = {
    "body mass (g)": ("float", {"kind": "numeric"}, [3000.0, 4000.0, None, 5500.5]),
    "class": ("bytes", {"kind": "categorical", "oov_buckets": 2}, ["first", "zweite", None]),
    "größe": ("int", {"kind": "bucketized", "buckets": 4}, [150, 160, 170, 180, None]),
    "a.b": ("bytes", {"kind": "datetime"}, ["2024-02-29", "2023-01-01T12:00+01:00", None]),
    "2nd": ("int", {"kind": "datetime", "parts": ["hour"]}, [1_700_000_000, 0, None]),
    "self": ("int", {"kind": "categorical"}, [7, 8, 9, None]),
    "_x": ("float", {"kind": "bucketized", "bounds": [0.0, 1.0]}, [-1.0, 0.5, 2.0]),
    "hidden_0": ("float", {"kind": "numeric", "scale": "minmax"}, [0.1, 0.2]),
    "deep": ("float", {"kind": "numeric", "scale": "none"}, [None]),
}
UNSEEN: dict[RawType, Any] = {"bytes": "never seen, ü", "int": 10**9, "float": -1e9}
LABELS: dict[str, tuple[RawType, list[Any]]] = {
    "binary": ("int", [0, 1, 1]),
    "multiclass": ("bytes", ["first", "größe", "none"]),
    "regression": ("float", [10.0, 20.0, 60.5]),
}
FAMILIES, TARGETS = discover("models.families"), discover("models.targets")

every_model = pytest.mark.parametrize(("family", "target"), [(f, t) for f in FAMILIES for t in TARGETS])


class Model(NamedTuple):
    """A trained and exported model."""

    folder: Path
    losses: list[float]
    answers: dict[str, Any]
    transformed: dict[str, Any]


def cycle(values: list[Any]) -> list[Any]:
    return [values[row % len(values)] for row in range(ROWS)]


def inputs_of(target: str) -> InputSpec:
    types = {name: raw_type for name, (raw_type, _, _) in FEATURES.items()}
    labels = {label_column(name): raw_type for name, (raw_type, _) in LABELS.items()}
    return InputSpec.model_validate(
        {
            "types": types | labels,
            "features": {name: settings for name, (_, settings, _) in FEATURES.items()},
            "target": {"kind": target, "column": label_column(target)},
        }
    )


def label_column(target: str) -> str:
    """The label of each target, before and after tf.Transform."""
    return f"label_{target}"


# rows of the train split, one that training never saw, one with nothing at all
REQUEST: dict[str, list[Any]] = {
    name: [*cycle(values)[:12], UNSEEN[raw_type], None] for name, (raw_type, _, values) in FEATURES.items()
}
DTYPES: dict[RawType, str] = {"bytes": "string", "int": "float64", "float": "float32"}
NUMBERS_OF_DTYPES = {"float32": 1, "float64": 2, "string": 7}


def named(request: Mapping[str, list[Any]]) -> dict[str, tuple[str, list[Any]]]:
    """The request as named tensors: `{column: (dtype, values)}`."""
    dtypes = {name: DTYPES[FEATURES[name][0]] for name in request}
    missing = {"string": "", "float32": math.nan, "float64": math.nan}
    return {
        name: (dtypes[name], [missing[dtypes[name]] if value is None else value for value in values])
        for name, values in request.items()
    }


def serialized(request: Mapping[str, list[Any]]) -> list[bytes]:
    """The request as tf.Examples; a missing value is an absent feature."""
    import tensorflow as tf

    def feature(raw_type: RawType, value: Any) -> Any:
        if raw_type == "bytes":
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))
        if raw_type == "int":
            return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))

    rows = [dict(zip(request, row, strict=True)) for row in zip(*request.values(), strict=True)]
    messages = [
        {name: feature(FEATURES[name][0], value) for name, value in row.items() if value is not None} for row in rows
    ]
    return [tf.train.Example(features=tf.train.Features(feature=one)).SerializeToString() for one in messages]


def table() -> dict[str, list[Any]]:
    """The train split."""
    labels = {label_column(name): cycle(values) for name, (_, values) in LABELS.items()}
    return {name: cycle(values) for name, (_, _, values) in FEATURES.items()} | labels


@pytest.fixture(scope="session")
def transform(analyze: Any) -> Any:
    """What tf.Transform makes of the table, with every target's label."""
    inputs = {target: inputs_of(target) for target in TARGETS}
    return analyze(next(iter(inputs.values())), table(), [one.target for one in inputs.values()])


@pytest.fixture(scope="session")
def models(transform: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Model]:
    """Every family with every target, trained for a few steps and exported."""
    root = tmp_path_factory.mktemp("models")
    return {
        (family, target): build(family, target, transform, root / family / target)
        for family in FAMILIES
        for target in TARGETS
    }


def build(family: str, target: str, transform: Any, folder: Path) -> Model:
    import keras

    from models.export import export_model
    from models.network import build_network, compile_network, vocabulary_sizes

    keras.utils.set_random_seed(1)
    inputs = inputs_of(target)
    spec = ModelSpec.model_validate({"inputs": inputs, "model": {"family": family, "layers": [8]}})
    columns = transformed(inputs, transform)
    labels = columns[label_column(target)]
    facts = label_facts(target, labels, transform)
    shapes = {name: spec_of(column) for name, column in columns.items()}
    network = build_network(spec, shapes, vocabulary_sizes(inputs, transform), facts)
    compile_network(network, spec, steps=EPOCHS)
    fed = {name: column for name, column in columns.items() if not name.startswith("label_")}
    losses = network.fit(fed, labels, batch_size=ROWS, epochs=EPOCHS, verbose=0).history["loss"]
    export_model(network, spec, transform, facts, folder)
    features = dict(transform.transform_features_layer()(raw_request()))
    answers = target_kind(inputs.target).answers(network(features, training=False), facts)
    return Model(folder, losses, as_arrays(answers), as_arrays(features))


def spec_of(column: Any) -> Any:
    import tensorflow as tf

    return tf.TensorSpec([None, *column.shape[1:]], column.dtype)


def transformed(inputs: InputSpec, transform: Any) -> dict[str, Any]:
    """The train split after tf.Transform."""
    import tensorflow as tf

    raw = {
        name: tf.constant([MISSING[raw_type] if value is None else value for value in values], tensor_dtype(raw_type))
        for (name, values), raw_type in zip(table().items(), inputs.types.values(), strict=True)
    }
    return {name: column.numpy() for name, column in transform.transform_features_layer()(raw).items()}


def label_facts(target: str, labels: Any, transform: Any) -> LabelFacts:
    vocabulary = TARGETS[target].VOCABULARY
    if vocabulary:
        return LabelFacts(tuple(name.decode() for name in transform.vocabulary_by_name(vocabulary)))
    return LabelFacts((), float(labels.mean()), float(labels.std()))


def raw_request() -> dict[str, Any]:
    import tensorflow as tf

    return {name: from_request(tf.constant(values, dtype)) for name, (dtype, values) in named(REQUEST).items()}


def as_arrays(tensors: Mapping[str, Any]) -> dict[str, Any]:
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    return {
        name: np.array([value.decode() for value in array]) if array.dtype == object else array
        for name, array in arrays.items()
    }


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


Empty = dict[str, list[Any]]


def no_rows() -> Empty:
    return {name: [] for name in REQUEST}


@pytest.fixture(scope="session")
def elsewhere(models: dict[tuple[str, str], Model]) -> Any:
    """What a Python process without this project makes of every model."""
    keywords = {safe_name(name): tensor for name, tensor in named(REQUEST).items()}
    empty = {safe_name(name): tensor for name, tensor in named(no_rows()).items()}
    examples = carried(serialized(REQUEST))
    runs = [
        ("serving_default", keywords),
        ("examples", {"examples": ("string", examples)}),
        ("transform_features", keywords),
        ("serving_default", empty),
        ("examples", {"examples": ("string", [])}),
    ]
    return ask("saved_model.py", {"folders": [str(model.folder) for model in models.values()], "runs": runs})


@pytest.fixture(scope="session")
def native(models: dict[tuple[str, str], Model]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """What TensorFlow's C++ loader makes of every model: serving_default on rows and on none, examples on rows."""
    examples = carried(serialized(REQUEST))
    runs = []
    for model in models.values():
        default, parsed = (signatures(model.folder)[name] for name in ("serving_default", "examples"))
        for tensors in (named(REQUEST), named(no_rows())):
            inputs = {
                default.inputs[name].name: (NUMBERS_OF_DTYPES[dtype], values)
                for name, (dtype, values) in tensors.items()
            }
            runs.append((model.folder, inputs, default))
        runs.append((model.folder, {parsed.inputs["examples"].name: (7, examples)}, parsed))
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
    return {pair: answers[index * 3 : index * 3 + 3] for index, pair in enumerate(models)}


def assert_same(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    assert set(found) == set(expected)
    for name, values in expected.items():
        if values.dtype.kind == "U":
            assert list(found[name]) == values.tolist()
        else:
            np.testing.assert_allclose(found[name], values, rtol=TOLERANCE, atol=TOLERANCE)


@every_model
def test_a_few_steps_lower_the_loss(models: Any, family: str, target: str) -> None:
    losses = models[family, target].losses
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


@every_model
def test_the_signatures_have_the_names_of_the_columns(models: Any, family: str, target: str) -> None:
    found = signatures(models[family, target].folder)
    assert {name for name in found if not name.startswith("__")} == {
        "serving_default",
        "examples",
        "transform_features",
    }
    for signature in ("serving_default", "transform_features"):
        inputs = found[signature].inputs
        assert {name: inputs[name].dtype for name in inputs} == {
            name: NUMBERS_OF_DTYPES[dtype] for name, (dtype, _) in named(REQUEST).items()
        }
        assert all([dim.size for dim in info.tensor_shape.dim] == [-1] for info in inputs.values())
    assert list(found["examples"].inputs) == ["examples"]


@every_model
def test_the_spec_travels_with_the_model(models: Any, family: str, target: str) -> None:
    from models.export import SPEC_FILE, read_classes

    folder = models[family, target].folder
    spec = ModelSpec.model_validate_json((folder / SPEC_FILE).read_text("utf-8"))
    assert (spec.inputs, spec.model.family) == (inputs_of(target), family)
    assert set(read_classes(folder)) == (set(LABELS[target][1]) if target == "multiclass" else set())


def test_loading_needs_none_of_our_modules(elsewhere: Any) -> None:
    assert elsewhere["modules"] == []


@every_model
def test_answers_are_finite_whatever_is_missing_or_unseen(models: Any, family: str, target: str) -> None:
    answers = models[family, target].answers
    assert {len(values) for values in answers.values()} == {len(REQUEST["class"])}
    assert all(np.isfinite(values).all() for values in answers.values() if values.dtype.kind == "f")


@every_model
def test_a_process_without_this_project_answers_alike(models: Any, elsewhere: Any, family: str, target: str) -> None:
    model = models[family, target]
    default, parsed, features, *_ = elsewhere["folders"][str(model.folder)]["answers"]
    assert_same(default, model.answers)
    assert_same(parsed, model.answers)
    assert_same(features, model.transformed)


@every_model
def test_an_empty_batch_has_an_empty_answer(models: Any, elsewhere: Any, family: str, target: str) -> None:
    model = models[family, target]
    for answers in elsewhere["folders"][str(model.folder)]["answers"][3:]:
        assert answers == {name: [] for name in model.answers}


@every_model
def test_the_cpp_loader_answers_alike(models: Any, native: Any, family: str, target: str) -> None:
    model = models[family, target]
    default, empty, parsed = native[family, target]
    flat = {name: values.reshape(-1) for name, values in model.answers.items()}
    assert_same(default, flat)
    assert_same(parsed, flat)
    assert empty == {name: [] for name in flat}


@every_model
def test_the_evaluators_predictor_answers_alike(models: Any, family: str, target: str) -> None:
    from models.export import load_predictor

    model = models[family, target]
    columns = {name: value.numpy() for name, value in raw_request().items()}
    found = load_predictor(model.folder)(columns)
    if "label" in found:
        found["label"] = np.array([value.decode() for value in found["label"]])
    assert_same(found, model.answers)


def test_the_cpp_loader_says_what_is_wrong(models: dict[tuple[str, str], Model]) -> None:
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
