"""Several columns as one category: for effects that only their combination has."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from models.encoded import Encoded, embed
from models.features import Feature
from models.raw import A_NAME, Takes, is_missing, to_text

if TYPE_CHECKING:
    from collections.abc import Collection

    import tensorflow as tf
    from keras import KerasTensor

    from models.raw import RawType

SEPARATOR = "\x1f"
"""ASCII's unit separator: `ab, c` is not `a, bc`."""


class Params(Feature):
    """The combination of several columns' values, by hash.

    Attributes:
        columns: what is combined; a missing value is a value here, all of them missing is an id of its own.
        hash_buckets: ids, shared by hash among the combinations.
        embedding: width of the embedding; left out, by the number of ids.
    """

    kind: Literal["crossed"] = "crossed"
    columns: tuple[str, ...] = Field(min_length=2)
    hash_buckets: PositiveInt = 1000
    embedding: PositiveInt | None = None


def takes(params: Params) -> Takes:
    """Text or whole numbers."""
    return A_NAME


def beyond_edge(params: Params, raw_types: "Collection[RawType]") -> str:
    """The joining of texts."""
    return "StringJoin"


def transform(columns: "dict[str, tf.Tensor]", params: "dict[str, Params]") -> "dict[str, tf.Tensor]":
    """Return `[batch] int64` ids in `[0, hash_buckets)`, and `hash_buckets` where all columns are missing."""
    return {name: _cross([columns[column] for column in each.columns], each) for name, each in params.items()}


def _cross(columns: "list[tf.Tensor]", params: Params) -> "tf.Tensor":
    import tensorflow as tf

    joined = tf.strings.join([to_text(column) for column in columns], SEPARATOR)
    ids = tf.strings.to_hash_bucket_fast(joined, params.hash_buckets)
    missing = tf.reduce_all(tf.stack([is_missing(column) for column in columns]), axis=0)
    return tf.where(missing, tf.constant(params.hash_buckets, tf.int64), ids)


def encode(column: "KerasTensor", params: Params, name: str, vocabulary_size: int) -> Encoded:
    """Return the ids with their embedding."""
    return embed(column, params.hash_buckets + 1, params.embedding, name)
