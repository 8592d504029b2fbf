"""Temporal convolutional network over each sequence, then hidden layers over it and all other features.

Bai et al., "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence Modeling", 2018,
https://arxiv.org/abs/1803.01271: causal, dilated convolutions in residual blocks. Where the paper normalizes weights,
`norm` normalizes sums.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from models.encoded import Encoded, sequence
from models.families import SearchSpace, choice
from models.families.lstm import Sequences, over_steps
from models.families.mlp import Hidden, dropped, hidden, hidden_space, normalized, outputs, penalty

if TYPE_CHECKING:
    from keras import KerasTensor

NEEDS_STEPS = True
TOWERS = False
BEYOND_EDGE = ""


class Params(Hidden):
    """Settings of a convolutional network, beside those of its hidden layers.

    Attributes:
        activation, norm, dropout: also of the convolutions.
        filters: units of each block; the steps between what a block looks at double from block to block.
        kernel: steps that a convolution looks at. n blocks look back over `2 * (kernel - 1) * (2**n - 1)` steps.
        pool: what of the steps goes on: the `last` one, which has seen all that it looks back to, or their `mean`.
        sequences: of several sequences, read `each` by layers of its own, or all of them step by step together where
            they are `aligned`: the first steps belong together, the second ones, and so on.
    """

    family: Literal["tcn"] = "tcn"
    filters: tuple[PositiveInt, ...] = Field(default=(32, 32, 32), min_length=1)
    kernel: int = Field(default=3, ge=2)
    pool: Literal["last", "mean"] = "last"
    sequences: Sequences = "each"


def build(features: Sequence[Encoded], params: Params, units: int) -> "KerasTensor":
    """Return the `[batch, units] float32` outputs.

    Raises:
        ValueError: no feature has steps.
    """

    def read(steps: "KerasTensor", mask: "KerasTensor", name: str) -> "KerasTensor":
        for index in range(len(params.filters)):
            steps = block(steps, mask, params, index, name)
        return last_step(steps, mask) if params.pool == "last" else sequence(steps, mask).dense

    return outputs(hidden(over_steps(features, params.sequences, read), params), units)


def block(steps: "KerasTensor", mask: "KerasTensor", params: Params, index: int, name: str) -> "KerasTensor":
    """Return two convolutions beside a shortcut, `[batch, length, filters]`."""
    import keras

    filters, name = params.filters[index], f"{name}_block_{index}"
    signal = steps
    for half in ("first", "second"):
        looked_at = causal(signal, params.kernel, dilation=2**index)
        layer = keras.layers.Dense(filters, kernel_regularizer=penalty(params), name=f"{name}_{half}")
        signal = keras.layers.Activation(params.activation)(normalized(layer(looked_at), params.norm, mask))
        signal = dropped(signal, params.dropout)
    if steps.shape[-1] != filters:
        steps = keras.layers.Dense(filters, kernel_regularizer=penalty(params), name=f"{name}_shortcut")(steps)
    return keras.layers.Activation(params.activation)(signal + steps)


def causal(steps: "KerasTensor", kernel: int, dilation: int) -> "KerasTensor":
    """Return what a causal convolution looks at: each step beside the `kernel - 1` before it, the nearest one first.

    A dense layer over this is the convolution. TensorFlow's own one, dilated, fails on a batch without a row.

    Returns:
        `[batch, length, kernel * units]`; 0 where a step would be before the first one.
    """
    import keras

    length = steps.shape[1]
    shifts = [min(place * dilation, length) for place in range(kernel)]
    shifted = [keras.ops.pad(steps, [[0, 0], [shift, 0], [0, 0]])[:, :length] for shift in shifts]
    return keras.ops.concatenate(shifted, axis=-1)


def last_step(steps: "KerasTensor", mask: "KerasTensor") -> "KerasTensor":
    """Return the last step that is there, `[batch, units]`; 0 without any."""
    import keras

    later = keras.ops.cumsum(keras.ops.flip(keras.ops.cast(mask, "int32"), axis=1), axis=1)
    chosen = keras.ops.logical_and(mask, keras.ops.equal(keras.ops.flip(later, axis=1), 1))
    return keras.ops.sum(steps * keras.ops.expand_dims(keras.ops.cast(chosen, "float32"), -1), axis=1)


def search_space(params: Params) -> SearchSpace:
    """Return the settings that a tuner may vary."""
    return hidden_space(params) | {
        "filters": choice(params.filters, (32,) * 3, (64,) * 3, (64,) * 4),
        "kernel": choice(params.kernel, 2, 3, 5),
        "pool": choice(params.pool, "last", "mean"),
    }
