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
    end stays there and the other one moves alone.
    """
    import numpy as np

    low, high, label = found[:, 0].astype("float64"), found[:, -1].astype("float64"), labels.astype("float64")
    below, above = low - label, label - high
    if params.scale == "log":
        below = np.where(low > 0, np.log1p(low) - np.log1p(label), -np.inf)
        above = np.log1p(label) - np.log1p(high)
    outside = np.sort(np.maximum(below, above))
    share = params.quantiles[-1] - params.quantiles[0]
    return float(outside[min(math.ceil((len(outside) + 1) * share), len(outside)) - 1])


def move(quantiles: Any, outwards: float, params: Params) -> Any:
    """Return `[batch, quantiles] float32` with the first and the last one moved, never beyond the others."""
    from keras import ops

    low, inner, high = quantiles[:, :1], quantiles[:, 1:-1], quantiles[:, -1:]
    if params.scale == "log":
        lower = ops.where(low > 0, ops.expm1(ops.maximum(ops.log1p(low) - outwards, 0.0)), 0.0)
        higher = ops.expm1(ops.maximum(ops.log1p(high) + outwards, 0.0))
    else:
        lower, higher = low - outwards, high + outwards
    fence = inner if inner.shape[1] else (low + high) / 2
    return ops.concatenate([ops.minimum(lower, fence[:, :1]), inner, ops.maximum(higher, fence[:, -1:])], axis=1)
