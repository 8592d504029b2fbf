"""Feature kinds: one file each; the file's name is the `kind:` in the YAML.

A kind is a module with the parts of `FeatureKind`. `transform` sees all columns of its kind at once, so that
tf.Transform analyses them together: its cost here is per analyzer, not per column (docs/adr/0002).
"""

from typing import TYPE_CHECKING, Any, Literal, Protocol

from models.encoded import Encoded
from models.raw import Takes
from models.settings import Settings

if TYPE_CHECKING:
    import tensorflow as tf
    from keras import KerasTensor


class Feature(Settings):
    """Settings of a feature of any kind.

    Attributes:
        tower: what it tells of, where a model has two towers: who or what asks (`query`), or what is offered (`item`).
    """

    tower: Literal["query", "item"] = "query"


class FeatureKind(Protocol):
    """The parts of a feature kind."""

    Params: Any
    """Settings of one feature of this kind: a `Feature`."""

    def takes(self, params: Any) -> Takes:
        """What columns a feature with these settings reads; pipeline.check refuses others."""

    def transform(self, columns: "dict[str, tf.Tensor]", params: dict[str, Any]) -> "dict[str, tf.Tensor]":
        """tf.Transform half: raw `[batch]` columns by name -> transformed tensors by the name of their feature.

        A feature reads the column of its own name, or those that its settings' `columns` name. Where the settings
        have a `length`, its columns are lists: `[batch, length]`, padded at the end with the marker of missing values.
        """

    def encode(self, column: "KerasTensor", params: Any, name: str, vocabulary_size: int) -> Encoded:
        """Keras half: one transformed column -> what a family gets. `vocabulary_size` is 0 without a vocabulary."""
