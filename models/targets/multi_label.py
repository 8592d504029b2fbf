"""Any number of labels at once: a probability for each."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from models.losses import label_loss
from models.raw import to_text
from models.settings import Settings
from models.targets import LabelFacts

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf
    from keras import KerasTensor

LABELS = "multiclass"
METRICS = ("macro_auc", "micro_f1", "micro_precision", "micro_recall", "label_log_loss", "exact_match", "example_count")
VOCABULARY = "label_names"
METHOD = "classify"
ITEMS = False
WATCHED = ("auc",)


class Params(Settings):
    """A text with several labels, `new;sale;gift`; the labels are those of the training split.

    A row without a label of its own has the text of `none`: an empty or missing text is a row that nobody has labelled.

    Attributes:
        column: the column.
        separator: stands between two labels.
        none: the text of a row that has no label.
        top_k: only this many most frequent labels are predicted.
        min_count: only labels of at least so many training rows are predicted.
        positive_weight: how much a label that is there counts while training, against one that is not.
    """

    kind: Literal["multi_label"] = "multi_label"
    column: str
    separator: str = Field(default=";", min_length=1)
    none: str = "none"
    top_k: PositiveInt | None = None
    min_count: PositiveInt | None = None
    positive_weight: PositiveFloat = 1.0


def transform(label: "tf.Tensor", params: Params) -> "tf.Tensor":
    """Return `[batch, labels] float32`, 1.0 for each label that is there."""
    import tensorflow as tf
    import tensorflow_transform as tft

    names = tf.strings.strip(tf.strings.split(to_text(label), params.separator).to_tensor(""))
    # an empty text is no word of the vocabulary
    names = tf.where(names == params.none, "", names)
    words = tft.vocabulary(
        names,
        top_k=params.top_k,
        frequency_threshold=params.min_count,
        vocab_filename=VOCABULARY,
        name=VOCABULARY,
    )
    ids = tft.apply_vocabulary(names, words, default_value=-1)
    size = tf.cast(tft.experimental.get_vocabulary_size_by_name(VOCABULARY), tf.int32)
    # of rows without a single text there is no largest
    return tf.maximum(tf.reduce_max(tf.one_hot(ids, size), axis=1), 0.0)


def units(params: Params, facts: LabelFacts) -> int:
    """Return the number of labels: a logit each."""
    return len(facts.classes)


def head(outputs: "KerasTensor", params: Params, facts: LabelFacts) -> "KerasTensor":
    """Return the probabilities, `[batch, labels] float32`."""
    import keras

    return keras.layers.Activation("sigmoid", dtype="float32", name="prediction")(outputs)


def loss(params: Params, facts: LabelFacts) -> Any:
    """Return the mean binary cross-entropy of a row's labels."""
    return label_loss(params.positive_weight)


def watch(params: Params) -> list[Any]:
    """Return the mean of the labels' areas under the ROC curve."""
    import keras

    return [keras.metrics.AUC(multi_label=True, name="auc")]


def answers(prediction: "tf.Tensor", facts: LabelFacts) -> "dict[str, tf.Tensor]":
    """Return `labels`, all that there are, `[batch, labels] string`, and their `probabilities`, `[batch, labels]`."""
    import tensorflow as tf

    # tf.broadcast_to would do, but LiteRT does not have it of text
    labels = tf.tile(tf.constant([facts.classes]), [tf.shape(prediction)[0], 1])
    return {"labels": labels, "probabilities": prediction}


def results(answers: "dict[str, tf.Tensor]", facts: LabelFacts) -> "dict[str, tf.Tensor]":
    """Return all labels with their probabilities, by label id."""
    return {"classes": answers["labels"], "scores": answers["probabilities"]}


def evaluated(labels: "np.ndarray[Any, Any]", params: Params, facts: LabelFacts) -> "np.ndarray[Any, Any]":
    """Return `[rows, labels] float32`, 1.0 for each label that is there."""
    import numpy as np

    found = [{part.strip() for part in str(text).split(params.separator)} for text in labels]
    return np.array([[float(name in names) for name in facts.classes] for names in found], "float32")


def predicted(answers: "dict[str, np.ndarray[Any, Any]]", facts: LabelFacts) -> "np.ndarray[Any, Any]":
    """Return `[rows, labels]` probabilities, by label id."""
    return answers["probabilities"]
