"""Text: words out of the training data's vocabulary, in their order, or pieces of words."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

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
Width = Annotated[int, Field(ge=1, le=8)]


class Params(Feature):
    """Free text. Lower case, without punctuation; what white space or punctuation separates is a word.

    Attributes:
        max_tokens: words that count (or pieces of each width): the first ones of a longer text.
        ngrams: neighbouring words taken as one, up to so many, beside the words alone.
        letters: pieces of words instead of words, of each width from the first number to the second; of what white
            space separates, punctuation included, between `<` and `>` (Bojanowski et al., "Enriching Word Vectors with
            Subword Information", 2017, https://arxiv.org/abs/1607.04606).
        pool: what the dense part is: the mean of the words, or their sum over the root of their number, which keeps
            that many words say more.
        dropout: share of the words left out while training (Iyyer et al., "Deep Unordered Composition Rivals Syntactic
            Methods for Text Classification", 2015, https://aclanthology.org/P15-1162).
        vocabulary: keep this many most frequent words (and n-grams).
        min_count: keep those seen at least this often in the training split.
        embedding: width of a word's embedding; left out, by the vocabulary's size.
    """

    kind: Literal["text"] = "text"
    max_tokens: PositiveInt = 64
    ngrams: int = Field(default=1, ge=1, le=3)
    letters: tuple[Width, Width] | None = None
    vocabulary: PositiveInt = 20_000
    min_count: PositiveInt | None = None
    embedding: PositiveInt | None = None
    pool: Literal["mean", "root"] = "mean"
    dropout: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _check_letters(self) -> "Params":
        if self.letters and (self.letters[0] > self.letters[1] or self.ngrams > 1):
            msg = f"letters: expected a range such as [3, 5] and no ngrams, received {list(self.letters)}"
            raise ValueError(msg)
        return self


def takes(params: Params) -> Takes:
    """Text."""
    return Takes("text", ("bytes",))


def beyond_edge(params: Params, raw_types: "Collection[RawType]") -> str:
    """The reading of text."""
    return "StaticRegexReplace"


def transform(columns: "dict[str, tf.Tensor]", params: "dict[str, Params]") -> "dict[str, tf.Tensor]":
    """Return `[batch, max_tokens * widths] int64` ids: 0 is padding, 1 an unknown word, then by frequency.

    Words come first, then pairs, then triples (or the pieces, by width), each padded at the end.
    """
    limits = {name: (each.vocabulary, each.min_count) for name, each in params.items()}
    return step_ids({name: tokenize(columns[name], each) for name, each in params.items()}, limits)


def tokenize(text: "tf.Tensor", params: Params) -> "tf.Tensor":
    """Return `[batch, max_tokens * widths] string` words and n-grams of `[batch]` texts, padded with empty ones."""
    import tensorflow as tf

    # bytes that are no UTF-8 become U+FFFD, which is no letter
    lower = tf.strings.lower(tf.strings.unicode_transcode(text, "UTF-8", "UTF-8"), encoding="utf-8")
    grams = _pieces(lower, params) if params.letters else _words(lower, params)
    return tf.concat([each.to_tensor("", shape=[None, params.max_tokens]) for each in grams], axis=1)


def _words(lower: "tf.Tensor", params: Params) -> "list[tf.RaggedTensor]":
    """Return the words `[batch, any]`, then pairs of neighbours, then triples."""
    import tensorflow as tf

    plain = tf.strings.regex_replace(tf.strings.regex_replace(lower, INSIDE_WORDS, ""), BETWEEN_WORDS, " ")
    words = tf.strings.split(plain)[:, : params.max_tokens]
    return [words, *(tf.strings.ngrams(words, width) for width in range(2, params.ngrams + 1))]


def _pieces(lower: "tf.Tensor", params: Params) -> "list[tf.RaggedTensor]":
    """Return the pieces of each width, `[batch, any]`, of the words in order."""
    import tensorflow as tf

    words = tf.strings.split(lower)[:, : params.max_tokens]
    letters = tf.strings.unicode_split(tf.strings.join(["<", words, ">"]), "UTF-8")
    narrowest, widest = params.letters or (1, 0)
    widths = range(narrowest, widest + 1)
    return [tf.strings.ngrams(letters, width, separator="").merge_dims(1, 2) for width in widths]


def encode(column: "KerasTensor", params: Params, name: str, vocabulary_size: int) -> Encoded:
    """Return the words by their embeddings, with their mask; the dense part is the pool of those that are there."""
    import keras

    found = embed_steps(column, vocabulary_size + 2, params.embedding, name, params.dropout)
    if params.pool == "mean":
        return found
    words = keras.ops.sum(keras.ops.cast(column > 0, "float32"), axis=1, keepdims=True)
    return found._replace(dense=found.dense * keras.ops.sqrt(words))
