"""A number."""

from typing import TYPE_CHECKING, Any, Literal

from models.raw import to_number
from models.settings import Settings
from models.targets import LabelFacts

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf
    from keras import KerasTensor

METRICS = ("rmse", "mae", "r2", "example_count")
VOCABULARY = None


class Params(Settings):
    """A label that is a number; the squared error is minimised."""

    kind: Literal["regression"] = "regression"
    column: str


def transform(label: "tf.Tensor", params: Params) -> "tf.Tensor":
    """Return `[batch] float32`."""
    return to_number(label)


def units(facts: LabelFacts) -> int:
    """Return 1: the standardized prediction."""
    return 1


def head(outputs: "KerasTensor", facts: LabelFacts) -> "KerasTensor":
    """Return the prediction in the label's unit, `[batch, 1] float32`; the network learns zero mean, unit spread."""
    import keras

    return keras.layers.Rescaling(facts.deviation, facts.mean, dtype="float32", name="prediction")(outputs)


def loss() -> Any:
    """Return the mean squared error."""
    return "mean_squared_error"


def watch() -> list[Any]:
    """Return the root of the mean squared error."""
    import keras

    return [keras.metrics.RootMeanSquaredError(name="rmse")]


def answers(prediction: "tf.Tensor", facts: LabelFacts) -> "dict[str, tf.Tensor]":
    """Return `value`, `[batch] float32`, in the label's unit."""
    return {"value": prediction[:, 0]}


def evaluated(labels: "np.ndarray[Any, Any]", params: Params, facts: LabelFacts) -> "np.ndarray[Any, Any]":
    """Return `[rows] float32`."""
    return labels.astype("float32")
