"""Targets: one file each; the file's name is the target's `kind:` in the YAML."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf
    from keras import KerasTensor


Labels = Literal["binary", "multiclass", "regression"]
Method = Literal["classify", "regress"]


class LabelFacts(NamedTuple):
    """What the training split says of the label.

    Attributes:
        classes: the class names, by id, of a target with a vocabulary; else empty.
        mean: mean of the transformed label.
        deviation: standard deviation of the transformed label, never 0.
        counts: rows of each class, by id, of a target with a vocabulary.
        named: by feature of ids, the class that each of its vocabulary's words is, -1 for none: where a target asks.
    """

    classes: tuple[str, ...] = ()
    mean: float = 0.0
    deviation: float = 1.0
    counts: tuple[int, ...] = ()
    named: Mapping[str, tuple[int, ...]] = MappingProxyType({})


class TargetKind(Protocol):
    """The parts of a target kind."""

    Params: Any
    """Settings of the target: `column`, `kind` and what the kind needs."""

    LABELS: Labels
    """What its labels are, for what looks at labels alone: the data gate, the report."""

    METRICS: tuple[str, ...]
    """Names of TFMA metrics; the first one is shown as the headline. Their classes are in pipeline/evaluation.py."""

    WATCHED: tuple[str, ...]
    """Names of what `watch` returns: a search for hyperparameters may go by them."""

    VOCABULARY: str | None
    """Name of tf.Transform's vocabulary of the label's classes; None for a label that is a number."""

    METHOD: Method | None
    """Which of TensorFlow Serving's methods beside predict gives the answers; it names the signature of `results`."""

    ITEMS: bool
    """Whether the label is an item out of many, which has a tower of its own (models/items.py)."""

    def transform(self, label: "tf.Tensor", params: Any) -> "tf.Tensor":
        """tf.Transform half: the raw `[batch]` label -> `[batch]` or `[batch, classes]` float32, or int64 ids.

        NaN says that the loss can't take the label, -1 that the training split does not have the class.
        """

    def units(self, params: Any, facts: LabelFacts) -> int:
        """How many numbers the network ends in."""

    def head(self, outputs: "KerasTensor", params: Any, facts: LabelFacts) -> "KerasTensor":
        """Turn the network's `[batch, units]` outputs into the prediction; the last layer is called "prediction".

        Of ITEMS the outputs are the vectors of query and item, `[batch, 2, units]`.
        """

    def loss(self, params: Any, facts: LabelFacts) -> Any:
        """Return the Keras loss of (transformed label, prediction).

        Raises:
            ValueError: the settings do not go with what the training split says of the label.
        """

    def watch(self, params: Any) -> list[Any]:
        """Return the Keras metrics shown while training."""

    def answers(self, prediction: "tf.Tensor", facts: LabelFacts) -> "dict[str, tf.Tensor]":
        """Name what a client gets: tensors of shape `[batch]` or `[batch, any]`.

        Of ITEMS the prediction is what `models.items.retriever` answers.
        """

    def results(self, answers: "dict[str, tf.Tensor]", facts: LabelFacts) -> "dict[str, tf.Tensor]":
        """Return the answers as the METHOD has them.

        classify: `classes`, `[batch, any] string`, and their `scores`, `[batch, any] float32`; regress: `outputs`,
        `[batch] float32`; {} without a METHOD.
        """

    def evaluated(self, labels: "np.ndarray[Any, Any]", params: Any, facts: LabelFacts) -> "np.ndarray[Any, Any]":
        """Return raw labels (text as str, missing as None) in the form that the METRICS compare with `predicted`."""

    def predicted(self, answers: "dict[str, np.ndarray[Any, Any]]", facts: LabelFacts) -> "np.ndarray[Any, Any]":
        """Return, of a client's answers, what is evaluated: numbers, `[rows]` or `[rows, any]`."""


def score_classes(names: Sequence[str], scores: "tf.Tensor") -> "dict[str, tf.Tensor]":
    """Return the results of classify where every row has the same classes.

    Args:
        names: of the classes.
        scores: `[batch, classes] float32`.
    """
    import tensorflow as tf

    return {"classes": tf.broadcast_to(tf.constant(names, tf.string), tf.shape(scores)), "scores": scores}
