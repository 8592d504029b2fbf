"""Wide & deep: a linear model that memorizes beside a perceptron that generalizes.

Cheng et al., "Wide & Deep Learning for Recommender Systems", 2016, https://arxiv.org/abs/1606.07792.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from models.encoded import Encoded
from models.families.mlp import hidden
from models.settings import Settings

if TYPE_CHECKING:
    from keras import KerasTensor


class Params(Settings):
    """Settings of a wide-and-deep network.

    Attributes:
        layers: units of each hidden layer of the deep part.
        dropout: share of units dropped after each hidden layer while training.
        l2: weight of the squared-weights penalty of the deep part.
    """

    family: Literal["wide_deep"] = "wide_deep"
    layers: tuple[PositiveInt, ...] = Field(default=(128, 64), min_length=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    l2: float = Field(default=0.0, ge=0)


def build(features: Sequence[Encoded], params: Params, units: int) -> "KerasTensor":
    """Return the sum of the deep part's and the wide part's `[batch, units]` outputs."""
    import keras

    deep = keras.layers.Dense(units, name="deep")(hidden(features, params.layers, params.dropout, params.l2))
    return keras.layers.Add(name="outputs")([deep, *_wide(features, units)])


def _wide(features: Sequence[Encoded], units: int) -> "list[KerasTensor]":
    """Return `[batch, units]` terms: a weight per id of each category, and one linear layer over all numbers."""
    import keras

    terms = [keras.layers.Embedding(feature.size, units)(feature.ids) for feature in features if feature.size]
    numbers = [feature.dense for feature in features if not feature.size]
    if numbers:
        terms.append(keras.layers.Dense(units, use_bias=False, name="wide")(keras.ops.concatenate(numbers, axis=1)))
    return terms
