"""A number with its uncertainty: several quantiles of it, which make prediction intervals."""

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from models.losses import pinball
from models.raw import to_number
from models.settings import Settings
from models.targets import LabelFacts

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf
    from keras import KerasTensor

LABELS = "regression"
METRICS = ("pinball", "coverage", "interval_width", "example_count")
WATCHED = ("coverage",)
VOCABULARY = None
METHOD = None
ITEMS = False
LARGEST_EXPONENT = 80.0
"""exp of it is still a float32."""


class Params(Settings):
    """A label that is a number, of which quantiles are predicted.

    Attributes:
        column: the label's column.
        quantiles: rising shares of labels that lie below each of the answers; between the first and the last lies
            the interval whose `coverage` is measured.
        scale: `log`: of amounts, 0 and more: errors count on the scale of log(1 + label), and no answer is below 0.
        calibration: `conformal`: the interval is made to hold its share of the labels of the eval split.
    """

    kind: Literal["quantile"] = "quantile"
    column: str
    quantiles: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(default=(0.05, 0.5, 0.95), min_length=1)
    scale: Literal["none", "log"] = "none"
    calibration: Literal["none", "conformal"] = "none"

    @field_validator("quantiles")
    @classmethod
    def _rise(cls, quantiles: tuple[float, ...]) -> tuple[float, ...]:
        if sorted(set(quantiles)) != list(quantiles):
            msg = f"expected rising numbers, received {list(quantiles)}"
            raise ValueError(msg)
        return quantiles

    @model_validator(mode="after")
    def _has_interval(self) -> "Params":
        if self.calibration == "conformal" and len(self.quantiles) < 2:
            msg = f"calibration: conformal needs an interval, two quantiles or more, received {list(self.quantiles)}"
            raise ValueError(msg)
        return self


def transform(label: "tf.Tensor", params: Params) -> "tf.Tensor":
    """Return `[batch] float32`, NaN for what the loss can't take."""
    import tensorflow as tf

    number = to_number(label)
    return tf.where(number >= 0, number, float("nan")) if params.scale == "log" else number


def units(params: Params, facts: LabelFacts) -> int:
    """Return the number of quantiles."""
    return len(params.quantiles)


def head(outputs: "KerasTensor", params: Params, facts: LabelFacts) -> "KerasTensor":
    """Return the quantiles in the label's unit, `[batch, quantiles] float32`.

    The first output is the lowest quantile, each further one, by softplus, what the next is higher: they can't cross.
    """
    import keras

    outputs = keras.ops.cast(outputs, "float32")
    steps = keras.ops.concatenate([outputs[:, :1], keras.ops.softplus(outputs[:, 1:])], axis=1)
    rising = keras.ops.cumsum(steps, axis=1)
    if params.scale == "none":
        return keras.layers.Rescaling(facts.deviation, facts.mean, dtype="float32", name="prediction")(rising)
    spread = _log_spread(facts)
    logarithm = keras.layers.Rescaling(spread, math.log1p(facts.mean) - spread**2 / 2, dtype="float32")(rising)
    amount = keras.ops.expm1(keras.ops.minimum(logarithm, LARGEST_EXPONENT))
    # held at 0 it keeps the gradient, or it could never rise again
    amount = amount - keras.ops.stop_gradient(keras.ops.minimum(amount, 0.0))
    return keras.layers.Activation("linear", dtype="float32", name="prediction")(amount)


def _log_spread(facts: LabelFacts) -> float:
    """Return about the standard deviation of log(1 + label): that of a log-normal label of this mean and deviation."""
    return math.sqrt(math.log1p((facts.deviation / (1 + facts.mean)) ** 2))


def loss(params: Params, facts: LabelFacts) -> Any:
    """Return the mean pinball loss, in units of the standard deviation of the label, or of its logarithm."""
    if params.scale == "none":
        return pinball(params.quantiles, facts.deviation)
    import keras

    bent = pinball(params.quantiles, _log_spread(facts))

    def loss(label: "tf.Tensor", prediction: "tf.Tensor") -> "tf.Tensor":
        return bent(keras.ops.log1p(keras.ops.cast(label, "float32")), keras.ops.log1p(prediction))

    return loss


def watch(params: Params) -> list[Any]:
    """Return the share of labels between the first and the last quantile."""
    import keras

    def coverage(label: "tf.Tensor", prediction: "tf.Tensor") -> "tf.Tensor":
        label = keras.ops.reshape(keras.ops.cast(label, "float32"), (-1,))
        inside = keras.ops.logical_and(prediction[:, 0] <= label, label <= prediction[:, -1])
        return keras.ops.cast(inside, "float32")

    return [keras.metrics.MeanMetricWrapper(coverage, name="coverage")]


def answers(prediction: "tf.Tensor", facts: LabelFacts) -> "dict[str, tf.Tensor]":
    """Return `quantiles`, `[batch, quantiles] float32`, rising, in the label's unit."""
    return {"quantiles": prediction}


def results(answers: "dict[str, tf.Tensor]", facts: LabelFacts) -> "dict[str, tf.Tensor]":
    """Return nothing: regress has room for one number."""
    return {}


def evaluated(labels: "np.ndarray[Any, Any]", params: Params, facts: LabelFacts) -> "np.ndarray[Any, Any]":
    """Return `[rows] float32`."""
    return labels.astype("float32")


def predicted(answers: "dict[str, np.ndarray[Any, Any]]", facts: LabelFacts) -> "np.ndarray[Any, Any]":
    """Return `[rows, quantiles]`, rising, in the label's unit."""
    return answers["quantiles"]
