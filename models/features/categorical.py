"""Categories: an id by the training data's vocabulary or by hash, ids for unseen values and for "missing"."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt, model_validator

from models.encoded import Encoded, embed
from models.features import Feature
from models.raw import ANYTHING, Takes, is_missing, to_text

if TYPE_CHECKING:
    from collections.abc import Collection

    import tensorflow as tf
    from keras import KerasTensor

    from models.raw import RawType


class Params(Feature):
    """A value out of a set: text, or whole numbers that are only names.

    Attributes:
        top_k: keep this many most frequent values; the others share the out-of-vocabulary ids.
        min_count: keep values seen at least this often in the training split.
        oov_buckets: ids shared, by hash, among values that are not in the vocabulary.
        hash_buckets: this many ids, shared by hash among all values: no vocabulary is made, and none is served.
        shared: any name; columns with the same one have one vocabulary, made of all of their values.
        embedding: width of the embedding; left out, by the number of ids.
    """

    kind: Literal["categorical"] = "categorical"
    top_k: PositiveInt | None = None
    min_count: PositiveInt | None = None
    oov_buckets: PositiveInt = 1
    hash_buckets: PositiveInt | None = None
    shared: str | None = Field(default=None, min_length=1)
    embedding: PositiveInt | None = None

    @model_validator(mode="after")
    def _check_hash(self) -> "Params":
        given = [name for name in ("top_k", "min_count", "shared") if getattr(self, name) is not None]
        if self.hash_buckets and given:
            msg = f"expected no vocabulary's settings beside hash_buckets, received {' and '.join(given)}"
            raise ValueError(msg)
        return self

    @property
    def vocabulary(self) -> tuple[object, ...]:
        """What decides a vocabulary: equal wherever it is shared."""
        return self.top_k, self.min_count, self.oov_buckets


def takes(params: Params) -> Takes:
    """Anything."""
    return ANYTHING


def beyond_edge(params: Params, raw_types: "Collection[RawType]") -> str:
    """The hash of several ids, and the text of a number."""
    if params.hash_buckets or params.oov_buckets > 1:
        return "StringToHashBucketFast"
    return "AsString" if {*raw_types} - {"bytes"} else ""


def transform(columns: "dict[str, tf.Tensor]", params: "dict[str, Params]") -> "dict[str, tf.Tensor]":
    """Return `[batch] int64` ids: vocabulary by frequency, then `oov_buckets` ids, then one id for missing."""
    outputs = {name: _hash(columns[name], each.hash_buckets) for name, each in params.items() if each.hash_buckets}
    groups: dict[tuple[str, str], list[str]] = {}
    for name, each in params.items():
        if name not in outputs:
            groups.setdefault(("", each.shared) if each.shared else (name, ""), []).append(name)
    return outputs | (_look_up(columns, params, list(groups.values())) if groups else {})


def _hash(column: "tf.Tensor", buckets: int) -> "tf.Tensor":
    import tensorflow as tf

    ids = tf.strings.to_hash_bucket_fast(to_text(column), buckets)
    return tf.where(is_missing(column), tf.constant(buckets, tf.int64), ids)


def _look_up(
    columns: "dict[str, tf.Tensor]", params: dict[str, Params], groups: list[list[str]]
) -> "dict[str, tf.Tensor]":
    """Return the ids of columns, in groups that share a vocabulary."""
    import tensorflow as tf

    from models.vocabulary import Wanted, make_vocabularies

    texts = {names[0]: tf.concat([to_text(columns[name]) for name in names], axis=0) for names in groups}
    first = {names[0]: params[names[0]] for names in groups}
    wanted = {names[0]: Wanted(names, first[names[0]].top_k, first[names[0]].min_count) for names in groups}
    vocabularies = make_vocabularies(texts, wanted)
    return {
        name: _find(columns[name], vocabularies[names[0]], params[name].oov_buckets)
        for names in groups
        for name in names
    }


def _find(column: "tf.Tensor", vocabulary: "tf.Tensor", oov_buckets: int) -> "tf.Tensor":
    """Return the ids of a column by the vocabulary in the file of that name."""
    import tensorflow as tf
    import tensorflow_transform as tft

    text = to_text(column)
    # one id for all that is unknown needs no hash, which LiteRT does not have
    hashed = {"num_oov_buckets": oov_buckets} if oov_buckets > 1 else {"default_value": -1}
    ids = tft.apply_vocabulary(text, vocabulary, **hashed)
    # written with its asset, the size is a constant of the graph by the time it is served
    size = tf.cast(tft.get_num_buckets_for_transformed_feature(ids), tf.int64)
    if oov_buckets == 1:
        ids, size = tf.where(ids < 0, size, ids), size + 1
    return tf.where(is_missing(column), size, ids)


def encode(column: "KerasTensor", params: Params, name: str, vocabulary_size: int) -> Encoded:
    """Return the ids with their embedding; ids run over the vocabulary, the out-of-vocabulary ids and "missing"."""
    return embed(column, count_ids(params, vocabulary_size), params.embedding, name)


def count_ids(params: Params, vocabulary_size: int) -> int:
    """Return how many ids there are."""
    return params.hash_buckets + 1 if params.hash_buckets else vocabulary_size + params.oov_buckets + 1
