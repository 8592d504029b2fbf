"""Numbers: clipped at quantiles, scaled, and a flag for "missing"."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from models.encoded import Encoded
from models.features import Feature
from models.raw import A_NUMBER, Takes, to_number

if TYPE_CHECKING:
    import tensorflow as tf
    from keras import KerasTensor

QUANTILES = 1000
"""Resolution of the quantile grid: clip bounds, mean and deviation are read off it, in one analysis for all columns."""
NEXT_TO_NOTHING = 1e-6
"""Weight, in rows, of a value that only fills a gap."""
FARTHEST = 10.0
"""Deviations from the mean beyond which a standardized value says no more."""


class Params(Feature):
    """A number that enters the network as itself.

    Attributes:
        scale: `zscore` (zero mean, unit deviation of the clipped values), `minmax` (to [0, 1]), `log` (the z-score of
            the logarithm, signed: for amounts), `quantile` (the rank in [0, 1]) or `none`.
        clip: quantiles between which values are clipped; `[0, 1]` clips at the training data's extremes. Ranks and
            values that are not scaled need none.
        missing: what stands for a missing value beside its flag: the `mean` of the scaled values, their `median`, or
            a number, which is clipped and scaled as any other.
    """

    kind: Literal["numeric"] = "numeric"
    scale: Literal["zscore", "minmax", "log", "quantile", "none"] = "zscore"
    clip: tuple[float, float] = Field(default=(0.01, 0.99))
    missing: Literal["mean", "median"] | float = "mean"

    @field_validator("missing", mode="before")
    @classmethod
    def _check_missing(cls, missing: object) -> object:
        if isinstance(missing, str) and missing not in {"mean", "median"}:
            msg = f"expected mean, median or a number, received {missing!r}"
            raise ValueError(msg)
        return missing


def takes(params: Params) -> Takes:
    """Numbers."""
    return A_NUMBER


def transform(columns: "dict[str, tf.Tensor]", params: "dict[str, Params]") -> "dict[str, tf.Tensor]":
    """Return `[batch, 2] float32` per feature: the scaled value and 1.0 where it was missing."""
    import tensorflow as tf

    values = tf.stack([to_number(columns[name]) for name in params], axis=1)
    grid = quantile_grid(values, "numeric")
    return {name: scale(values[:, index], grid[index], each) for index, (name, each) in enumerate(params.items())}


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


def standardize(values: "tf.Tensor", name: str) -> "tf.Tensor":
    """Return `[batch, columns] float32` z-scores by each column's exact mean and deviation, 0 for NaN (missing).

    One analysis, cheaper than quantiles where columns are many. What is FARTHEST from the mean is clipped there; of a
    column that never had a value every one is 0.
    """
    import tensorflow as tf
    import tensorflow_transform as tft

    scaled = tft.scale_to_z_score(values, elementwise=True, name=name)
    return tf.where(tf.math.is_nan(scaled), 0.0, tf.clip_by_value(scaled, -FARTHEST, FARTHEST))


def scale(value: "tf.Tensor", grid: "tf.Tensor", params: Params) -> "tf.Tensor":
    """Return `[batch, 2]`: values scaled by their quantile grid `[QUANTILES - 1]`, and 1.0 where they are NaN."""
    import tensorflow as tf

    to_scale = _scaling(grid, params)
    missing = tf.math.is_nan(value)
    if isinstance(params.missing, float):
        instead = to_scale(tf.constant([params.missing]))[0]
    else:
        known = to_scale(grid)
        instead = tf.reduce_mean(known) if params.missing == "mean" else known[QUANTILES // 2 - 1]
    return tf.stack([tf.where(missing, instead, to_scale(value)), tf.cast(missing, tf.float32)], axis=1)


def _scaling(grid: "tf.Tensor", params: Params) -> "Callable[[tf.Tensor], tf.Tensor]":
    import tensorflow as tf

    if params.scale == "none":
        return lambda value: value
    if params.scale == "quantile":
        return lambda value: _rank(value, grid)
    last = QUANTILES - 2
    low, high = (grid[round(quantile * last)] for quantile in params.clip)

    def bend(value: "tf.Tensor") -> "tf.Tensor":
        clipped = tf.clip_by_value(value, low, high)
        return tf.sign(clipped) * tf.math.log1p(tf.abs(clipped)) if params.scale == "log" else clipped

    known = bend(grid)
    offset, spread = (tf.reduce_mean(known), tf.math.reduce_std(known))
    if params.scale == "minmax":
        offset, spread = low, high - low
    return lambda value: tf.math.divide_no_nan(bend(value) - offset, spread)


def _rank(value: "tf.Tensor", grid: "tf.Tensor") -> "tf.Tensor":
    """Return the share of the grid below each of `[batch]` values, half of what equals it counted with it."""
    import tensorflow as tf

    below, upto = (tf.searchsorted(grid, value, side=side) for side in ("left", "right"))
    return tf.cast(below + upto, tf.float32) / (2 * (QUANTILES - 1))


def encode(column: "KerasTensor", params: Params, name: str, vocabulary_size: int) -> Encoded:
    """Return the `[batch, 2]` column as it is."""
    return Encoded(column)
