"""Numbers: clipped at quantiles, scaled, and a flag for "missing"."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from models.encoded import Encoded
from models.features import Feature
from models.raw import A_NUMBER, Takes, to_numbers

if TYPE_CHECKING:
    from collections.abc import Collection

    import tensorflow as tf
    from keras import KerasTensor

    from models.raw import RawType

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


def beyond_edge(params: Params, raw_types: "Collection[RawType]") -> str:
    """The search among quantiles, of `scale: quantile`."""
    return "LowerBound" if params.scale == "quantile" else ""


def transform(columns: "dict[str, tf.Tensor]", params: "dict[str, Params]") -> "dict[str, tf.Tensor]":
    """Return `[batch, 2] float32` per feature: the scaled value and 1.0 where it was missing."""
    import tensorflow as tf

    values = to_numbers([columns[name] for name in params])
    grid = quantile_grid(tf.transpose(values), "numeric")
    return dict(zip(params, scale(values, grid, list(params.values())), strict=True))


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


def scale(values: "tf.Tensor", grid: "tf.Tensor", params: "Sequence[Params]") -> "list[tf.Tensor]":
    """Return `[batch, 2]` for each column: its values scaled by its quantiles, and 1.0 where they are NaN.

    All columns with one way of scaling go through one chain of operations: while a request is answered each operation
    costs a microsecond, however few the values.

    Args:
        values: `[columns, batch]` float32.
        grid: `[columns, QUANTILES - 1]` float32 quantiles.
        params: of each column.
    """
    import tensorflow as tf

    alike: dict[str, list[int]] = {}
    for place, each in enumerate(params):
        alike.setdefault(each.scale, []).append(place)
    found: dict[int, tf.Tensor] = {}
    for places in alike.values():
        picked = values if len(alike) == 1 else tf.gather(values, places)
        scaled = _scale_alike(picked, tf.gather(grid, places), [params[place] for place in places])
        found |= zip(places, tf.unstack(scaled, len(places)), strict=True)
    return [found[place] for place in range(len(params))]


def _scale_alike(values: "tf.Tensor", grid: "tf.Tensor", params: "Sequence[Params]") -> "tf.Tensor":
    """Return `[columns, batch, 2]`."""
    import tensorflow as tf

    to_scale = _scaling(grid, params)
    known = to_scale(grid)
    spelled = to_scale(tf.constant([[each.missing if isinstance(each.missing, float) else 0.0] for each in params]))
    of_kind = {"mean": tf.reduce_mean(known, axis=1), "median": known[:, QUANTILES // 2 - 1]}
    instead = [of_kind.get(str(each.missing), spelled[:, 0])[place] for place, each in enumerate(params)]
    missing = tf.math.is_nan(values)
    scaled = tf.where(missing, tf.stack(instead)[:, tf.newaxis], to_scale(values))
    return tf.stack([scaled, tf.cast(missing, tf.float32)], axis=2)


def _scaling(grid: "tf.Tensor", params: "Sequence[Params]") -> "Callable[[tf.Tensor], tf.Tensor]":
    """Return what scales `[columns, any]` values, all in the first's way."""
    import tensorflow as tf

    way = params[0].scale
    if way == "none":
        return lambda values: values
    if way == "quantile":
        return lambda values: _rank(values, grid)
    last = QUANTILES - 2
    low, high = (
        tf.stack([grid[place, round(each.clip[end] * last)] for place, each in enumerate(params)])[:, tf.newaxis]
        for end in (0, 1)
    )

    def bend(values: "tf.Tensor") -> "tf.Tensor":
        clipped = tf.clip_by_value(values, low, high)
        return tf.sign(clipped) * tf.math.log1p(tf.abs(clipped)) if way == "log" else clipped

    known = bend(grid)
    offset, spread = (tf.reduce_mean(known, 1, keepdims=True), tf.math.reduce_std(known, 1, keepdims=True))
    if way == "minmax":
        offset, spread = low, high - low
    return lambda values: tf.math.divide_no_nan(bend(values) - offset, spread)


def _rank(values: "tf.Tensor", grid: "tf.Tensor") -> "tf.Tensor":
    """Return the share of its row of the grid below each value, half of what equals it counted with it."""
    import tensorflow as tf

    below, upto = (tf.searchsorted(grid, values, side=side) for side in ("left", "right"))
    return tf.cast(below + upto, tf.float32) / (2 * (QUANTILES - 1))


def encode(column: "KerasTensor", params: Params, name: str, vocabulary_size: int) -> Encoded:
    """Return the `[batch, 2]` column as it is."""
    return Encoded(column)
