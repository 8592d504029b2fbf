"""Numbers cut into buckets: for effects that jump or turn, such as age groups or hours."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt, model_validator

from models.encoded import Encoded, embed
from models.features import Feature
from models.features.numeric import QUANTILES, quantile_grid
from models.raw import A_NUMBER, Takes, to_numbers

if TYPE_CHECKING:
    from collections.abc import Collection

    import tensorflow as tf
    from keras import KerasTensor

    from models.raw import RawType


class Params(Feature):
    """A number that enters the network as the bucket it falls into.

    Attributes:
        buckets: how many buckets of equal weight (quantiles of the training split).
        bounds: the buckets' inner bounds, rising; given, `buckets` is not used.
        embedding: width of the embedding; left out, by the number of buckets.
    """

    kind: Literal["bucketized"] = "bucketized"
    buckets: int = Field(default=10, ge=2, le=QUANTILES)
    bounds: tuple[float, ...] | None = Field(default=None, min_length=1)
    embedding: PositiveInt | None = None

    @model_validator(mode="after")
    def _check_bounds(self) -> "Params":
        if self.bounds and list(self.bounds) != sorted(set(self.bounds)):
            msg = f"bounds must rise, received {list(self.bounds)}"
            raise ValueError(msg)
        return self

    @property
    def size(self) -> int:
        """Number of buckets."""
        return len(self.bounds) + 1 if self.bounds else self.buckets


def takes(params: Params) -> Takes:
    """Numbers."""
    return A_NUMBER


def beyond_edge(params: Params, raw_types: "Collection[RawType]") -> str:
    """Nothing."""
    return ""


def transform(columns: "dict[str, tf.Tensor]", params: "dict[str, Params]") -> "dict[str, tf.Tensor]":
    """Return `[batch] int64` per feature: bucket in `[0, size)`, on a bound the one above it; `size` if missing."""
    import tensorflow as tf

    values = dict(zip(columns, tf.unstack(to_numbers(list(columns.values())), len(columns)), strict=True))
    learned = [name for name in columns if params[name].bounds is None]
    bounds = {name: tf.constant(params[name].bounds, tf.float32) for name in columns if name not in learned}
    if learned:
        grid = quantile_grid(tf.stack([values[name] for name in learned], axis=1), "bucketized")
        bounds |= {name: _cut(grid[index], params[name].buckets) for index, name in enumerate(learned)}
    return {name: _assign(values[name], bounds[name], params[name].size) for name in columns}


def _cut(grid: "tf.Tensor", buckets: int) -> "tf.Tensor":
    """Return the `buckets - 1` inner bounds out of the grid's `QUANTILES - 1` quantiles."""
    import tensorflow as tf

    places = [min(round(step * QUANTILES / buckets), QUANTILES - 1) - 1 for step in range(1, buckets)]
    return tf.gather(grid, places)


def _assign(value: "tf.Tensor", bounds: "tf.Tensor", size: int) -> "tf.Tensor":
    import tensorflow as tf

    # tf.searchsorted would do, but LiteRT does not have it; bounds are few
    bucket = tf.reduce_sum(tf.cast(value[:, tf.newaxis] >= bounds, tf.int64), axis=1)
    return tf.where(tf.math.is_nan(value), tf.constant(size, tf.int64), bucket)


def encode(column: "KerasTensor", params: Params, name: str, vocabulary_size: int) -> Encoded:
    """Return the buckets, and one more for missing, with their embedding."""
    return embed(column, params.size + 1, params.embedding, name)
