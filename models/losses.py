"""Losses that Keras has only in part: with class weights, focal, pinball. Each returns one value a row."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import tensorflow as tf

Loss = Callable[["tf.Tensor", "tf.Tensor"], "tf.Tensor"]
ClassLoss = Literal["cross_entropy", "focal"]

FOCUS = 2.0
"""Gamma of the focal loss: a row predicted with probability p counts (1 - p) ** 2 as much (Lin et al. 2017)."""


def binary_loss(kind: ClassLoss, negative: float, positive: float) -> Loss:
    """Return (label `[batch]` 0 or 1, probability `[batch, 1]`) -> `[batch]`: cross-entropy times the weight."""
    import keras

    def loss(label: "tf.Tensor", prediction: "tf.Tensor") -> "tf.Tensor":
        label = keras.ops.reshape(keras.ops.cast(label, "float32"), (-1, 1))
        # Keras finds the logits of a probability by the tensor itself: it must not be reshaped
        values = (
            keras.losses.binary_focal_crossentropy(label, prediction, gamma=FOCUS)
            if kind == "focal"
            else keras.losses.binary_crossentropy(label, prediction)
        )
        return values * (negative + (positive - negative) * label[:, 0])

    return loss


def class_loss(kind: ClassLoss, weights: Sequence[float]) -> Loss:
    """Return (class id `[batch]`, probabilities `[batch, classes]`) -> `[batch]`: cross-entropy times the weight."""
    import keras

    def loss(label: "tf.Tensor", prediction: "tf.Tensor") -> "tf.Tensor":
        label = keras.ops.reshape(keras.ops.cast(label, "int32"), (-1,))
        values = keras.losses.sparse_categorical_crossentropy(label, prediction)
        if kind == "focal":
            given = keras.ops.take_along_axis(prediction, label[:, None], axis=1)[:, 0]
            values = values * (1 - given) ** FOCUS
        if set(weights) <= {1.0}:
            return values
        return values * keras.ops.take(keras.ops.convert_to_tensor(weights, "float32"), label)

    return loss


def pinball(quantiles: Sequence[float], scale: float) -> Loss:
    """Return (label `[batch]`, its quantiles `[batch, quantiles]`) -> `[batch]`, in units of `scale`.

    A label above the quantile q costs q for each unit, one below it 1 - q (Koenker & Bassett 1978).
    """
    import keras

    def loss(label: "tf.Tensor", prediction: "tf.Tensor") -> "tf.Tensor":
        levels = keras.ops.convert_to_tensor(quantiles, "float32")
        above = (keras.ops.reshape(keras.ops.cast(label, "float32"), (-1, 1)) - prediction) / scale
        # equal ones count as below: what a head holds at 0 stays there where labels of 0 are frequent
        return keras.ops.mean(keras.ops.where(above > 0, levels * above, (levels - 1) * above), axis=1)

    return loss


def scaled(name: Literal["mse", "huber"], scale: float) -> Loss:
    """Return (number `[batch]`, prediction `[batch, 1]`) -> `[batch]`: the error in units of `scale`.

    So a step has the same size whatever unit the label has. Huber's loss grows linearly beyond one unit.
    """
    import keras

    def loss(label: "tf.Tensor", prediction: "tf.Tensor") -> "tf.Tensor":
        error = (keras.ops.reshape(keras.ops.cast(label, "float32"), (-1, 1)) - prediction)[:, 0] / scale
        if name == "mse":
            return error**2
        size = keras.ops.abs(error)
        return keras.ops.where(size < 1, 0.5 * error**2, size - 0.5)

    return loss


def gamma_deviance(label: "tf.Tensor", prediction: "tf.Tensor") -> "tf.Tensor":
    """Return `[batch]`: `y/p - log(y/p) - 1` of positive numbers, so that errors count as ratios.

    Twice that is the deviance of a gamma distribution (McCullagh & Nelder 1989); the mean minimises it.
    """
    import keras

    ratio = keras.ops.log(keras.ops.reshape(keras.ops.cast(label, "float32"), (-1, 1))) - keras.ops.log(prediction)
    result: tf.Tensor = (keras.ops.exp(ratio) - ratio - 1)[:, 0]
    return result


def label_loss(positive_weight: float) -> Loss:
    """Return (labels `[batch, labels]` 0 or 1, probabilities `[batch, labels]`) -> `[batch]`: mean cross-entropy.

    A label that is there counts `positive_weight` times.
    """
    import keras

    def loss(label: "tf.Tensor", prediction: "tf.Tensor") -> "tf.Tensor":
        label = keras.ops.cast(label, "float32")
        # one label at a time: Keras means over the last axis
        values = keras.losses.binary_crossentropy(label[..., None], keras.ops.expand_dims(prediction, -1))
        return keras.ops.mean(values * (1 + (positive_weight - 1) * label), axis=-1)

    return loss


def in_batch_softmax(counts: Sequence[int], temperature: float) -> Loss:
    """Return (item id `[batch]`, vectors of query and item `[batch, 2, units]`) -> `[batch]`: softmax cross-entropy.

    The wrong items of a query are those of the batch's other rows. An item is among them as often as it is in the data,
    so the logarithm of its share is taken from its score (Yi et al. 2019, section 3); with equal `counts` nothing is.
    """
    import keras

    def loss(label: "tf.Tensor", prediction: "tf.Tensor") -> "tf.Tensor":
        ids = keras.ops.reshape(keras.ops.cast(label, "int32"), (-1,))
        seen = keras.ops.take(keras.ops.convert_to_tensor(counts, "float32"), ids)
        scores = _scores(prediction, ids) / temperature - keras.ops.log(keras.ops.maximum(seen, 1.0) / sum(counts))
        return keras.ops.logsumexp(scores, axis=1) - keras.ops.diagonal(scores)

    return loss


def rank_in_batch(best: int) -> Loss:
    """Return the same -> `[batch]`, 1.0 where the row's item is among the `best` nearest items of the batch."""
    import keras

    def hit(label: "tf.Tensor", prediction: "tf.Tensor") -> "tf.Tensor":
        scores = _scores(prediction, keras.ops.reshape(keras.ops.cast(label, "int32"), (-1,)))
        nearer = keras.ops.sum(keras.ops.cast(scores > keras.ops.diagonal(scores)[:, None], "int32"), axis=1)
        return keras.ops.cast(nearer < best, "float32")

    return hit


def _scores(vectors: "tf.Tensor", ids: "tf.Tensor") -> "tf.Tensor":
    """Return the products of each query with each item, `[batch, batch]`; the same item in another row has none."""
    import keras

    scores = keras.ops.matmul(vectors[:, 0], keras.ops.transpose(vectors[:, 1]))
    again = keras.ops.cast(ids[:, None] == ids, "float32") - keras.ops.eye(keras.ops.shape(ids)[0])
    return scores - 1e4 * again


def class_weights(setting: Any, names: Sequence[str], counts: Sequence[float]) -> list[float]:
    """Return the weight of each class.

    Args:
        setting: None, "balanced" (each class has the same weight in all) or weights by name (1 if not named).
        names: of the classes, by id.
        counts: rows of each class, or shares of them.

    Raises:
        ValueError: a weight for a class that the training split does not have.
    """
    if setting == "balanced":
        return [sum(counts) / (len(counts) * count) if count else 1.0 for count in counts]
    unknown = sorted(set(setting or {}) - set(names))
    if unknown:
        msg = f"target.class_weights: expected classes of the training split, {', '.join(names)}; received {unknown}"
        raise ValueError(msg)
    return [float((setting or {}).get(name, 1.0)) for name in names]
