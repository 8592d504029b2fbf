"""Deep & cross network V2: layers that multiply features with each other, stacked under or beside a perceptron.

Wang et al., "DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale Learning to Rank Systems",
2021, https://arxiv.org/abs/2008.13535.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import PositiveInt

from models.encoded import Encoded
from models.families import SearchSpace, choice
from models.families.mlp import Hidden, concatenated, hidden, hidden_space, outputs, penalty

if TYPE_CHECKING:
    from keras import KerasTensor

NEEDS_STEPS = False
TOWERS = False
BEYOND_EDGE = ""


class Params(Hidden):
    """Settings of a deep & cross network, beside those of its hidden layers.

    Attributes:
        cross: how many cross layers; n of them make products of up to n + 1 features.
        rank: rank of the cross layers' weights, `W = U V`: fewer weights where there are many features; left out, full.
        structure: `stacked` (hidden layers over the cross layers) or `parallel` (beside them).
    """

    family: Literal["dcn"] = "dcn"
    cross: PositiveInt = 2
    rank: PositiveInt | None = None
    structure: Literal["stacked", "parallel"] = "stacked"


def build(features: Sequence[Encoded], params: Params, units: int) -> "KerasTensor":
    """Return the `[batch, units] float32` outputs over the cross layers and the hidden layers."""
    import keras

    start = concatenated(features)
    crossed = start
    for index in range(params.cross):
        crossed = cross(start, crossed, params, f"cross_{index}")
    if params.structure == "stacked":
        return outputs(hidden(crossed, params), units)
    return outputs(keras.ops.concatenate([crossed, hidden(start, params)], axis=1), units)


def cross(start: "KerasTensor", signal: "KerasTensor", params: Params, name: str) -> "KerasTensor":
    """Return `start * (W signal + b) + signal`, all `[batch, units]` (the paper's formulas 1 and 2)."""
    import keras

    inner = signal
    if params.rank:
        down = keras.layers.Dense(params.rank, use_bias=False, kernel_regularizer=penalty(params), name=f"{name}_down")
        inner = down(signal)
    weights = keras.layers.Dense(start.shape[1], kernel_regularizer=penalty(params), name=name)
    return start * weights(inner) + signal


def search_space(params: Params) -> SearchSpace:
    """Return the settings that a tuner may vary."""
    return hidden_space(params) | {
        "cross": choice(params.cross, 1, 2, 3, 4),
        "rank": choice(params.rank, None, 16, 64),
        "structure": choice(params.structure, "stacked", "parallel"),
    }
