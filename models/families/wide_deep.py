"""Wide & deep: a linear model that memorizes beside a perceptron that generalizes.

Cheng et al., "Wide & Deep Learning for Recommender Systems", 2016, https://arxiv.org/abs/1606.07792.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from models.encoded import Encoded
from models.families import SearchSpace
from models.families.mlp import Hidden, concatenated, hidden, hidden_space, outputs

if TYPE_CHECKING:
    from keras import KerasTensor

NEEDS_STEPS = False
TOWERS = False
BEYOND_EDGE = ""


class Params(Hidden):
    """Settings of a wide-and-deep network: those of the hidden layers of its deep part."""

    family: Literal["wide_deep"] = "wide_deep"


def build(features: Sequence[Encoded], params: Params, units: int) -> "KerasTensor":
    """Return the sum of the deep part's and the wide part's `[batch, units] float32` outputs."""
    import keras

    deep = outputs(hidden(concatenated(features), params), units, "deep")
    return keras.layers.Add(dtype="float32", name="outputs")([deep, *_wide(features, units)])


def search_space(params: Params) -> SearchSpace:
    """Return the settings that a tuner may vary."""
    return hidden_space(params)


def _wide(features: Sequence[Encoded], units: int) -> "list[KerasTensor]":
    """Return `[batch, units]` terms: a weight per id of each category, and one linear layer over all numbers."""
    import keras

    terms = [
        keras.layers.Embedding(feature.size, units, dtype="float32")(feature.ids)
        for feature in features
        if feature.size
    ]
    numbers = [feature for feature in features if not feature.size]
    if numbers:
        wide = keras.layers.Dense(units, use_bias=False, dtype="float32", name="wide")
        terms.append(wide(concatenated(numbers)))
    return terms
