"""Targets: one file each; the file's name is the target's `kind:` in the YAML."""

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf
    from keras import KerasTensor


class LabelFacts(NamedTuple):
    """What the training split says of the label.

    Attributes:
        classes: the class names, by id, of a target with a vocabulary; else empty.
        mean: mean of the transformed label.
        deviation: standard deviation of the transformed label, never 0.
    """

    classes: tuple[str, ...] = ()
    mean: float = 0.0
    deviation: float = 1.0


class TargetKind(Protocol):
    """The parts of a target kind."""

    Params: Any
    """Settings of the target: `column`, `kind` and what the kind needs."""

    METRICS: tuple[str, ...]
    """Names of TFMA metrics; the first one is shown as the headline. Their classes are in pipeline/evaluation.py."""

    VOCABULARY: str | None
    """Name of tf.Transform's vocabulary of the label's classes; None for a label that is a number."""

    def transform(self, label: "tf.Tensor", params: Any) -> "tf.Tensor":
        """tf.Transform half: the raw `[batch]` label -> `[batch]` float32, or int64 class ids (-1: unseen class)."""

    def units(self, facts: LabelFacts) -> int:
        """How many numbers the network ends in."""

    def head(self, outputs: "KerasTensor", facts: LabelFacts) -> "KerasTensor":
        """Turn the network's `[batch, units]` outputs into the prediction."""

    def loss(self) -> Any:
        """Return the Keras loss of (transformed label, prediction)."""

    def watch(self) -> list[Any]:
        """Return the Keras metrics shown while training."""

    def answers(self, prediction: "tf.Tensor", facts: LabelFacts) -> "dict[str, tf.Tensor]":
        """Name what a client gets: tensors of shape `[batch]` or `[batch, classes]`."""

    def evaluated(self, labels: "np.ndarray[Any, Any]", params: Any, facts: LabelFacts) -> "np.ndarray[Any, Any]":
        """Return raw labels (text as str, missing as None) in the form that the METRICS compare with `prediction`."""
