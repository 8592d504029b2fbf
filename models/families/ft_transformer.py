"""FT-Transformer: a token a feature, and attention between the tokens.

Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data", 2021, https://arxiv.org/abs/2106.11959,
section 3.3: pre-norm blocks, none before the first attention, a perceptron with ReGLU (Shazeer, "GLU Variants Improve
Transformer", 2020, https://arxiv.org/abs/2002.05202), and the prediction read off a token of its own.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from models.encoded import Encoded
from models.families import Range, SearchSpace, choice
from models.families.mlp import Hidden, dropped, hidden, hidden_space, normalized, outputs, penalty
from models.families.transformer import attend

if TYPE_CHECKING:
    from keras import KerasTensor

NEEDS_STEPS = False
TOWERS = False
BEYOND_EDGE = ""


class Params(Hidden):
    """Settings of an FT-Transformer.

    Attributes:
        layers: units of hidden layers between the last block and the outputs; the paper has none.
        dropout: share of attention's weights, and of units inside of the perceptrons and hidden layers, dropped.
        blocks: how many blocks of attention and a perceptron a token.
        width: units of a token.
        heads: how many tokens each token can look at, at once; the width is shared among them.
        feed_forward: units inside of the perceptron of a block.
        residual_dropout: share of units dropped of what a block adds.
    """

    family: Literal["ft_transformer"] = "ft_transformer"
    layers: tuple[PositiveInt, ...] = ()
    blocks: PositiveInt = 2
    width: PositiveInt = 64
    heads: PositiveInt = 4
    feed_forward: PositiveInt = 96
    residual_dropout: float = Field(default=0.0, ge=0, lt=1)


def build(features: Sequence[Encoded], params: Params, units: int) -> "KerasTensor":
    """Return the `[batch, units] float32` outputs: `Linear(ReLU(LayerNorm(token)))` of the prediction's token."""
    import keras

    signal = tokens(features, params)
    for index in range(params.blocks):
        name = f"block_{index}"
        entered = normalized(signal, "layer") if index else signal
        attended = attend(entered, None, params.heads, params, f"{name}_attention")
        signal = signal + dropped(attended, params.residual_dropout)
        corrected = _feed_forward(normalized(signal, "layer"), params, name)
        signal = signal + dropped(corrected, params.residual_dropout)
    prediction = keras.layers.Activation(params.activation)(normalized(signal[:, 0], "layer"))
    return outputs(hidden(prediction, params), units)


def tokens(features: Sequence[Encoded], params: Params) -> "KerasTensor":
    """Return the prediction's token, then one a feature: `[batch, 1 + features, width]`."""
    import keras

    # a layer needs a tensor of the network as its input: a 0 a row, whatever the row holds
    zeros = keras.ops.zeros_like(features[0].dense[:, :1], dtype="int32")
    found = [keras.layers.Embedding(1, params.width, name="prediction_token")(zeros)]
    for index, feature in enumerate(features):
        layer = keras.layers.Dense(params.width, kernel_regularizer=penalty(params), name=f"token_{index}")
        found.append(keras.ops.expand_dims(layer(feature.dense), 1))
    return keras.ops.concatenate(found, axis=1)


def _feed_forward(signal: "KerasTensor", params: Params, name: str) -> "KerasTensor":
    """Return `W (a * ReLU(b))`, a and b being linear in the token."""
    import keras

    up, gate = (
        keras.layers.Dense(params.feed_forward, activation, kernel_regularizer=penalty(params), name=f"{name}_{part}")
        for part, activation in (("up", None), ("gate", params.activation))
    )
    down = keras.layers.Dense(params.width, kernel_regularizer=penalty(params), name=f"{name}_down")
    return down(dropped(up(signal) * gate(signal), params.dropout))


def search_space(params: Params) -> SearchSpace:
    """Return the settings that a tuner may vary."""
    shared = {name: values for name, values in hidden_space(params).items() if name in ("dropout", "l2")}
    return shared | {
        "blocks": choice(params.blocks, 1, 2, 3, 4),
        "width": choice(params.width, 32, 64, 128),
        "heads": choice(params.heads, 2, 4, 8),
        "feed_forward": choice(params.feed_forward, 64, 96, 192),
        "residual_dropout": Range(0.0, max(0.2, params.residual_dropout)),
    }
