"""The Keras half of every model: transformed columns to a compiled network."""

from typing import TYPE_CHECKING

from models.items import ITEM, paired
from models.optimizer import build_optimizer
from models.preprocess import transformed_name
from models.raw import safe_name
from models.spec import InputSpec, ModelSpec, family, feature_kind, target_kind
from models.targets import LabelFacts

if TYPE_CHECKING:
    import keras
    import tensorflow as tf
    import tensorflow_transform as tft


def build_network(
    spec: ModelSpec, transformed: "dict[str, tf.TensorSpec]", sizes: dict[str, int], facts: LabelFacts
) -> "keras.Model":
    """Return the network from the transformed columns to the prediction; of an item its id is a column, too.

    Args:
        spec: the model.
        transformed: shape (`[batch, ...]`) and dtype of each transformed column.
        sizes: vocabulary size of each feature that has one.
        facts: what the training split says of the label.
    """
    import keras

    columns, encoded = {}, []
    for name, params in spec.inputs.features.items():
        column = transformed_name(name)
        described = transformed[column]
        columns[column] = keras.Input(described.shape[1:], dtype=described.dtype.name, name=column)
        feature = feature_kind(params).encode(columns[column], params, column, sizes.get(name, 0))
        encoded.append(feature._replace(tower=params.tower))
    target = target_kind(spec.inputs.target)
    asked = [feature for feature in encoded if not target.ITEMS or feature.tower == "query"]
    outputs = family(spec.model).build(asked, spec.model, target.units(spec.inputs.target, facts))
    if target.ITEMS:
        columns[ITEM] = keras.Input((), dtype="int64", name=ITEM)
        told = [feature for feature in encoded if feature.tower == "item"]
        outputs = paired(outputs, told, columns, spec, facts)
    prediction = target.head(outputs, spec.inputs.target, facts)
    return keras.Model(columns, prediction, name=spec.model.family)


def compile_network(
    network: "keras.Model", spec: ModelSpec, steps: int, facts: LabelFacts, *, jit: bool = False
) -> None:
    """Set optimizer, loss and metrics for `steps` training steps in all; `jit` compiles a step with XLA.

    Raises:
        ValueError: the target's settings do not go with the label's facts.
    """
    target, params = target_kind(spec.inputs.target), spec.inputs.target
    network.compile(
        build_optimizer(spec.training, steps),
        loss=target.loss(params, facts),
        metrics=target.watch(params),
        jit_compile=jit,
    )


def vocabulary_sizes(inputs: InputSpec, transform: "tft.TFTransformOutput") -> dict[str, int]:
    """Return the vocabulary size of each feature that tf.Transform made a vocabulary for."""
    names = {name: safe_name(name) for name in inputs.features}
    sizes = {
        name: transform.vocabulary_size_by_name(vocabulary)
        for name, vocabulary in names.items()
        if transform.vocabulary_file_by_name(vocabulary)
    }
    return {name: size for name, size in sizes.items() if size > 0}
