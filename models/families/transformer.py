"""Transformer encoder over each sequence or text, then hidden layers over its mean and all other features.

Vaswani et al., "Attention Is All You Need", 2017, https://arxiv.org/abs/1706.03762, with the normalization before
attention, which trains without a warm-up: Xiong et al., "On Layer Normalization in the Transformer Architecture",
2020, https://arxiv.org/abs/2002.04745.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import PositiveInt

from models.encoded import Encoded, sequence
from models.families import SearchSpace, choice
from models.families.lstm import Sequences, over_steps
from models.families.mlp import Hidden, dropped, hidden, hidden_space, normalized, outputs, penalty

if TYPE_CHECKING:
    import numpy as np
    from keras import KerasTensor

NEEDS_STEPS = True
TOWERS = False
BEYOND_EDGE = "Einsum"


class Params(Hidden):
    """Settings of a transformer encoder, beside those of its hidden layers; their dropout is also in its blocks.

    Attributes:
        blocks: how many blocks of attention and a perceptron a step.
        width: units a step.
        heads: how many places each step can look at, at once; the width is shared among them.
        feed_forward: units inside of the perceptron of a block.
        positions: how a step knows its place: `sinusoidal`, without weights, or `learned`.
        sequences: of several sequences, read `each` by layers of its own, or all of them step by step together where
            they are `aligned`: the first steps belong together, the second ones, and so on.
    """

    family: Literal["transformer"] = "transformer"
    blocks: PositiveInt = 2
    width: PositiveInt = 64
    heads: PositiveInt = 4
    feed_forward: PositiveInt = 128
    positions: Literal["sinusoidal", "learned"] = "sinusoidal"
    sequences: Sequences = "each"


def build(features: Sequence[Encoded], params: Params, units: int) -> "KerasTensor":
    """Return the `[batch, units] float32` outputs.

    Raises:
        ValueError: no feature has steps.
    """

    def read(steps: "KerasTensor", mask: "KerasTensor", name: str) -> "KerasTensor":
        return sequence(encoder(steps, mask, params, name), mask).dense

    return outputs(hidden(over_steps(features, params.sequences, read), params), units)


def encoder(steps: "KerasTensor", mask: "KerasTensor", params: Params, name: str) -> "KerasTensor":
    """Return the steps after all blocks, `[batch, length, width]`; no step sees one that is not there."""
    import keras

    entrance = keras.layers.Dense(params.width, kernel_regularizer=penalty(params), name=f"{name}_entrance")
    signal = dropped(entrance(steps) + _positions(mask, params, name), params.dropout)
    for index in range(params.blocks):
        block = f"{name}_block_{index}"
        attended = attend(normalized(signal, "layer"), mask, params.heads, params, f"{block}_attention")
        signal = signal + dropped(attended, params.dropout)
        signal = signal + _feed_forward(normalized(signal, "layer"), params, block)
    return normalized(signal, "layer")


def attend(signal: "KerasTensor", mask: "KerasTensor | None", heads: int, params: Hidden, name: str) -> "KerasTensor":
    """Return what each step gathers from all steps that are there, `[batch, length, width]` (multi-head attention).

    Args:
        signal: `[batch, length, width]`.
        mask: `[batch, length] bool`, which steps are there; None: all. In a row without any, all count alike.
        heads: how many sets of weights.
        params: dropout of the weights, and penalties.
        name: of the layer.
    """
    import keras

    # of one unit a head, Keras 3.15 adds the bias along the steps where there are as many of them as heads
    units = max(2, signal.shape[-1] // heads)
    layer = keras.layers.MultiHeadAttention(
        heads, units, dropout=params.dropout, kernel_regularizer=penalty(params), name=name
    )
    return layer(signal, signal, attention_mask=None if mask is None else keras.ops.expand_dims(mask, 1))


def _feed_forward(signal: "KerasTensor", params: Params, name: str) -> "KerasTensor":
    import keras

    up = keras.layers.Dense(
        params.feed_forward, params.activation, kernel_regularizer=penalty(params), name=f"{name}_up"
    )
    down = keras.layers.Dense(params.width, kernel_regularizer=penalty(params), name=f"{name}_down")
    return dropped(down(dropped(up(signal), params.dropout)), params.dropout)


def _positions(mask: "KerasTensor", params: Params, name: str) -> "KerasTensor | np.ndarray[Any, Any]":
    """Return a vector a place, `[1, length, width]`."""
    import keras

    if params.positions == "sinusoidal":
        return sinusoids(mask.shape[1], params.width)[None]
    # a layer needs a tensor of the network as its input: the places 0, 1, 2, ... made from the first row's mask
    places = keras.ops.cumsum(keras.ops.ones_like(mask[:1, :], dtype="int32"), axis=1) - 1
    return keras.layers.Embedding(mask.shape[1], params.width, name=f"{name}_positions")(places)


def sinusoids(length: int, width: int) -> "np.ndarray[Any, Any]":
    """Return `[length, width] float32`: sines, then cosines, of wavelengths from 2 pi to 20,000 pi steps."""
    import numpy as np

    half = -(-width // 2)
    angles = np.arange(length)[:, None] / 10_000 ** (np.arange(half) / half)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)[:, :width].astype("float32")


def search_space(params: Params) -> SearchSpace:
    """Return the settings that a tuner may vary."""
    return hidden_space(params) | {
        "blocks": choice(params.blocks, 1, 2, 4),
        "width": choice(params.width, 32, 64, 128),
        "heads": choice(params.heads, 2, 4, 8),
        "feed_forward": choice(params.feed_forward, 64, 128, 256),
        "positions": choice(params.positions, "sinusoidal", "learned"),
    }
