"""Vectors: a list of so many numbers a row, such as another model's embedding."""

from typing import TYPE_CHECKING, Literal

from pydantic import PositiveInt

from models.encoded import Encoded
from models.features import Feature
from models.features.numeric import standardize
from models.raw import Takes, fit, to_number

if TYPE_CHECKING:
    from collections.abc import Collection

    import tensorflow as tf
    from keras import KerasTensor

    from models.raw import RawType


class Params(Feature):
    """A list of numbers each of which means something by its place.

    Attributes:
        length: how many there are. A shorter list, or one with a number missing, is missing as a whole: nobody knows
            which places are left. Of a longer one the last count.
        scale: `zscore`, or `log`: the z-score of the logarithm, signed: for amounts.
    """

    kind: Literal["vector"] = "vector"
    length: PositiveInt
    scale: Literal["zscore", "log"] = "zscore"


def takes(params: Params) -> Takes:
    """Lists of numbers."""
    return Takes("a list of numbers", ("int", "float"))


def beyond_edge(params: Params, raw_types: "Collection[RawType]") -> str:
    """Nothing."""
    return ""


def transform(columns: "dict[str, tf.Tensor]", params: "dict[str, Params]") -> "dict[str, tf.Tensor]":
    """Return `[batch, length + 1] float32` per feature: each number's z-score (0 if missing), then the missing flag."""
    import tensorflow as tf

    values, flags = [], []
    for name, each in params.items():
        numbers = to_number(fit(columns[name], each.length))
        missing = tf.reduce_any(tf.math.is_nan(numbers), axis=1, keepdims=True)
        bent = tf.sign(numbers) * tf.math.log1p(tf.abs(numbers)) if each.scale == "log" else numbers
        values.append(tf.where(missing, float("nan"), bent))
        flags.append(tf.cast(missing, tf.float32))
    scaled = tf.split(standardize(tf.concat(values, axis=1), "vector"), [each.length for each in params.values()], 1)
    return {name: tf.concat(parts, axis=1) for name, *parts in zip(params, scaled, flags, strict=True)}


def encode(column: "KerasTensor", params: Params, name: str, vocabulary_size: int) -> Encoded:
    """Return the `[batch, length + 1]` column as it is."""
    return Encoded(column)
