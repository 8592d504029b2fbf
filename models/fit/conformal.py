"""Prediction intervals that hold the share of labels that they should: learned on the eval split after training.

Romano, Patterson and Candès, "Conformalized quantile regression", 2019, https://arxiv.org/abs/1905.03222.
"""

import math
from typing import TYPE_CHECKING, Any

from models.targets.quantile import Params

if TYPE_CHECKING:
    import keras
    import numpy as np

    Array = np.ndarray[Any, Any]


def with_interval(network: "keras.Model", found: "Array", labels: "Array", params: Params) -> "keras.Model":
    """Return the network with the ends of its interval moved by one distance; it shares the weights.

    Args:
        network: of quantiles, `[batch, quantiles]`.
        found: what it says of the eval split, `[rows, quantiles]`.
        labels: of the eval split, `[rows]`.
        params: of the target.
    """
    import keras

    inputs = {tensor.name: tensor for tensor in network.inputs}
    moved = move(network.output, distance(found, labels, params), params)
    return keras.Model(inputs, moved, name=network.name)


def distance(found: "Array", labels: "Array", params: Params) -> float:
    """Return how far outwards both ends must move to hold their share of the labels; below 0: inwards.

    On the scale of the target: of `scale: log` that of log(1 + label). An amount is never below an end at 0, so that
    end stays there and the other one moves alone. Labels between the inner quantiles are inside wherever the ends are.
    """
    import numpy as np

    bend = np.log1p if params.scale == "log" else np.asarray
    low, high, label = (bend(values.astype("float64")) for values in (found[:, 0], found[:, -1], labels))
    first, last = (bend(values.astype("float64")) for values in _inner(found))
    held = label >= first
    if params.scale == "log":
        held |= low <= 0
    below, above = np.where(held, -np.inf, low - label), np.where(label <= last, -np.inf, label - high)
    outside = np.sort(np.maximum(below, above))
    share = params.quantiles[-1] - params.quantiles[0]
    return float(outside[min(math.ceil((len(outside) + 1) * share), len(outside)) - 1])


def move(quantiles: Any, outwards: float, params: Params) -> Any:
    """Return `[batch, quantiles] float32` with the first and the last one moved, never beyond the others."""
    from keras import ops

    low, high = quantiles[:, 0], quantiles[:, -1]
    if params.scale == "log":
        lower = ops.where(low > 0, ops.expm1(ops.maximum(ops.log1p(low) - outwards, 0.0)), 0.0)
        higher = ops.expm1(ops.maximum(ops.log1p(high) + outwards, 0.0))
    else:
        lower, higher = low - outwards, high + outwards
    first, last = _inner(quantiles)
    ends = ops.minimum(lower, first)[:, None], ops.maximum(higher, last)[:, None]
    return ops.concatenate([ends[0], quantiles[:, 1:-1], ends[1]], axis=1)


def _inner(quantiles: Any) -> tuple[Any, Any]:
    """Return the second and the last but one, `[batch]`; of two quantiles their middle, twice."""
    if quantiles.shape[1] == 2:
        middle = (quantiles[:, 0] + quantiles[:, 1]) / 2
        return middle, middle
    return quantiles[:, 1], quantiles[:, -2]
