"""The time from one moment to another: the age of an account at an order, the days until a delivery."""

from typing import TYPE_CHECKING, Literal

from models.encoded import Encoded
from models.features import Feature
from models.features.datetime import DAY_S, read
from models.features.numeric import Params as NumberParams
from models.features.numeric import quantile_grid, scale
from models.raw import A_MOMENT, Takes

if TYPE_CHECKING:
    from collections.abc import Collection

    import tensorflow as tf
    from keras import KerasTensor

    from models.raw import RawType

UNIT_S = {"days": DAY_S, "hours": 3600}


class Params(Feature):
    """How long it is from the first column's moment to the second's, below 0 if that is the earlier one.

    Attributes:
        columns: the two moments; missing if one of them is.
        unit: of the time that is scaled.
        scale: as of a number.
        missing: as of a number.
    """

    kind: Literal["elapsed"] = "elapsed"
    columns: tuple[str, str]
    unit: Literal["days", "hours"] = "days"
    scale: Literal["zscore", "minmax", "log", "quantile", "none"] = "zscore"
    missing: Literal["mean", "median"] | float = "mean"


def takes(params: Params) -> Takes:
    """Text or whole numbers."""
    return A_MOMENT


def beyond_edge(params: Params, raw_types: "Collection[RawType]") -> str:
    """As of a moment."""
    return "StaticRegexFullMatch" if "bytes" in raw_types else "RealDiv"


def transform(columns: "dict[str, tf.Tensor]", params: "dict[str, Params]") -> "dict[str, tf.Tensor]":
    """Return `[batch, 2] float32` per feature: the scaled time and 1.0 where it was missing."""
    import tensorflow as tf

    values = tf.stack([_elapsed(columns, each) for each in params.values()])
    grid = quantile_grid(tf.transpose(values), "elapsed")
    numbers = [NumberParams(scale=each.scale, missing=each.missing) for each in params.values()]
    return dict(zip(params, scale(values, grid, numbers), strict=True))


def _elapsed(columns: "dict[str, tf.Tensor]", params: Params) -> "tf.Tensor":
    """Return `[batch] float32` times in the unit, NaN if missing."""
    import tensorflow as tf

    (start, no_start), (end, no_end) = (read(columns[name]) for name in params.columns)
    time = tf.cast(tf.cast(end - start, tf.float64) / UNIT_S[params.unit], tf.float32)
    return tf.where(tf.logical_or(no_start, no_end), float("nan"), time)


def encode(column: "KerasTensor", params: Params, name: str, vocabulary_size: int) -> Encoded:
    """Return the `[batch, 2]` column as it is."""
    return Encoded(column)
