"""Multi-layer perceptron: everything concatenated, then dense layers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from models.encoded import Encoded
from models.settings import Settings

if TYPE_CHECKING:
    from keras import KerasTensor


class Params(Settings):
    """Settings of a multi-layer perceptron.

    Attributes:
        layers: units of each hidden layer.
        dropout: share of units dropped after each hidden layer while training.
        l2: weight of the squared-weights penalty.
    """

    family: Literal["mlp"] = "mlp"
    layers: tuple[PositiveInt, ...] = Field(default=(128, 64), min_length=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    l2: float = Field(default=0.0, ge=0)


def build(features: Sequence[Encoded], params: Params, units: int) -> "KerasTensor":
    """Return the `[batch, units]` outputs of the perceptron."""
    import keras

    return keras.layers.Dense(units, name="outputs")(hidden(features, params.layers, params.dropout, params.l2))


def hidden(features: Sequence[Encoded], layers: Sequence[int], dropout: float, l2: float) -> "KerasTensor":
    """Return the last hidden layer, `[batch, layers[-1]]`, over the concatenated dense parts of all features."""
    import keras

    signal = keras.ops.concatenate([feature.dense for feature in features], axis=1)
    for index, width in enumerate(layers):
        penalty = keras.regularizers.L2(l2) if l2 else None
        signal = keras.layers.Dense(width, "relu", kernel_regularizer=penalty, name=f"hidden_{index}")(signal)
        signal = keras.layers.Dropout(dropout)(signal) if dropout else signal
    return signal
