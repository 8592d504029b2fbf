"""Long short-term memory over each sequence, then hidden layers over its last state and all other features.

Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997, https://doi.org/10.1162/neco.1997.9.8.1735; in both
directions: Schuster and Paliwal, "Bidirectional Recurrent Neural Networks", 1997, https://doi.org/10.1109/78.650093.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from models.encoded import Encoded
from models.families import SearchSpace, choice
from models.families.mlp import Hidden, concatenated, dropped, hidden, hidden_space, outputs, penalty

if TYPE_CHECKING:
    from keras import KerasTensor

    Reader = Callable[[KerasTensor, KerasTensor, str], KerasTensor]

Sequences = Literal["each", "aligned"]
NEEDS_STEPS = True
TOWERS = False
BEYOND_EDGE = "TensorListReserve"


class Params(Hidden):
    """Settings of a recurrent network, beside those of its hidden layers; their dropout is also between its layers.

    Attributes:
        cells: units of each recurrent layer.
        direction: `forward`, or `both`, where what comes later also tells what an earlier step means.
        sequences: of several sequences, read `each` by layers of its own, or all of them step by step together where
            they are `aligned`: the first steps belong together, the second ones, and so on.
    """

    family: Literal["lstm"] = "lstm"
    cells: tuple[PositiveInt, ...] = Field(default=(64,), min_length=1)
    direction: Literal["forward", "both"] = "forward"
    sequences: Sequences = "each"


def build(features: Sequence[Encoded], params: Params, units: int) -> "KerasTensor":
    """Return the `[batch, units] float32` outputs.

    Raises:
        ValueError: no feature has steps.
    """

    def read(steps: "KerasTensor", mask: "KerasTensor", name: str) -> "KerasTensor":
        return last_state(steps, mask, params, name)

    return outputs(hidden(over_steps(features, params.sequences, read), params), units)


def last_state(steps: "KerasTensor", mask: "KerasTensor", params: Params, name: str) -> "KerasTensor":
    """Return the state after the last step that is there, `[batch, cells]` a direction; 0 without any step."""
    import keras

    for index, cells in enumerate(params.cells):
        layer = keras.layers.LSTM(
            cells,
            return_sequences=index < len(params.cells) - 1,
            kernel_regularizer=penalty(params),
            recurrent_regularizer=penalty(params),
            # cuDNN's kernel fails on a row without a step, and a model that was traced with it on a GPU serves on
            # no other machine
            use_cudnn=False,
            name=f"{name}_lstm_{index}",
        )
        if params.direction == "both":
            layer = keras.layers.Bidirectional(layer, name=f"{name}_both_{index}")
        steps = dropped(steps, params.dropout if index else 0.0)
        steps = layer(steps, mask=mask)
    return steps


def over_steps(features: Sequence[Encoded], sequences: Sequences, read: "Reader") -> "KerasTensor":
    """Return what `read` makes of the sequences, beside the dense parts of all other features: `[batch, any]`.

    Args:
        features: at least one with steps.
        sequences: `each`: `read` is called for each sequence; `aligned`: once, over the units of all side by side.
        read: (steps `[batch, length, units]`, mask `[batch, length]`, name) to `[batch, any]`; steps that are not
            there are 0.

    Raises:
        ValueError: no feature has steps.
    """
    import keras

    found = [feature for feature in features if feature.steps is not None]
    if not found:
        msg = "this family runs over steps: expected a feature that is a sequence or a text, received none"
        raise ValueError(msg)
    series = [(_present(feature.steps, feature.mask), feature.mask) for feature in found]
    series = series if sequences == "each" else [_aligned(series)]
    parts = [read(steps, mask, f"sequence_{index}") for index, (steps, mask) in enumerate(series)]
    others = [feature for feature in features if feature.steps is None]
    return keras.ops.concatenate([*parts, *([concatenated(others)] if others else [])], axis=1)


def _present(steps: "KerasTensor", mask: "KerasTensor") -> "KerasTensor":
    import keras

    return keras.ops.where(keras.ops.expand_dims(mask, -1), steps, keras.ops.zeros_like(steps))


def _aligned(series: "Sequence[tuple[KerasTensor, KerasTensor]]") -> "tuple[KerasTensor, KerasTensor]":
    """Return the steps side by side, shorter ones padded at their end, and where any of them has a step."""
    import keras

    length = max(steps.shape[1] for steps, _ in series)
    missing = [length - steps.shape[1] for steps, _ in series]
    steps = [keras.ops.pad(steps, [[0, 0], [0, pad], [0, 0]]) for (steps, _), pad in zip(series, missing, strict=True)]
    mask, *masks = [keras.ops.pad(mask, [[0, 0], [0, pad]]) for (_, mask), pad in zip(series, missing, strict=True)]
    for other in masks:
        mask = keras.ops.logical_or(mask, other)
    return keras.ops.concatenate(steps, axis=2), mask


def search_space(params: Params) -> SearchSpace:
    """Return the settings that a tuner may vary."""
    return hidden_space(params) | {
        "cells": choice(params.cells, (32,), (64,), (128,), (64, 64)),
        "direction": choice(params.direction, "forward", "both"),
    }
