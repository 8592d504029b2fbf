"""Sequences: a list of numbers or of ids a row, the last `length` of them, padded and masked."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import PositiveInt, model_validator

from models.encoded import Encoded, embed_steps, sequence
from models.features import Feature
from models.features.numeric import standardize
from models.raw import A_NAME, Takes, fit, is_missing, to_number, to_text

if TYPE_CHECKING:
    from collections.abc import Collection

    import tensorflow as tf
    from keras import KerasTensor

    from models.raw import RawType

PADDING = 0
"""Id of a step that is not there."""


class Params(Feature):
    """A list a row, in the order of time.

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

    @model_validator(mode="after")
    def _check_ids(self) -> "Params":
        given = [name for name in ("top_k", "min_count", "embedding") if getattr(self, name) is not None]
        if self.of == "numbers" and given:
            msg = f"expected of: ids, since only ids are embedded by a vocabulary, received {' and '.join(given)}"
            raise ValueError(msg)
        return self


def takes(params: Params) -> Takes:
    """Lists of numbers, or of text or whole numbers."""
    if params.of == "numbers":
        return Takes("a list of numbers (of text: `of: ids`)", ("int", "float"))
    return Takes("a list of text or whole numbers", A_NAME.raw_types)


def beyond_edge(params: Params, raw_types: "Collection[RawType]") -> str:
    """The text of a number, of ids."""
    return "AsString" if params.of == "ids" and {*raw_types} - {"bytes"} else ""


def transform(columns: "dict[str, tf.Tensor]", params: "dict[str, Params]") -> "dict[str, tf.Tensor]":
    """Return per feature `[batch, length, 2] float32` (value, 1.0 where it is there) or `[batch, length] int64` ids.

    Ids: 0 is padding, 1 an id that the vocabulary does not have, then the vocabulary by frequency.
    """
    fitted = {name: fit(columns[name], each.length) for name, each in params.items()}
    numbers = {name: to_number(column) for name, column in fitted.items() if params[name].of == "numbers"}
    texts = {name: to_text(fitted[name]) for name, each in params.items() if each.of == "ids"}
    limits = {name: (params[name].top_k, params[name].min_count) for name in texts}
    return step_ids(texts, limits) | (_scale(numbers) if numbers else {})


def _scale(columns: "dict[str, tf.Tensor]") -> "dict[str, tf.Tensor]":
    """Standardize each of `[batch, length]` columns by one mean and deviation, all columns in one analysis."""
    import tensorflow as tf

    longest = max(column.shape[1] for column in columns.values())
    steps = [
        tf.reshape(tf.pad(column, [[0, 0], [0, longest - column.shape[1]]], constant_values=float("nan")), [-1])
        for column in columns.values()
    ]
    scaled = tf.reshape(standardize(tf.stack(steps, axis=1), "sequence"), [-1, longest, len(columns)])
    return {
        name: tf.stack(
            [scaled[:, : column.shape[1], index], tf.cast(tf.logical_not(tf.math.is_nan(column)), tf.float32)], axis=2
        )
        for index, (name, column) in enumerate(columns.items())
    }


def step_ids(
    texts: "dict[str, tf.Tensor]", limits: Mapping[str, tuple[int | None, int | None]]
) -> "dict[str, tf.Tensor]":
    """Return `[batch, length] int64` ids of texts, each column's by the vocabulary of all that are not empty.

    0 is an empty text: a step that is not there. 1 is one that the vocabulary does not have.

    Args:
        texts: `[batch, length] string` by feature.
        limits: `top_k` and `min_count` of each.
    """
    import tensorflow as tf
    import tensorflow_transform as tft

    from models.vocabulary import Wanted, make_vocabularies

    if not texts:
        return {}
    vocabularies = make_vocabularies(texts, {name: Wanted([name], *limits[name]) for name in texts})
    ids = {name: tft.apply_vocabulary(text, vocabularies[name], default_value=-1) for name, text in texts.items()}
    return {
        name: tf.where(is_missing(text), tf.constant(PADDING, tf.int64), ids[name] + 2) for name, text in texts.items()
    }


def encode(column: "KerasTensor", params: Params, name: str, vocabulary_size: int) -> Encoded:
    """Return the steps with their mask; the dense part is their mean."""
    if params.of == "numbers":
        return sequence(column[:, :, :1], column[:, :, 1] > 0.5)
    return embed_steps(column, vocabulary_size + 2, params.embedding, name)
