"""Sequences: a list of numbers or of ids a row, the last `length` of them, padded and masked."""

from typing import TYPE_CHECKING, Literal

from pydantic import PositiveInt

from models.encoded import Encoded, embedding_units, sequence
from models.raw import fit, is_missing, safe_name, to_number, to_text
from models.settings import Settings

if TYPE_CHECKING:
    import tensorflow as tf
    from keras import KerasTensor

PADDING = 0
"""Id of a step that is not there."""


class Params(Settings):
    """A list a row.

    Attributes:
        of: `numbers`, standardized by the mean and deviation of all steps, or `ids`, embedded by a vocabulary.
        length: steps that count: the last ones of a longer list.
        top_k: keep this many most frequent ids.
        min_count: keep ids seen at least this often in the training split.
        embedding: width of an id's embedding; left out, by the vocabulary's size.
    """

    kind: Literal["sequence"] = "sequence"
    of: Literal["numbers", "ids"] = "numbers"
    length: PositiveInt = 32
    top_k: PositiveInt | None = None
    min_count: PositiveInt | None = None
    embedding: PositiveInt | None = None


def transform(columns: "dict[str, tf.Tensor]", params: "dict[str, Params]") -> "dict[str, tf.Tensor]":
    """Return per feature `[batch, length, 2] float32` (value, 1.0 where it is there) or `[batch, length] int64` ids.

    Ids: 0 is padding, 1 an id that the vocabulary does not have, then the vocabulary by frequency.
    """
    return {
        name: _numbers(name, fit(columns[name], each.length))
        if each.of == "numbers"
        else _ids(name, fit(columns[name], each.length), each)
        for name, each in params.items()
    }


def _numbers(name: str, column: "tf.Tensor") -> "tf.Tensor":
    import tensorflow as tf
    import tensorflow_transform as tft

    values = to_number(column)
    present = tf.logical_not(tf.math.is_nan(values))
    steps = tf.boolean_mask(values, present)
    mean, variance = tft.mean(steps, name=f"{safe_name(name)}_mean"), tft.var(steps, name=f"{safe_name(name)}_var")
    scaled = tf.math.divide_no_nan(values - mean, tf.sqrt(variance))
    return tf.stack([tf.where(present, scaled, 0.0), tf.cast(present, tf.float32)], axis=2)


def _ids(name: str, column: "tf.Tensor", params: Params) -> "tf.Tensor":
    import tensorflow as tf
    import tensorflow_transform as tft

    text, missing = to_text(column), is_missing(column)
    vocabulary = tft.vocabulary(
        tf.boolean_mask(text, tf.logical_not(missing)),
        top_k=params.top_k,
        frequency_threshold=params.min_count,
        vocab_filename=safe_name(name),
        name=safe_name(name),
    )
    ids = tft.apply_vocabulary(text, vocabulary, default_value=-1)
    return tf.where(missing, tf.constant(PADDING, tf.int64), ids + 2)


def encode(column: "KerasTensor", params: Params, name: str, vocabulary_size: int) -> Encoded:
    """Return the steps with their mask; the dense part is their mean."""
    import keras

    if params.of == "numbers":
        return sequence(column[:, :, :1], column[:, :, 1] > 0.5)
    size = vocabulary_size + 2
    layer = keras.layers.Embedding(size, params.embedding or embedding_units(size), name=f"{name}_embedding")
    return sequence(layer(column), column > PADDING)
