"""Categories: an id by the training data's vocabulary, ids for unseen values and for "missing", an embedding."""

from typing import TYPE_CHECKING, Literal

from pydantic import PositiveInt

from models.encoded import Encoded, embed
from models.raw import is_missing, safe_name, to_text
from models.settings import Settings

if TYPE_CHECKING:
    import tensorflow as tf
    from keras import KerasTensor


class Params(Settings):
    """A value out of a set: text, or whole numbers that are only names.

    Attributes:
        top_k: keep this many most frequent values; the others share the out-of-vocabulary ids.
        min_count: keep values seen at least this often in the training split.
        oov_buckets: ids shared, by hash, among values that are not in the vocabulary.
        embedding: width of the embedding; left out, by the vocabulary's size.
    """

    kind: Literal["categorical"] = "categorical"
    top_k: PositiveInt | None = None
    min_count: PositiveInt | None = None
    oov_buckets: PositiveInt = 1
    embedding: PositiveInt | None = None


def transform(columns: "dict[str, tf.Tensor]", params: "dict[str, Params]") -> "dict[str, tf.Tensor]":
    """Return `[batch] int64` ids: vocabulary by frequency, then `oov_buckets` ids, then one id for missing."""
    return {name: _look_up(name, column, params[name]) for name, column in columns.items()}


def _look_up(name: str, column: "tf.Tensor", params: Params) -> "tf.Tensor":
    import tensorflow as tf
    import tensorflow_transform as tft

    text = to_text(column)
    vocabulary = tft.vocabulary(
        text,
        top_k=params.top_k,
        frequency_threshold=params.min_count,
        vocab_filename=safe_name(name),
        name=safe_name(name),
    )
    ids = tft.apply_vocabulary(text, vocabulary, num_oov_buckets=params.oov_buckets)
    # written with its asset, the size is a constant of the graph by the time it is served
    size = tft.get_num_buckets_for_transformed_feature(ids)
    return tf.where(is_missing(column), tf.cast(size, tf.int64), ids)


def encode(column: "KerasTensor", params: Params, name: str, vocabulary_size: int) -> Encoded:
    """Return the ids with their embedding; ids run over the vocabulary, the out-of-vocabulary ids and "missing"."""
    return embed(column, vocabulary_size + params.oov_buckets + 1, params.embedding, name)
