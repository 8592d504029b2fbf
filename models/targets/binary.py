"""Yes or no: the probability of the positive class."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import PositiveFloat

from models.losses import ClassLoss, binary_loss, class_weights
from models.raw import to_number
from models.settings import Settings
from models.targets import LabelFacts, score_classes

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf
    from keras import KerasTensor

LABELS = "binary"
METRICS = (
    "auc",
    "pr_auc",
    "recall_at_precision_90",
    "accuracy",
    "precision",
    "recall",
    "f1",
    "log_loss",
    "calibration",
    "calibration_error",
    "cost",
    "example_count",
)
WATCHED = ("auc",)
VOCABULARY = None
METHOD = "classify"
ITEMS = False


class Params(Settings):
    """A label with two values.

    Attributes:
        column: the label's column.
        positive: the text that means "yes"; a number or boolean column needs none (1 and true mean "yes").
        loss: cross_entropy, or focal: rows that are predicted well already count less (Lin et al. 2017).
        class_weights: how much a row counts while training, by class; balanced: both classes the same in all.
        calibration: what is learned on the eval split after training, so that probabilities are shares.
    """

    kind: Literal["binary"] = "binary"
    column: str
    positive: str | None = None
    loss: ClassLoss = "cross_entropy"
    class_weights: Literal["balanced"] | dict[Literal["negative", "positive"], PositiveFloat] | None = None
    calibration: Literal["none", "temperature", "isotonic"] = "none"


def transform(label: "tf.Tensor", params: Params) -> "tf.Tensor":
    """Return `[batch] float32`, 1.0 for the positive class."""
    import tensorflow as tf

    if params.positive is None:
        positive = to_number(label) > 0.5
    else:
        is_text = label.dtype == tf.string
        positive = tf.equal(label, params.positive) if is_text else to_number(label) == float(params.positive)
    return tf.cast(positive, tf.float32)


def units(params: Params, facts: LabelFacts) -> int:
    """Return 1: the logit."""
    return 1


def head(outputs: "KerasTensor", params: Params, facts: LabelFacts) -> "KerasTensor":
    """Return the probability, `[batch, 1] float32`."""
    import keras

    return keras.layers.Activation("sigmoid", dtype="float32", name="prediction")(outputs)


def loss(params: Params, facts: LabelFacts) -> Any:
    """Return binary cross-entropy or its focal form, with the weight of the row's class."""
    shares = (1 - facts.mean, facts.mean)
    return binary_loss(params.loss, *class_weights(params.class_weights, ("negative", "positive"), shares))


def watch(params: Params) -> list[Any]:
    """Return the area under the ROC curve."""
    import keras

    return [keras.metrics.AUC(name="auc")]


def answers(prediction: "tf.Tensor", facts: LabelFacts) -> "dict[str, tf.Tensor]":
    """Return `probability`, `[batch] float32`, never exactly 0 or 1, so that its log loss is finite."""
    import tensorflow as tf

    return {"probability": tf.clip_by_value(prediction[:, 0], 1e-6, 1 - 1e-6)}


def results(answers: "dict[str, tf.Tensor]", facts: LabelFacts) -> "dict[str, tf.Tensor]":
    """Return the classes "0" and "1", as TensorFlow's own binary classifiers do; "1" is the positive class."""
    import tensorflow as tf

    positive = answers["probability"]
    return score_classes(("0", "1"), tf.stack([1 - positive, positive], axis=1))


def evaluated(labels: "np.ndarray[Any, Any]", params: Params, facts: LabelFacts) -> "np.ndarray[Any, Any]":
    """Return `[rows] float32`, 1.0 for the positive class."""
    if params.positive is None:
        positive = labels.astype(float) > 0.5
    else:
        positive = labels == (params.positive if labels.dtype == object else float(params.positive))
    return positive.astype("float32")


def predicted(answers: "dict[str, np.ndarray[Any, Any]]", facts: LabelFacts) -> "np.ndarray[Any, Any]":
    """Return `[rows]` probabilities of the positive class."""
    return answers["probability"]
