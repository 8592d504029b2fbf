"""Models of every family and every target on one table that has every kind of feature, trained and exported.

Columns have names that Python, Keras or TensorFlow would not take as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from models.discovery import discover
from models.items import ITEM
from models.raw import RawType, fit, from_request, tensor_dtype
from models.spec import InputSpec, ModelSpec, columns_read, target_kind

ROWS = 64
EPOCHS = 10

# name: (raw type, values in turn)
COLUMNS: dict[str, tuple[RawType, list[Any]]] = {
    "body mass (g)": ("float", [3000.0, 4000.0, None, 5500.5]),
    "class": ("bytes", ["first", "zweite", None]),
    "from": ("bytes", ["a", "b", None]),
    "to": ("bytes", ["b", "c"]),
    "größe": ("int", [150, 160, 170, 180, None]),
    "a.b": ("bytes", ["2024-02-29", "2023-01-01T12:00+01:00", None]),
    "2nd": ("int", [1_700_000_000, 0, None]),
    "self": ("int", [7, 8, 9, None]),
    "_x": ("float", [-1.0, 0.5, 2.0]),
    "hidden_0": ("float", [0.1, 0.2]),
    "deep": ("float", [None]),
    "logs": ("float", [-5.0, 0.0, 1e6, None]),
    "yes?": ("bytes", ["yes", "no", None, "maybe"]),
    "user id": ("int", [1, 2, 3, None]),
    "hashed": ("bytes", ["u", "v", None]),
    "said, then": ("bytes", ["Größe: good!", "not good", None, "?"]),
    "last sales": ("float", [[1.0, 2.0, 3.0, 4.0], [5.0], [], None]),
    "return": ("bytes", [["a", "b"], None, ["b", "", "c", "a", "a"]]),
    "visited ids": ("int", [[1, 2], [3], None]),
    "vector": ("float", [[0.5, 1.0], [1.5, -1.0], None, [1.0]]),
}
FEATURES: dict[str, dict[str, Any]] = {
    "body mass (g)": {"kind": "numeric"},
    "class": {"kind": "categorical", "oov_buckets": 2, "tower": "item"},
    "from": {"kind": "categorical", "shared": "places"},
    "to": {"kind": "categorical", "shared": "places"},
    "größe": {"kind": "bucketized", "buckets": 4},
    "a.b": {"kind": "datetime", "age": True},
    "2nd": {"kind": "datetime", "parts": ["hour"]},
    "2nd to a.b": {"kind": "elapsed", "columns": ["2nd", "a.b"]},
    "mass as a bucket": {"kind": "bucketized", "column": "body mass (g)", "buckets": 2},
    "last two sales": {"kind": "sequence", "column": "last sales", "length": 2},
    "self": {"kind": "categorical"},
    "_x": {"kind": "bucketized", "bounds": [0.0, 1.0]},
    "hidden_0": {"kind": "numeric", "scale": "minmax", "missing": "median"},
    "deep": {"kind": "numeric", "scale": "none"},
    "logs": {"kind": "numeric", "scale": "log", "missing": 3.0},
    "yes?": {"kind": "boolean"},
    "user id": {"kind": "embedding", "units": 3, "l2": 1e-4},
    "hashed": {"kind": "categorical", "hash_buckets": 4},
    "class x self": {"kind": "crossed", "columns": ["class", "self"], "hash_buckets": 8},
    "p.c.a.": {"kind": "pca", "columns": ["hidden_0", "logs"], "components": 1},
    "said, then": {"kind": "text", "max_tokens": 3, "ngrams": 2},
    "last sales": {"kind": "sequence", "length": 3},
    "return": {"kind": "sequence", "of": "ids", "length": 3},
    "visited ids": {"kind": "sequence", "of": "ids", "length": 2, "top_k": 2},
    "vector": {"kind": "vector", "length": 2},
}
UNSEEN: dict[RawType, Any] = {"bytes": "never seen, ü", "int": 10**9, "float": -1e9}
DTYPES: dict[RawType, str] = {"bytes": "string", "int": "float64", "float": "float32"}
NUMBER: tuple[RawType, list[Any]] = ("float", [10.0, 20.0, 60.5])
LABELS: dict[str, tuple[RawType, list[Any]]] = {
    "binary": ("int", [0, 1, 1]),
    "multiclass": ("bytes", ["first", "größe", "none"]),
    "multi_label": ("bytes", ["first;größe", "none", "größe", "first"]),
    "retrieval": ("bytes", ["first", "größe", "third"]),
}
CLASSES = {
    "multiclass": {"first", "größe", "none"},
    "multi_label": {"first", "größe"},
    "retrieval": {"first", "größe", "third"},
}
FAMILIES, TARGETS = discover("models.families"), discover("models.targets")
FIRST = ("mlp", "binary")
QUICK = {*((family, "binary") for family in FAMILIES), *(("mlp", one) for one in TARGETS), ("two_tower", "retrieval")}
# every family once and every target once, all pairs with the slow tests: they take minutes
PAIRS = [
    pytest.param((family, target), id=f"{family}-{target}", marks=() if (family, target) in QUICK else pytest.mark.slow)
    for family in FAMILIES
    for target in TARGETS
]
# what the first of them reads, and what all others do
EVERY_KIND, FEW = "every kind", "few"
ON_DEVICE = ("body mass (g)", "from", "to", "größe", "_x", "p.c.a.", "last two sales", "last sales", "return", "vector")
GROUPS = {
    EVERY_KIND: FEATURES,
    FEW: {name: FEATURES[name] for name in ("body mass (g)", "class", "said, then", "last sales")},
}

Named = dict[str, tuple[str, list[Any], list[int]]]
Request = Mapping[str, list[Any]]


class Model(NamedTuple):
    """A trained and exported model.

    Attributes:
        family: of the network.
        target: kind of its label.
        classes: what the label may be; empty of a number.
        inputs: what enters it.
        folder: the SavedModel.
        losses: by epoch.
        answers: to `request`, by the network itself.
        transformed: the columns of `request` after tf.Transform.
    """

    family: str
    target: str
    classes: set[str]
    inputs: InputSpec
    folder: Path
    losses: list[float]
    answers: dict[str, Any]
    transformed: dict[str, Any]

    @property
    def rows(self) -> dict[str, list[Any]]:
        """Rows of the train split, one that training never saw, one with nothing at all."""
        return {name: [*cycle(COLUMNS[name][1])[:12], unseen(self.inputs, name), None] for name in self.inputs.columns}

    @property
    def request(self) -> Named:
        """The rows as named tensors."""
        return named(self.rows, self.inputs)

    @property
    def empty(self) -> Named:
        """No row, as named tensors."""
        return named({name: [] for name in self.inputs.columns}, self.inputs)

    @property
    def examples(self) -> list[bytes]:
        """The rows as serialized tf.Examples."""
        return serialized(self.rows)

    @property
    def raw(self) -> dict[str, Any]:
        """The rows as dense raw columns."""
        return raw_columns(self.rows, self.inputs)


def cycle(values: list[Any]) -> list[Any]:
    return [values[row % len(values)] for row in range(ROWS)]


def unseen(inputs: InputSpec, name: str) -> Any:
    """A value that training never saw; a list longer than any."""
    value = UNSEEN[COLUMNS[name][0]]
    return [value] * 7 if name in inputs.lengths else value


def label_of(target: str) -> tuple[RawType, list[Any]]:
    """Raw type and values in turn of a target's label."""
    return LABELS.get(target, NUMBER)


def label_column(target: str) -> str:
    """The label of each target, before and after tf.Transform."""
    return f"label_{target}"


def inputs_of(target: str, features: Mapping[str, Any]) -> InputSpec:
    described = {name: settings.get("columns", [settings.get("column", name)]) for name, settings in features.items()}
    types = {name: COLUMNS[name][0] for names in described.values() for name in names}
    labels = {label_column(name): label_of(name)[0] for name in TARGETS}
    label = {"kind": target, "column": label_column(target)}
    return InputSpec.model_validate({"types": types | labels, "features": features, "target": label})


def table() -> dict[str, list[Any]]:
    """The train split."""
    labels = {label_column(target): cycle(label_of(target)[1]) for target in TARGETS}
    return {name: cycle(values) for name, (_, values) in COLUMNS.items()} | labels


def named(request: Request, inputs: InputSpec) -> Named:
    """The request as `{column: (dtype, flat values, shape)}`, lists padded to the longest."""
    found: Named = {}
    for name, values in request.items():
        dtype = DTYPES[COLUMNS[name][0]]
        marker = "" if dtype == "string" else math.nan
        if name not in inputs.lengths:
            found[name] = (dtype, [marker if value is None else value for value in values], [len(values)])
            continue
        rows = [value or [] for value in values]
        longest = max(map(len, rows), default=0)
        flat = [each for row in rows for each in [*row, *[marker] * (longest - len(row))]]
        found[name] = (dtype, flat, [len(rows), longest])
    return found


def serialized(request: Request) -> list[bytes]:
    """The request as tf.Examples; a missing value is an absent feature."""
    import tensorflow as tf

    def feature(raw_type: RawType, value: Any) -> Any:
        values = value if isinstance(value, list) else [value]
        if raw_type == "bytes":
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[each.encode() for each in values]))
        if raw_type == "int":
            return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))

    rows = [dict(zip(request, row, strict=True)) for row in zip(*request.values(), strict=True)]
    messages = [
        {name: feature(COLUMNS[name][0], value) for name, value in row.items() if value is not None} for row in rows
    ]
    return [tf.train.Example(features=tf.train.Features(feature=one)).SerializeToString() for one in messages]


def raw_columns(request: Request, inputs: InputSpec) -> dict[str, Any]:
    """Dense raw columns, lists in the length that the model reads."""
    import tensorflow as tf

    tensors = named(request, inputs).items()
    raw = {name: from_request(tf.constant(values, dtype, shape)) for name, (dtype, values, shape) in tensors}
    return raw | {name: fit(raw[name], length) for name, length in inputs.lengths.items()}


@pytest.fixture(scope="session")
def transforms(analyze: Any) -> dict[str, Any]:
    """What tf.Transform makes of the table, with every target's label, by group of features."""
    targets = [inputs_of(target, FEATURES).target for target in TARGETS]
    return {group: analyze(inputs_of("binary", GROUPS[group]), table(), targets) for group in GROUPS}


@pytest.fixture(scope="session")
def models(
    request: pytest.FixtureRequest, transforms: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Model]:
    """Every pair of family and target that the chosen tests ask for, trained for a few steps and exported."""
    root = tmp_path_factory.mktemp("models")
    chosen = [item.callspec.params.get("model") for item in request.session.items if hasattr(item, "callspec")]
    pairs = dict.fromkeys([FIRST, *(pair for pair in chosen if pair)])
    groups = {pair: EVERY_KIND if pair == FIRST else FEW for pair in pairs}
    return {pair: build(pair, transforms[group], GROUPS[group], root.joinpath(*pair)) for pair, group in groups.items()}


@pytest.fixture(params=PAIRS)
def model(request: pytest.FixtureRequest, models: dict[tuple[str, str], Model]) -> Model:
    """Each of the models."""
    return models[request.param]


@pytest.fixture(scope="session")
def every_kind() -> InputSpec:
    """All features of the table."""
    return inputs_of("binary", FEATURES)


@pytest.fixture(scope="session")
def build_for_device(analyze: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Model]:
    """`build_for_device(family, target)`: a model of features that a device can read, trained for a step."""
    features = {name: settings for name, settings in FEATURES.items() if name in ON_DEVICE}
    transform = analyze(inputs_of("binary", features), table(), [inputs_of(one, features).target for one in TARGETS])

    def run(family: str, target: str) -> Model:
        return build((family, target), transform, features, tmp_path_factory.mktemp("device"), 1)

    return run


def build(
    pair: tuple[str, str], transform: Any, features: Mapping[str, Any], folder: Path, epochs: int = EPOCHS
) -> Model:
    from models.export import export_model
    from models.fit.loop import Splits
    from models.train import Task, finish, label_facts

    family, target = pair
    inputs = inputs_of(target, features)
    few = {"layers": [8]} if "layers" in FAMILIES[family].Params.model_fields else {}
    spec = ModelSpec.model_validate({"inputs": inputs, "model": {"family": family} | few})
    columns = transformed(inputs, transform)
    network, losses = train(spec, columns, transform, epochs)
    facts = label_facts(spec, columns[label_column(target)], transform)
    network = finish(network, Task(spec, transform, facts, Splits(columns, columns, label_column(target))))
    export_model(network, spec, transform, facts, folder)
    asked = Model(family, target, CLASSES.get(target, set()), inputs, folder, losses, {}, {})
    asked_for = dict(transform.transform_features_layer()(asked.raw))
    answers = target_kind(inputs.target).answers(network(asked_for, training=False), facts)
    return asked._replace(answers=as_arrays(answers), transformed=as_arrays(asked_for))


def transformed(inputs: InputSpec, transform: Any) -> dict[str, Any]:
    """The train split after tf.Transform."""
    import tensorflow as tf

    values = table()
    read = columns_read(inputs.features)
    raw = raw_columns({name: values[name] for name in read}, inputs)
    for target in TARGETS:
        name, raw_type = label_column(target), label_of(target)[0]
        raw[name] = tf.constant(values[name], tensor_dtype(raw_type))
    found = {name: column.numpy() for name, column in transform.transform_features_layer()(raw).items()}
    return found | {ITEM: found[label_column(inputs.target.kind)]}


def train(spec: ModelSpec, columns: dict[str, Any], transform: Any, epochs: int) -> tuple[Any, list[float]]:
    """The network after a few steps on the transformed columns, with its losses."""
    import keras
    import tensorflow as tf

    from models.network import build_network, compile_network, vocabulary_sizes
    from models.train import label_facts

    keras.utils.set_random_seed(1)
    labels = columns[spec.inputs.target.column]
    facts = label_facts(spec, labels, transform)
    shapes = {name: tf.TensorSpec([None, *column.shape[1:]], column.dtype) for name, column in columns.items()}
    network = build_network(spec, shapes, vocabulary_sizes(spec.inputs, transform), facts)
    compile_network(network, spec, max(epochs, 1), facts)
    fed = {name: columns[name] for name in network.input}
    history = network.fit(fed, labels, batch_size=ROWS, epochs=epochs, verbose=0).history if epochs else {"loss": []}
    return network, history["loss"]


def as_arrays(tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {name: as_text(tensor.numpy()) for name, tensor in tensors.items()}


def as_text(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array, bytes as text."""
    return np.char.decode(array.astype(bytes), "utf-8") if array.dtype == object else array


@pytest.fixture(scope="session")
def kinds() -> set[str]:
    """The kinds of features that the table has."""
    return {settings["kind"] for settings in FEATURES.values()}


@pytest.fixture(scope="session")
def train_kind(transforms: dict[str, Any]) -> Callable[[str, int], tuple[Any, list[float]]]:
    """`train_kind(kind, epochs)`: a network of one kind of features alone, and its losses."""
    transform = transforms[EVERY_KIND]
    columns = transformed(inputs_of("binary", FEATURES), transform)

    def run(kind: str, epochs: int) -> tuple[Any, list[float]]:
        features = {name: settings for name, settings in FEATURES.items() if settings["kind"] == kind}
        model = {"family": "mlp", "layers": [8], "activation": "tanh"}
        return train(
            ModelSpec.model_validate({"inputs": inputs_of("binary", features), "model": model}),
            columns,
            transform,
            epochs,
        )

    return run
