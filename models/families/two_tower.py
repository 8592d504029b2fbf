"""Two towers: one reads who asks, the other what is offered; what both came to is compared.

Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations", 2019,
https://doi.org/10.1145/3298689.3346996. The ranking head multiplies the towers' vectors element by element: He et al.,
"Neural Collaborative Filtering", 2017, https://arxiv.org/abs/1708.05031.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import PositiveInt

from models.encoded import Encoded
from models.families import SearchSpace, choice
from models.families.mlp import Hidden, concatenated, hidden, hidden_space, outputs

if TYPE_CHECKING:
    from keras import KerasTensor

NEEDS_STEPS = False
TOWERS = True
BEYOND_EDGE = ""


class Params(Hidden):
    """Settings of two towers: their hidden layers are alike.

    Attributes:
        units: width of the vector that each tower ends in.
        head: units of the hidden layers over both vectors and their product.
    """

    family: Literal["two_tower"] = "two_tower"
    units: PositiveInt = 64
    head: tuple[PositiveInt, ...] = (64,)


def build(features: Sequence[Encoded], params: Params, units: int) -> "KerasTensor":
    """Return the `[batch, units] float32` outputs: of the ranking head, or of the one tower that has features."""
    import keras

    towers = {
        name: [feature for feature in features if feature.tower == name]
        for name in ("query", "item")
        if any(feature.tower == name for feature in features)
    }
    if len(towers) == 1:
        return outputs(hidden(concatenated(features), params), units)
    query, item = (
        outputs(hidden(concatenated(found), params, name), params.units, f"{name}_vector")
        for name, found in towers.items()
    )
    both = keras.ops.concatenate([query, item, query * item], axis=1)
    return outputs(hidden(both, params.model_copy(update={"layers": params.head}), "head"), units)


def search_space(params: Params) -> SearchSpace:
    """Return the settings that a tuner may vary."""
    return hidden_space(params) | {"units": choice(params.units, 16, 32, 64, 128)}
