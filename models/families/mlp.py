"""Multi-layer perceptron: everything concatenated, then dense layers.

Over the dense part of a text, which is the mean of the embeddings of its words and n-grams, this is fastText's
classifier with hidden layers: Joulin et al., "Bag of Tricks for Efficient Text Classification", 2016,
https://arxiv.org/abs/1607.01759.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from models.encoded import Encoded
from models.families import Range, SearchSpace, choice
from models.settings import Settings

if TYPE_CHECKING:
    import keras
    from keras import KerasTensor

Activation = Literal["relu", "gelu", "silu", "elu", "selu", "tanh"]
Norm = Literal["none", "batch", "layer"]
NEEDS_STEPS = False
TOWERS = False
BEYOND_EDGE = ""


class Hidden(Settings):
    """Settings of hidden layers, which every family has.

    Attributes:
        layers: units of each hidden layer.
        activation: what follows each hidden layer's sums.
        norm: normalization of each hidden layer's sums, over the batch (Ioffe and Szegedy 2015,
            https://arxiv.org/abs/1502.03167) or over the layer (Ba et al. 2016, https://arxiv.org/abs/1607.06450).
        dropout: share of units dropped after each hidden layer while training.
        l1: weight of the penalty on absolute weights, of all layers but the outputs and the embeddings.
        l2: weight of the penalty on squared weights, of the same layers.
    """

    layers: tuple[PositiveInt, ...] = Field(default=(128, 64), min_length=1)
    activation: Activation = "relu"
    norm: Norm = "none"
    dropout: float = Field(default=0.0, ge=0, lt=1)
    l1: float = Field(default=0.0, ge=0)
    l2: float = Field(default=0.0, ge=0)


class Params(Hidden):
    """Settings of a multi-layer perceptron: those of its hidden layers."""

    family: Literal["mlp"] = "mlp"


def build(features: Sequence[Encoded], params: Params, units: int) -> "KerasTensor":
    """Return the `[batch, units] float32` outputs of the perceptron."""
    return outputs(hidden(concatenated(features), params), units)


def search_space(params: Params) -> SearchSpace:
    """Return the settings that a tuner may vary."""
    return hidden_space(params)


def hidden_space(params: Hidden) -> SearchSpace:
    """Return what a tuner may vary of hidden layers."""
    return {
        "layers": choice(params.layers, (64, 32), (128, 64), (256, 128, 64), (512, 256)),
        "activation": choice(params.activation, "relu", "gelu", "silu"),
        "norm": choice(params.norm, "none", "batch", "layer"),
        "dropout": Range(0.0, max(0.5, params.dropout)),
        "l2": Range(1e-7, max(1e-2, params.l2), log=True),
    }


def concatenated(features: Sequence[Encoded]) -> "KerasTensor":
    """Return the dense parts of all features side by side, `[batch, sum of units] float32`."""
    import keras

    return keras.ops.concatenate([feature.dense for feature in features], axis=1)


def hidden(signal: "KerasTensor", params: Hidden, name: str = "hidden") -> "KerasTensor":
    """Return the last hidden layer over `[batch, any]`: `[batch, layers[-1]]`, or the signal itself without layers."""
    import keras

    for index, width in enumerate(params.layers):
        sums = keras.layers.Dense(width, kernel_regularizer=penalty(params), name=f"{name}_{index}")(signal)
        signal = keras.layers.Activation(params.activation)(normalized(sums, params.norm))
        signal = dropped(signal, params.dropout)
    return signal


def outputs(signal: "KerasTensor", units: int, name: str = "outputs") -> "KerasTensor":
    """Return a linear layer over `[batch, any]`: `[batch, units] float32`, in mixed precision too."""
    import keras

    return keras.layers.Dense(units, dtype="float32", name=name)(signal)


def penalty(params: Hidden) -> "keras.regularizers.Regularizer | None":
    """Return the penalty on a layer's weights, None where there is none."""
    import keras

    return keras.regularizers.L1L2(params.l1, params.l2) if params.l1 or params.l2 else None


def dropped(signal: "KerasTensor", share: float) -> "KerasTensor":
    """Return the signal after dropout (Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html)."""
    import keras

    return keras.layers.Dropout(share)(signal) if share else signal


def normalized(signal: "KerasTensor", norm: Norm, mask: "KerasTensor | None" = None) -> "KerasTensor":
    """Return the signal normalized over its last axis or over the batch.

    Args:
        signal: `[batch, ..., units]`.
        norm: how.
        mask: `[batch, ...] bool`, what counts for the batch's mean and deviation; None: all.
    """
    import keras

    if norm == "batch":
        # Keras' own momentum of 0.99 still remembers the initial values after the few hundred steps of a small table
        return keras.layers.BatchNormalization(momentum=0.9)(signal, mask=mask)
    return keras.layers.LayerNormalization(epsilon=1e-5)(signal) if norm == "layer" else signal
