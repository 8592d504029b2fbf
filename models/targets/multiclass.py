"""One class out of several: a probability for each."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import PositiveFloat

from models.losses import ClassLoss, class_loss, class_weights
from models.raw import to_text
from models.settings import Settings
from models.targets import LabelFacts, score_classes

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf
    from keras import KerasTensor

LABELS = "multiclass"
METRICS = ("class_accuracy", "macro_f1", "class_log_loss", "example_count")
WATCHED = ("accuracy",)
VOCABULARY = "label_classes"
METHOD = "classify"
ITEMS = False


class Params(Settings):
    """A label with a few values; the classes are those of the training split, most frequent first.

    Attributes:
        column: the label's column.
        loss: cross_entropy, or focal: rows that are predicted well already count less (Lin et al. 2017).
        class_weights: how much a row counts while training, by class (1 if not named); balanced: all classes the same.
        calibration: what is learned on the eval split after training, so that probabilities are shares.
    """

    kind: Literal["multiclass"] = "multiclass"
    column: str
    loss: ClassLoss = "cross_entropy"
    class_weights: Literal["balanced"] | dict[str, PositiveFloat] | None = None
    calibration: Literal["none", "temperature"] = "none"


def transform(label: "tf.Tensor", params: Params) -> "tf.Tensor":
    """Return `[batch] int64` class ids, -1 for a class that the training split does not have."""
    import tensorflow_transform as tft

    return tft.compute_and_apply_vocabulary(to_text(label), vocab_filename=VOCABULARY, name=VOCABULARY)


def units(params: Params, facts: LabelFacts) -> int:
    """Return the number of classes: a logit each."""
    return len(facts.classes)


def head(outputs: "KerasTensor", params: Params, facts: LabelFacts) -> "KerasTensor":
    """Return the probabilities, `[batch, classes] float32`."""
    import keras

    return keras.layers.Activation("softmax", dtype="float32", name="prediction")(outputs)


def loss(params: Params, facts: LabelFacts) -> Any:
    """Return cross-entropy with class ids or its focal form, with the weight of the row's class."""
    return class_loss(params.loss, class_weights(params.class_weights, facts.classes, facts.counts))


def watch(params: Params) -> list[Any]:
    """Return the accuracy."""
    return ["accuracy"]


def answers(prediction: "tf.Tensor", facts: LabelFacts) -> "dict[str, tf.Tensor]":
    """Return `label`, the likeliest class, `[batch] string`, and `probabilities`, `[batch, classes]`, by class id."""
    import tensorflow as tf

    names = tf.constant(facts.classes, tf.string)
    return {"label": tf.gather(names, tf.argmax(prediction, axis=1)), "probabilities": prediction}


def results(answers: "dict[str, tf.Tensor]", facts: LabelFacts) -> "dict[str, tf.Tensor]":
    """Return all classes with their probabilities, by class id."""
    return score_classes(facts.classes, answers["probabilities"])


def evaluated(labels: "np.ndarray[Any, Any]", params: Params, facts: LabelFacts) -> "np.ndarray[Any, Any]":
    """Return `[rows] int64` class ids, -1 for an unseen class."""
    import numpy as np

    ids = {name: index for index, name in enumerate(facts.classes)}
    return np.array([ids.get(str(label), -1) for label in labels], dtype="int64")


def predicted(answers: "dict[str, np.ndarray[Any, Any]]", facts: LabelFacts) -> "np.ndarray[Any, Any]":
    """Return `[rows, classes]` probabilities, by class id."""
    return answers["probabilities"]
