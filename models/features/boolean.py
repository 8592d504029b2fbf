"""Yes or no, however it is spelled, and a flag for "missing"."""

from typing import TYPE_CHECKING, Literal

from models.encoded import Encoded
from models.features import Feature
from models.raw import ANYTHING, Takes, to_number

if TYPE_CHECKING:
    from collections.abc import Collection

    import tensorflow as tf
    from keras import KerasTensor

    from models.raw import RawType

YES = r"\s*(true|t|yes|y|on)\s*"
NO = r"\s*(false|f|no|n|off)\s*"


class Params(Feature):
    """True or false: as such, as a number (0 means no), or as text: true, yes, on, t, y, 1 and their opposites.

    Other text is missing.
    """

    kind: Literal["boolean"] = "boolean"


def takes(params: Params) -> Takes:
    """Anything."""
    return ANYTHING


def beyond_edge(params: Params, raw_types: "Collection[RawType]") -> str:
    """The reading of text."""
    return "StringLower" if "bytes" in raw_types else ""


def transform(columns: "dict[str, tf.Tensor]", params: "dict[str, Params]") -> "dict[str, tf.Tensor]":
    """Return `[batch, 2] float32` per feature: 1.0 where it is true, and 1.0 where it was missing."""
    import tensorflow as tf

    outputs = {}
    for name in params:
        number = _to_number(columns[name])
        missing = tf.math.is_nan(number)
        is_true = tf.logical_not(missing | tf.equal(number, 0.0))
        outputs[name] = tf.cast(tf.stack([is_true, missing], axis=1), tf.float32)
    return outputs


def _to_number(column: "tf.Tensor") -> "tf.Tensor":
    import tensorflow as tf

    if column.dtype == tf.string:
        text = tf.strings.lower(column)
        column = tf.where(tf.strings.regex_full_match(text, YES), "1", text)
        column = tf.where(tf.strings.regex_full_match(text, NO), "0", column)
    return to_number(column)


def encode(column: "KerasTensor", params: Params, name: str, vocabulary_size: int) -> Encoded:
    """Return the `[batch, 2]` column as it is."""
    return Encoded(column)
