"""The tower of the items: what a retrieval model trains beside the query, and the search that it serves with."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from models.encoded import Encoded, embed
from models.families.mlp import Hidden, concatenated, hidden, outputs
from models.preprocess import transformed_name
from models.spec import ModelSpec
from models.targets import LabelFacts

if TYPE_CHECKING:
    import keras
    import numpy as np
    from keras import KerasTensor

    from models.dataset import Columns

    Array = np.ndarray[Any, Any]

ITEM = "item__"
"""Name of the column that holds the label's item id beside the features."""
TOWERS = "towers"
"""Name of the layer that the vectors of query and item enter."""
ROWS = 8192


def paired(query: "KerasTensor", item: "KerasTensor", features: Sequence[Encoded], spec: ModelSpec, items: int) -> Any:
    """Return the vectors of queries and of their rows' items, `[batch, 2, units] float32`.

    Args:
        query: `[batch, units] float32`.
        item: `[batch] int64` ids below `items`.
        features: that tell of the item.
        spec: the model.
        items: how many there are.
    """
    import keras

    target = spec.inputs.target
    vector = embed(item, items, target.units, ITEM)
    signal = vector.dense
    if features or target.layers:
        signal = concatenated([vector, *features])
        if target.layers:
            signal = hidden(signal, Hidden(layers=target.layers), "item")
        signal = outputs(signal, target.units, "item_outputs")
    together = keras.layers.Concatenate(axis=1, dtype="float32", name=TOWERS)([query, signal])
    return keras.layers.Reshape((2, target.units), dtype="float32")(together)


def retriever(network: "keras.Model", spec: ModelSpec, facts: LabelFacts, train: "Columns") -> "keras.Model":
    """Return the network that is served: features of the query to `ids` and `scores` of the `k` best items.

    Every item is compared, by one product with all of their vectors: exact, and fast up to some 100,000 items. An
    item's features are those of one of its training rows.

    Args:
        network: query and item to their vectors, trained.
        spec: the model.
        facts: of the label.
        train: the transformed columns of the training split.
    """
    import keras

    inputs = {tensor.name: tensor for tensor in network.inputs}
    query, item = network.get_layer(TOWERS).input
    asked = {transformed_name(name) for name, params in spec.inputs.features.items() if params.tower == "query"}
    told = keras.Model({name: each for name, each in inputs.items() if name not in asked}, _unit(item))
    candidates = keras.layers.Dense(len(facts.classes), use_bias=False, trainable=False, name="candidates")
    scores = candidates(_unit(query))
    candidates.set_weights([_item_vectors(told, train).T])
    values, ids = keras.ops.top_k(scores, min(spec.inputs.target.k, len(facts.classes)))
    served = keras.Model({name: inputs[name] for name in asked}, {"scores": values, "ids": ids}, name=network.name)
    # the next training starts from these, too
    served.towers = network
    return served


def _unit(vectors: "KerasTensor") -> "KerasTensor":
    import keras

    return keras.layers.UnitNormalization(axis=-1, dtype="float32")(vectors)


def _item_vectors(tower: "keras.Model", train: "Columns") -> "Array":
    """Return `[items, units] float32`, by item id."""
    import numpy as np

    _, rows = np.unique(train[ITEM], return_index=True)
    columns = {tensor.name: train[tensor.name][rows] for tensor in tower.inputs}
    return np.asarray(tower.predict(columns, batch_size=ROWS, verbose=0))
