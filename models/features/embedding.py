"""Ids with a wide embedding: users, products, places, where each has much to be learned about."""

from typing import TYPE_CHECKING, Literal

from pydantic import NonNegativeFloat, PositiveInt, model_validator

from models.encoded import Encoded, embed
from models.features import Feature, categorical
from models.raw import A_NAME, Takes

if TYPE_CHECKING:
    from collections.abc import Collection

    import tensorflow as tf
    from keras import KerasTensor

    from models.raw import RawType


class Params(Feature):
    """An id whose embedding has a width of its own, and may be held small.

    Attributes:
        units: width of the embedding.
        top_k: keep this many most frequent ids; the others share one.
        min_count: keep ids seen at least this often in the training split: of fewer rows nothing can be learned.
        hash_buckets: this many embeddings, shared by hash among all ids: no vocabulary is made, and none is served.
        l2: this times the sum of the embeddings' squares is added to the loss.
    """

    kind: Literal["embedding"] = "embedding"
    units: PositiveInt = 32
    top_k: PositiveInt | None = None
    min_count: PositiveInt | None = None
    hash_buckets: PositiveInt | None = None
    l2: NonNegativeFloat = 0.0

    @model_validator(mode="after")
    def _check_ids(self) -> "Params":
        _ = self.ids
        return self

    @property
    def ids(self) -> categorical.Params:
        """How ids are made."""
        return categorical.Params(top_k=self.top_k, min_count=self.min_count, hash_buckets=self.hash_buckets)


def takes(params: Params) -> Takes:
    """Text or whole numbers."""
    return A_NAME


def beyond_edge(params: Params, raw_types: "Collection[RawType]") -> str:
    """As of a category."""
    return categorical.beyond_edge(params.ids, raw_types)


def transform(columns: "dict[str, tf.Tensor]", params: "dict[str, Params]") -> "dict[str, tf.Tensor]":
    """Return `[batch] int64` ids: vocabulary by frequency, then one for all others, then one for missing."""
    return categorical.transform(columns, {name: each.ids for name, each in params.items()})


def encode(column: "KerasTensor", params: Params, name: str, vocabulary_size: int) -> Encoded:
    """Return the ids with their embedding."""
    return embed(column, categorical.count_ids(params.ids, vocabulary_size), params.units, name, params.l2)
