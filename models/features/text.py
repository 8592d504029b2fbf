"""Text: words out of the training data's vocabulary, in their order."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from models.encoded import Encoded, embed_steps
from models.features import Feature
from models.features.sequence import step_ids
from models.raw import Takes

if TYPE_CHECKING:
    from collections.abc import Collection

    import tensorflow as tf
    from keras import KerasTensor

    from models.raw import RawType

INSIDE_WORDS = "['’]"
"""Taken out: `don't` is `dont`."""
BETWEEN_WORDS = r"[^\p{L}\p{M}\p{N}]+"
"""Everything but letters, their marks and digits."""


class Params(Feature):
    """Free text. Lower case, without punctuation; what white space or punctuation separates is a word.

    Attributes:
        max_tokens: words that count: the first ones of a longer text.
        ngrams: neighbouring words taken as one, up to so many, beside the words alone.
        vocabulary: keep this many most frequent words (and n-grams).
        min_count: keep those seen at least this often in the training split.
        embedding: width of a word's embedding; left out, by the vocabulary's size.
    """

    kind: Literal["text"] = "text"
    max_tokens: PositiveInt = 64
    ngrams: int = Field(default=1, ge=1, le=3)
    vocabulary: PositiveInt = 20_000
    min_count: PositiveInt | None = None
    embedding: PositiveInt | None = None


def takes(params: Params) -> Takes:
    """Text."""
    return Takes("text", ("bytes",))


def beyond_edge(params: Params, raw_types: "Collection[RawType]") -> str:
    """The reading of text."""
    return "StaticRegexReplace"


def transform(columns: "dict[str, tf.Tensor]", params: "dict[str, Params]") -> "dict[str, tf.Tensor]":
    """Return `[batch, max_tokens * ngrams] int64` ids: 0 is padding, 1 an unknown word, then by frequency.

    Words come first, then pairs, then triples, each padded at the end.
    """
    limits = {name: (each.vocabulary, each.min_count) for name, each in params.items()}
    return step_ids({name: tokenize(columns[name], each) for name, each in params.items()}, limits)


def tokenize(text: "tf.Tensor", params: Params) -> "tf.Tensor":
    """Return `[batch, max_tokens * ngrams] string` words and n-grams of `[batch]` texts, padded with empty ones."""
    import tensorflow as tf

    # bytes that are no UTF-8 become U+FFFD, which is no letter
    lower = tf.strings.lower(tf.strings.unicode_transcode(text, "UTF-8", "UTF-8"), encoding="utf-8")
    plain = tf.strings.regex_replace(tf.strings.regex_replace(lower, INSIDE_WORDS, ""), BETWEEN_WORDS, " ")
    words = tf.strings.split(plain)[:, : params.max_tokens]
    grams = [words, *(tf.strings.ngrams(words, width) for width in range(2, params.ngrams + 1))]
    return tf.concat([each.to_tensor("", shape=[None, params.max_tokens]) for each in grams], axis=1)


def encode(column: "KerasTensor", params: Params, name: str, vocabulary_size: int) -> Encoded:
    """Return the words by their embeddings, with their mask; the dense part is the mean of those that are there."""
    return embed_steps(column, vocabulary_size + 2, params.embedding, name)
