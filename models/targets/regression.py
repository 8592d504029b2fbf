"""A number."""

import math
from typing import TYPE_CHECKING, Any, Literal

from models.losses import gamma_deviance, scaled
from models.raw import to_number
from models.settings import Settings
from models.targets import LabelFacts

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf
    from keras import KerasTensor

LABELS = "regression"
METRICS = ("rmse", "mae", "mape", "r2", "mse", "example_count")
WATCHED = ("rmse",)
VOCABULARY = None
METHOD = "regress"
ITEMS = False
LARGEST_EXPONENT = 80.0
"""exp of it is still a float32."""


class Params(Settings):
    """A label that is a number.

    Attributes:
        column: the label's column.
        loss: mse, the squared error; huber: the error itself where it is large, so that outliers pull less; log: for
            positive labels, errors are ratios and a prediction is never negative. Errors are in standard deviations.
    """

    kind: Literal["regression"] = "regression"
    column: str
    loss: Literal["mse", "huber", "log"] = "mse"


def transform(label: "tf.Tensor", params: Params) -> "tf.Tensor":
    """Return `[batch] float32`, NaN for what the loss can't take."""
    import tensorflow as tf

    number = to_number(label)
    return tf.where(number > 0, number, float("nan")) if params.loss == "log" else number


def units(params: Params, facts: LabelFacts) -> int:
    """Return 1: the standardized prediction."""
    return 1


def head(outputs: "KerasTensor", params: Params, facts: LabelFacts) -> "KerasTensor":
    """Return the prediction in the label's unit, `[batch, 1] float32`; the network learns zero mean, unit spread.

    With a log link it is the exponential of what the network says; the spread is a log-normal label's.
    """
    import keras

    if params.loss != "log":
        return keras.layers.Rescaling(facts.deviation, facts.mean, dtype="float32", name="prediction")(outputs)
    spread = math.log1p((facts.deviation / facts.mean) ** 2) ** 0.5
    logarithm = keras.layers.Rescaling(spread, math.log(facts.mean), dtype="float32")(outputs)
    limited = keras.ops.clip(logarithm, -LARGEST_EXPONENT, LARGEST_EXPONENT)
    return keras.layers.Activation("exponential", dtype="float32", name="prediction")(limited)


def loss(params: Params, facts: LabelFacts) -> Any:
    """Return the loss of the settings, in units of the label's standard deviation."""
    return gamma_deviance if params.loss == "log" else scaled(params.loss, facts.deviation)


def watch(params: Params) -> list[Any]:
    """Return the root of the mean squared error."""
    import keras

    return [keras.metrics.RootMeanSquaredError(name="rmse")]


def answers(prediction: "tf.Tensor", facts: LabelFacts) -> "dict[str, tf.Tensor]":
    """Return `value`, `[batch] float32`, in the label's unit."""
    return {"value": prediction[:, 0]}


def results(answers: "dict[str, tf.Tensor]", facts: LabelFacts) -> "dict[str, tf.Tensor]":
    """Return the number."""
    return {"outputs": answers["value"]}


def evaluated(labels: "np.ndarray[Any, Any]", params: Params, facts: LabelFacts) -> "np.ndarray[Any, Any]":
    """Return `[rows] float32`."""
    return labels.astype("float32")


def predicted(answers: "dict[str, np.ndarray[Any, Any]]", facts: LabelFacts) -> "np.ndarray[Any, Any]":
    """Return `[rows]` numbers in the label's unit."""
    return answers["value"]
