"""What is learned on the eval split after training, and becomes part of the network: shares that are true."""

from typing import TYPE_CHECKING, Any

from models.fit.conformal import with_interval
from models.spec import ModelSpec, target_kind
from models.targets import LabelFacts

if TYPE_CHECKING:
    import keras
    import numpy as np

    from models.dataset import Columns

    Array = np.ndarray[Any, Any]

HALVINGS = 60
LARGEST = 100.0
"""Bounds of a temperature: from 1/100 to 100."""
GROUPS = 1000
"""Groups of rows with nearby scores that the isotonic regression starts from, so that it takes any number of rows."""
SLOPE = 1e-3
"""Share of the uncalibrated probability that stays in the isotonic one, so that no two rows' order is lost."""


def calibrated(
    network: "keras.Model", spec: ModelSpec, facts: LabelFacts, evaluation: "Columns", label: str
) -> "keras.Model":
    """Return the network with the calibration that the target asks for, learned on `evaluation`; it shares the weights.

    Temperature scaling (Guo et al. 2017) divides the logits by one number; isotonic regression (Zadrozny & Elkan 2002)
    gives the share of positive rows among those of nearby scores. `conformal` is in models/fit/conformal.py.
    """
    import keras

    target = spec.inputs.target
    method = getattr(target, "calibration", "none")
    if method == "none":
        return network
    if method == "conformal":
        return with_interval(network, predict(network, evaluation), evaluation[label], target)
    inputs = {tensor.name: tensor for tensor in network.inputs}
    logits = network.get_layer("prediction").input
    found = predict(keras.Model(inputs, logits), evaluation)
    if method == "temperature":
        scaled = keras.layers.Rescaling(1 / temperature(found, evaluation[label]), dtype="float32")(logits)
        return keras.Model(inputs, target_kind(target).head(scaled, target, facts), name=network.name)
    knots, values = isotonic(found[:, 0], evaluation[label])
    return keras.Model(inputs, _interpolate(logits, knots, values), name=network.name)


def predict(model: "keras.Model", columns: "Columns") -> "Array":
    """Return the model's `[rows, units] float32` outputs, in batches."""
    import numpy as np
    import tensorflow as tf

    names = [tensor.name for tensor in model.inputs]
    rows, size = len(columns[names[0]]), 8192
    run = tf.function(lambda batch: tf.cast(model(batch, training=False), tf.float32), reduce_retracing=True)
    parts = [
        run({name: tf.constant(columns[name][start : start + size]) for name in names}).numpy()
        for start in range(0, rows, size)
    ]
    return np.concatenate(parts)


def temperature(logits: "Array", labels: "Array") -> float:
    """Return the number to divide the logits by so that the log loss is least.

    Args:
        logits: `[rows, 1]` of the positive class, or `[rows, classes]`.
        labels: `[rows]`, 0 or 1, or class ids.
    """
    import numpy as np

    scores = logits.astype("float64")
    if scores.shape[1] == 1:
        scores = np.hstack([np.zeros_like(scores), scores])
    own = scores[np.arange(len(scores)), labels.astype("int64")]

    def slope(factor: float) -> float:
        """Return the log loss's derivative by the factor (one over the temperature), which only rises."""
        shifted = factor * (scores - scores.max(axis=1, keepdims=True))
        weights = np.exp(shifted)
        expected = (weights * scores).sum(axis=1) / weights.sum(axis=1)
        return float((expected - own).mean())

    low, high = np.log(1 / LARGEST), np.log(LARGEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(np.exp(middle)) < 0 else (low, middle)
    return float(np.exp(-(low + high) / 2))


def isotonic(scores: "Array", labels: "Array") -> "tuple[Array, Array]":
    """Return rising scores `[knots] float32` and the probability at each of them, between which it is a line.

    Neighbours whose shares of positive rows fall are pooled until all rise (Ayer et al. 1955). Both ends count half a
    row of each class more, so that nothing is certain.
    """
    import numpy as np

    order = np.argsort(scores, kind="stable")
    parts = [part for part in np.array_split(order, min(GROUPS, len(order))) if len(part)]
    pools: list[tuple[float, float, float]] = []
    for index, part in enumerate(parts):
        more = 0.5 * ((index == 0) + (index == len(parts) - 1))
        count, mean = len(part) + 2 * more, float(scores[part].mean(dtype="float64"))
        pools.append((mean * count, float(labels[part].sum(dtype="float64")) + more, count))
        while len(pools) > 1 and pools[-2][1] * pools[-1][2] >= pools[-1][1] * pools[-2][2]:
            last, before = pools.pop(), pools.pop()
            pools.append((before[0] + last[0], before[1] + last[1], before[2] + last[2]))
    knots = np.array([total / count for total, _, count in pools], "float32")
    values = np.array([positive / count for _, positive, count in pools], "float32")
    rising = np.concatenate([[True], np.diff(knots) > 0])
    return knots[rising], values[rising]


def _interpolate(logits: Any, knots: "Array", values: "Array") -> Any:
    """Return the probability `[batch, 1] float32` on the line between the knots' values, beyond them the end's own."""
    import numpy as np
    from keras import ops

    logits = ops.cast(logits, "float32")
    if len(knots) == 1:
        knots, values = np.append(knots, knots + 1), np.append(values, values)
    # comparing with every knot needs no search: there are few
    right = ops.sum(ops.cast(logits >= knots[None, 1:-1], "int32"), axis=1, keepdims=True) + 1
    low, high = ops.take(ops.convert_to_tensor(knots), right - 1), ops.take(ops.convert_to_tensor(knots), right)
    below, above = ops.take(ops.convert_to_tensor(values), right - 1), ops.take(ops.convert_to_tensor(values), right)
    place = ops.clip((logits - low) / (high - low), 0.0, 1.0)
    return (1 - SLOPE) * (below + (above - below) * place) + SLOPE * ops.sigmoid(logits)
