"""Start from another model's weights, as far as they mean the same."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.export import read_classes, read_vocabulary, read_weights
from models.preprocess import transformed_name
from models.raw import safe_name
from models.spec import ModelSpec
from models.targets import LabelFacts

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow_transform as tft

    Array = np.ndarray[Any, Any]
    Rows = list[tuple[int, int]]

STEPS_FIRST = 2
PROGRESS = logging.getLogger("penstock.progress")


def warm_start(
    network: "keras.Model", base: Path, spec: ModelSpec, transform: "tft.TFTransformOutput", facts: LabelFacts
) -> int:
    """Give the network the weights of the exported model `base`; return how many variables it took.

    A variable is taken by its name where the shape is the same. An embedding of a feature whose vocabulary has changed
    takes the rows of the words that both have. What has a number a class is taken only if the classes are the same.
    """
    stored = read_weights(base)
    moved = _moved_rows(network, base, spec, transform)
    same_classes = read_classes(base) == facts.classes
    taken = 0
    for variable in network.trainable_variables:
        array = stored.get(variable.path)
        if array is None or (not same_classes and variable.shape[-1] == len(facts.classes)):
            continue
        rows = moved.get(variable.path)
        if rows is not None:
            array = _with_rows(variable.numpy(), array, rows)
        if array is not None and array.shape == tuple(variable.shape):
            variable.assign(array)
            taken += 1
    PROGRESS.info("starting from %d of %d variables of %s", taken, len(network.trainable_variables), base)
    return taken


def _moved_rows(
    network: "keras.Model", base: Path, spec: ModelSpec, transform: "tft.TFTransformOutput"
) -> "dict[str, Rows]":
    """Return, by variable, which row of the base's embedding becomes which one, where the vocabulary has changed.

    An embedding of anything but an input itself gets no rows: what it reads may have changed with the vocabulary.
    """
    import keras

    words: dict[str, tuple[list[bytes], list[bytes]]] = {}
    for name in spec.inputs.features:
        file = transform.vocabulary_file_by_name(safe_name(name))
        if file:
            before, now = read_vocabulary(base, Path(file).name), list(transform.vocabulary_by_name(safe_name(name)))
            if before != now:
                words[transformed_name(name)] = (before, now)
    moved: dict[str, Rows] = {}
    for layer in network.layers if words else []:
        if isinstance(layer, keras.layers.Embedding):
            source = _input_of(layer, network)
            if source is None:
                moved[layer.embeddings.path] = []
            elif source in words:
                # ids of steps begin with those of padding and of unknown words
                first = STEPS_FIRST if len(layer.input.shape) > 1 else 0
                moved[layer.embeddings.path] = _pairs(*words[source], first, layer.input_dim)
    return moved


def _input_of(layer: Any, network: "keras.Model") -> str | None:
    """Return the name of the input that a layer reads as it is, None if it reads anything else."""
    read: Any = layer.input if len(layer._inbound_nodes) == 1 else None
    names: list[str] = [tensor.name for tensor in network.inputs if tensor is read]
    return names[0] if names else None


def _pairs(before: list[bytes], now: list[bytes], first: int, size: int) -> "Rows":
    """Return (row before, row now) of the words that both have, and of the ids before (`first` of them) and after."""
    if not before:
        return []
    known = {word: row for row, word in enumerate(before, first)}
    words = [(known[word], row) for row, word in enumerate(now, first) if word in known]
    after = range(size - len(now) - first)
    ends = [(first + len(before) + row, first + len(now) + row) for row in after]
    return [*((row, row) for row in range(first)), *words, *ends]


def _with_rows(fresh: "Array", stored: "Array", rows: "Rows") -> "Array | None":
    """Return `fresh` with rows of `stored`; None if the embeddings have another width."""
    if fresh.shape[1:] != stored.shape[1:]:
        return None
    for source, place in rows:
        if source < len(stored):
            fresh[place] = stored[source]
    return fresh
