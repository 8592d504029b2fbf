"""The SavedModel: signatures that any TensorFlow runtime loads, without this project's code and without Keras."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.raw import MISSING, MISSING_INT, fit, from_requests, request_dtype, safe_name, tensor_dtype
from models.spec import InputSpec, ModelSpec, target_kind
from models.targets import LabelFacts

if TYPE_CHECKING:
    import keras
    import tensorflow as tf
    import tensorflow_transform as tft

    from models.dataset import Columns

    Tensors = dict[str, tf.Tensor]

SPEC_FILE = Path("assets.extra", "spec.json")
CLASSES_FILE = Path("assets.extra", "classes.json")
WEIGHTS_FILE = Path("assets.extra", "weights.json")
"""Names of the network's variables, in the order in which the SavedModel holds them."""


def export_model(
    network: "keras.Model", spec: ModelSpec, transform: "tft.TFTransformOutput", facts: LabelFacts, folder: Path
) -> None:
    """Write the SavedModel of `network` behind its transform graph to `folder`.

    Signatures: `serving_default` (named raw inputs, each `[batch]`), `examples` (serialized tf.Example, `[batch]
    string`), `transform_features` (raw inputs to transformed columns) and, by the target, `classify` or `regress`
    (serialized tf.Example to what TensorFlow Serving's method of that name answers). A missing value is NaN or the
    empty string in a named input, and an absent feature in an example.
    """
    import json

    import tensorflow as tf

    inputs, target = spec.inputs, target_kind(spec.inputs.target)
    # Only ever its `call`: once called itself, Keras 2 would trace it again when it is saved, in half of export's time.
    layer = transform.transform_features_layer()
    module = tf.Module(name="penstock")
    # tf.saved_model.save of the Keras 3 model itself does not load in TF's C++ runtime; its variables and functions do
    module.variables_of_network = [variable.value for variable in network.variables]
    module.transform_layer = layer

    # no signature: traced once, called by those below, and by what models.edge makes of the model
    @tf.function(autograph=False, input_signature=[raw_specs(inputs)])
    def predict(columns: "Tensors") -> "Tensors":
        raw = {name: columns[safe_name(name)] for name in inputs.columns}
        answers: Tensors = target.answers(network(layer.call(raw), training=False), facts)
        return answers

    def answer(raw: "Tensors") -> "Tensors":
        answers: Tensors = predict({safe_name(name): raw[name] for name in inputs.columns})
        return answers

    module.predict = predict
    parsed = _parsed(answer, inputs)
    signatures = {
        "serving_default": _named(answer, inputs),
        "examples": parsed,
        "transform_features": _named(lambda raw: dict(layer.call(raw)), inputs),
    }
    if target.METHOD:
        signatures[target.METHOD] = _judged(parsed, lambda answers: target.results(answers, facts))
    tf.saved_model.save(module, str(folder), signatures=signatures)
    _finish_signatures(folder, inputs, target.METHOD)
    (folder / SPEC_FILE).parent.mkdir(exist_ok=True)
    (folder / SPEC_FILE).write_text(spec.model_dump_json(indent=2), "utf-8")
    (folder / WEIGHTS_FILE).write_text(json.dumps([variable.path for variable in network.variables]), "utf-8")
    _write_classes(folder, facts)


def raw_specs(inputs: InputSpec) -> "dict[str, tf.TensorSpec]":
    """Return what the raw columns are inside the graphs, by `safe_name`: `[batch]`, or `[batch, length]` of a list."""
    import tensorflow as tf

    found = {}
    for name in inputs.columns:
        shape = [None, inputs.lengths[name]] if name in inputs.lengths else [None]
        found[safe_name(name)] = tf.TensorSpec(shape, tensor_dtype(inputs.types[name]), safe_name(name))
    return found


def _named(function: "Callable[[Tensors], Tensors]", inputs: InputSpec) -> Any:
    """Trace `function` over one named `[batch]` input per column, `[batch, any length]` of a list."""
    import tensorflow as tf

    names = {safe_name(name): name for name in inputs.columns}
    specs = {
        safe: tf.TensorSpec([None, None] if name in inputs.lengths else [None], request_dtype(inputs.types[name]), safe)
        for safe, name in names.items()
    }

    @tf.function(autograph=False)
    def named(**request: "tf.Tensor") -> "Tensors":
        raw = {names[safe]: value for safe, value in from_requests(request).items()}
        return function(
            raw | {name: fit(raw[name], inputs.lengths[name]) for name in inputs.columns if name in inputs.lengths}
        )

    return named.get_concrete_function(**specs)


def _parsed(function: "Callable[[Tensors], Tensors]", inputs: InputSpec) -> Any:
    """Trace `function` over serialized tf.Examples."""
    import tensorflow as tf

    features = {
        name: tf.io.RaggedFeature(tensor_dtype(inputs.types[name]), row_splits_dtype=tf.int64)
        if name in inputs.lengths
        else tf.io.FixedLenFeature([], tensor_dtype(inputs.types[name]), MISSING[inputs.types[name]])
        for name in inputs.columns
    }

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def parsed(examples: "tf.Tensor") -> "Tensors":
        raw = tf.io.parse_example(examples, features)
        for name in inputs.columns:
            if name in inputs.lengths:
                raw[name] = fit(raw[name].to_tensor(MISSING[inputs.types[name]]), inputs.lengths[name])
        return function(raw)

    return parsed.get_concrete_function()


def _judged(parsed: Any, results: "Callable[[Tensors], Tensors]") -> Any:
    """Trace `results` of what `parsed` answers; its graph is called, not copied."""
    import tensorflow as tf

    # TensorFlow Serving looks for an input of this name
    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def judged(examples: "tf.Tensor") -> "Tensors":
        return results(parsed(examples))

    return judged.get_concrete_function()


def _finish_signatures(folder: Path, inputs: InputSpec, method: str | None) -> None:
    """Write into the SavedModel what `tf.saved_model.save` can't.

    The named inputs get the columns' own names: Python allows identifiers only. The signature for `method` says so:
    TensorFlow says predict of each.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    renamed = {safe_name(name): name for name in inputs.columns if safe_name(name) != name}
    if not (renamed or method):
        return
    file = folder / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    signatures = model.meta_graphs[0].signature_def
    for signature in signatures.values():
        for safe in renamed.keys() & set(signature.inputs):
            signature.inputs[renamed[safe]].CopyFrom(signature.inputs.pop(safe))
    if method:
        signatures[method].method_name = f"tensorflow/serving/{method}"
    file.write_bytes(model.SerializeToString())


def _write_classes(folder: Path, facts: LabelFacts) -> None:
    import json

    if facts.classes:
        (folder / CLASSES_FILE).write_text(json.dumps(facts.classes, ensure_ascii=False), "utf-8")


def read_spec(folder: Path) -> ModelSpec:
    """Return the settings of an exported model."""
    return ModelSpec.model_validate_json((folder / SPEC_FILE).read_bytes())


def read_classes(folder: Path) -> tuple[str, ...]:
    """Return the class names of an exported model by class id, empty for a target without classes."""
    import json

    file = folder / CLASSES_FILE
    return tuple(json.loads(file.read_text("utf-8"))) if file.exists() else ()


def read_weights(folder: Path) -> "Columns":
    """Return the network's variables of an exported model by name, plain arrays; {} of a model without their names."""
    import json

    import tensorflow as tf

    file = folder / WEIGHTS_FILE
    if not file.exists():
        return {}
    stored = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    return {
        name: stored.get_tensor(f"variables_of_network/{index}/.ATTRIBUTES/VARIABLE_VALUE")
        for index, name in enumerate(json.loads(file.read_text("utf-8")))
    }


def read_vocabulary(folder: Path, name: str) -> list[bytes]:
    """Return the words of a vocabulary of an exported model, by id; [] if it has no such vocabulary."""
    file = folder / "assets" / name
    return file.read_bytes().removesuffix(b"\n").split(b"\n") if file.exists() else []


def to_request(column: Any) -> Any:
    """Return a dense raw column as clients send it to `serving_default`: whole numbers as float64, NaN for missing."""
    import numpy as np

    if column.dtype != np.int64:
        return column
    return np.where(column == MISSING_INT, np.nan, column.astype("float64"))


def load_predictor(folder: Path) -> "Callable[[Columns], Columns]":
    """Return a function from dense raw columns to the answers of the model's `serving_default`."""
    import tensorflow as tf

    model = tf.saved_model.load(str(folder))
    signature = model.signatures["serving_default"]

    def predict(columns: "Columns") -> "Columns":
        request = {safe_name(name): tf.constant(to_request(column)) for name, column in columns.items()}
        return {name: answer.numpy() for name, answer in signature(**request).items()}

    # the signature holds its variables weakly: the model must live as long as the function
    predict.model = model  # type: ignore[attr-defined]
    return predict
