"""The tower of the items: what a retrieval model trains beside the query, and the search that it serves with."""

from collections.abc import Mapping, Sequence
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
    Inputs = Mapping[str, KerasTensor]

ITEM = "item__"
"""Name of the column that holds the label's item id beside the features."""
TOWERS = "towers"
"""Name of the layer that the vectors of query and item enter."""
ROWS = 8192
STEPS_FIRST = 2
MOST = 8
"""Times that are told apart in a list: so often, or more."""


def paired(
    query: "KerasTensor", features: Sequence[Encoded], columns: "Inputs", spec: ModelSpec, facts: LabelFacts
) -> Any:
    """Return the vectors of queries and of their rows' items, `[batch, 2, units] float32`, of length 1.

    With `repeats` as many numbers follow as the batch has rows: a query's are what its lists add to the scores of the
    rows' items, an item's are 1 in its own place. So the product of any two is the whole score.

    Args:
        query: `[batch, units] float32`.
        features: that tell of the item.
        columns: the network's inputs by name, ITEM (`[batch] int64`) among them.
        spec: the model.
        facts: of the label.
    """
    import keras

    target = spec.inputs.target
    vector = embed(columns[ITEM], len(facts.classes), target.units, ITEM)
    signal = vector.dense
    if features or target.layers:
        signal = concatenated([vector, *features])
        if target.layers:
            signal = hidden(signal, Hidden(layers=target.layers), "item")
        signal = outputs(signal, target.units, "item_outputs")
    together = keras.layers.Concatenate(axis=1, dtype="float32", name=TOWERS)([query, signal])
    pair = _unit(keras.layers.Reshape((2, target.units), dtype="float32")(together))
    if not target.repeats:
        return pair
    times = [keras.ops.take(seen, columns[ITEM], axis=1) for seen in _seen(columns, spec, facts)]
    names = [_repeats_name(name) for name in target.repeats]
    layers = [keras.layers.Embedding(MOST + 1, 1, "zeros", dtype="float32", name=name) for name in names]
    place = keras.ops.cumsum(keras.ops.ones_like(columns[ITEM]))
    own = keras.ops.cast(keras.ops.equal(keras.ops.expand_dims(place, 1), place), "float32")
    more = keras.ops.stack([_again(times, layers), own], axis=1)
    return keras.ops.concatenate([pair, more], axis=2)


def _seen(columns: "Inputs", spec: ModelSpec, facts: LabelFacts) -> "list[KerasTensor]":
    """Return how often each of the lists that `repeats` names has each item, at most MOST: `[batch, items] int32`."""
    import keras
    import numpy as np

    count, found = len(facts.classes), []
    for name in spec.inputs.target.repeats:
        # the ids of steps begin with those of padding and of unknown words
        items = np.array([-1] * STEPS_FIRST + list(facts.named[name]))
        steps = keras.ops.take(np.where(items < 0, count, items), columns[transformed_name(name)], axis=0)
        times = keras.ops.bincount(steps, minlength=count + 1)[:, :count]
        found.append(keras.ops.reshape(keras.ops.minimum(times, MOST), (-1, count)))
    return found


def _repeats_name(name: str) -> str:
    """Return the name of the layer with what an item scores more that the list has once, twice, and so on."""
    return f"{transformed_name(name)}_repeats"


def _again(seen: "Sequence[KerasTensor]", layers: "Sequence[keras.layers.Layer]") -> "KerasTensor":
    """Return what the lists add to the scores of items, `[batch, items] float32`, that they have `seen` so often."""
    return sum(layer(times)[:, :, 0] for layer, times in zip(layers, seen, strict=True))


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
    repeats = spec.inputs.target.repeats
    if repeats:
        layers = [network.get_layer(_repeats_name(name)) for name in repeats]
        scores = scores + _again(_seen(inputs, spec, facts), layers)
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
