"""Residual network for tables: blocks that each add a small correction to what came before.

Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data", 2021, https://arxiv.org/abs/2106.11959,
section 3.2 ("ResNet").
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from models.encoded import Encoded
from models.families import Range, SearchSpace, choice
from models.families.mlp import Hidden, Norm, concatenated, dropped, hidden_space, normalized, outputs, penalty

if TYPE_CHECKING:
    from keras import KerasTensor

NEEDS_STEPS = False
TOWERS = False
BEYOND_EDGE = ""


class Params(Hidden):
    """Settings of a residual network, where each hidden layer is the inside of a block.

    Attributes:
        layers: units inside of each block: as many blocks as numbers.
        norm: normalization at each block's entrance and before the outputs.
        width: units of the signal that the blocks add to.
        residual_dropout: share of units dropped of what a block adds; `dropout` is the one inside of it.
    """

    family: Literal["residual"] = "residual"
    layers: tuple[PositiveInt, ...] = Field(default=(256, 256), min_length=1)
    norm: Norm = "batch"
    width: PositiveInt = 128
    residual_dropout: float = Field(default=0.0, ge=0, lt=1)


def build(features: Sequence[Encoded], params: Params, units: int) -> "KerasTensor":
    """Return the `[batch, units] float32` outputs: `Linear(ReLU(Norm(blocks(Linear(x)))))`."""
    import keras

    entrance = keras.layers.Dense(params.width, kernel_regularizer=penalty(params), name="entrance")
    signal = entrance(concatenated(features))
    for index, inside in enumerate(params.layers):
        signal = block(signal, inside, params, index)
    signal = keras.layers.Activation(params.activation)(normalized(signal, params.norm))
    return outputs(signal, units)


def block(signal: "KerasTensor", inside: int, params: Params, index: int) -> "KerasTensor":
    """Return `x + Dropout(Linear(Dropout(ReLU(Linear(Norm(x))))))` of `[batch, width]`."""
    import keras

    up = keras.layers.Dense(inside, kernel_regularizer=penalty(params), name=f"hidden_{index}")
    down = keras.layers.Dense(params.width, kernel_regularizer=penalty(params), name=f"back_{index}")
    added = keras.layers.Activation(params.activation)(up(normalized(signal, params.norm)))
    added = down(dropped(added, params.dropout))
    return signal + dropped(added, params.residual_dropout)


def search_space(params: Params) -> SearchSpace:
    """Return the settings that a tuner may vary."""
    return hidden_space(params) | {
        "layers": choice(params.layers, (128,), (256, 256), (256,) * 4, (512,) * 6),
        "norm": choice(params.norm, "batch", "layer"),
        "width": choice(params.width, 64, 128, 256),
        "residual_dropout": Range(0.0, max(0.3, params.residual_dropout)),
    }
