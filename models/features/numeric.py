"""Numbers: clipped at quantiles, scaled, and a flag for "missing"."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from models.encoded import Encoded
from models.raw import to_number
from models.settings import Settings

if TYPE_CHECKING:
    import tensorflow as tf
    from keras import KerasTensor

QUANTILES = 1000
"""Resolution of the quantile grid: clip bounds, mean and deviation are read off it, in one analysis for all columns."""
NEXT_TO_NOTHING = 1e-6
"""Weight, in rows, of a value that only fills a gap."""


class Params(Settings):
    """A number that enters the network as itself.

    Attributes:
        scale: `zscore` (zero mean, unit deviation of the clipped values), `minmax` (to [0, 1]) or `none`.
        clip: quantiles between which values are clipped; `[0, 1]` clips at the training data's extremes.
    """

    kind: Literal["numeric"] = "numeric"
    scale: Literal["zscore", "minmax", "none"] = "zscore"
    clip: tuple[float, float] = Field(default=(0.01, 0.99))


def transform(columns: "dict[str, tf.Tensor]", params: "dict[str, Params]") -> "dict[str, tf.Tensor]":
    """Return `[batch, 2] float32` per feature: the scaled value (0 if missing) and 1.0 where it was missing."""
    import tensorflow as tf

    values = tf.stack([to_number(columns[name]) for name in columns], axis=1)
    grid = quantile_grid(values, "numeric")
    return {name: _scale(values[:, index], grid[index], params[name]) for index, name in enumerate(columns)}


def quantile_grid(values: "tf.Tensor", name: str) -> "tf.Tensor":
    """Return the `[columns, QUANTILES - 1] float32` inner quantiles of `[batch, columns]` values without their NaNs.

    tf.Transform fails on a column without a single value. So a column that a batch has no value of gets a 0 there,
    next to nothing in weight; the grid of a column that never has one is 0.
    """
    import tensorflow as tf
    import tensorflow_transform as tft

    empty = tf.reduce_all(tf.math.is_nan(values), axis=0, keepdims=True)
    filled = tf.concat([values, tf.where(empty, 0.0, float("nan"))], axis=0)
    weights = tf.concat([tf.ones_like(values[:, 0]), [NEXT_TO_NOTHING]], axis=0)
    precision = 1 / QUANTILES / 4
    return tft.quantiles(filled, QUANTILES, precision, weights, reduce_instance_dims=False, name=name)


def _scale(value: "tf.Tensor", grid: "tf.Tensor", params: Params) -> "tf.Tensor":
    """Scale `[batch]` values by their clipped quantile grid `[QUANTILES - 1]`; NaN (missing) becomes 0."""
    import tensorflow as tf

    last = QUANTILES - 2
    low, high = (grid[round(quantile * last)] for quantile in params.clip)
    clipped = tf.clip_by_value(grid, low, high)
    offset, spread = {
        "zscore": (tf.reduce_mean(clipped), tf.math.reduce_std(clipped)),
        "minmax": (low, high - low),
        "none": (tf.zeros(()), tf.ones(())),
    }[params.scale]
    missing = tf.math.is_nan(value)
    if params.scale != "none":
        value = tf.clip_by_value(value, low, high)
    scaled = tf.math.divide_no_nan(value - offset, spread)
    return tf.stack([tf.where(missing, 0.0, scaled), tf.cast(missing, tf.float32)], axis=1)


def encode(column: "KerasTensor", params: Params, name: str, vocabulary_size: int) -> Encoded:
    """Return the `[batch, 2]` column as it is."""
    return Encoded(column)
