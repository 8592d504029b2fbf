"""Feature kinds: one file each; the file's name is the `kind:` in the YAML.

A kind is a module with the parts of `FeatureKind`. `transform` sees all columns of its kind at once, so that
tf.Transform analyses them together: its cost here is per analyzer, not per column (docs/adr/0002).
"""

from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from pydantic import Field, model_validator

from models.encoded import Encoded
from models.raw import Takes
from models.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Collection

    import tensorflow as tf
    from keras import KerasTensor

    from models.raw import RawType


class Feature(Settings):
    """Settings of a feature of any kind.

    Attributes:
        column: what it reads; left out, the column of its own name.
        tower: what it tells of, where a model has two towers: who or what asks (`query`), or what is offered (`item`).
    """

    column: str | None = None
    tower: Literal["query", "item"] = Field(default="query", exclude_if=lambda tower: bool(tower == "query"))

    @model_validator(mode="after")
    def _read_once(self) -> Self:
        if self.column is not None and hasattr(self, "columns"):
            msg = f"column: {self.column} is one too many, columns says what is read"
            raise ValueError(msg)
        return self


class FeatureKind(Protocol):
    """The parts of a feature kind."""

    Params: Any
    """Settings of one feature of this kind: a `Feature`."""

    def takes(self, params: Any) -> Takes:
        """What columns a feature with these settings reads; pipeline.check refuses others."""

    def beyond_edge(self, params: Any, raw_types: "Collection[RawType]") -> str:
        """An operation that a feature with these settings needs of such columns and LiteRT lacks; "" of none.

        pipeline.check refuses `push.edge` with it.
        """

    def transform(self, columns: "dict[str, tf.Tensor]", params: dict[str, Any]) -> "dict[str, tf.Tensor]":
        """tf.Transform half: raw `[batch]` columns by name -> transformed tensors by the name of their feature.

        A feature has its column under its own name, whatever column it reads, or those that its settings' `columns`
        name under theirs. Where the settings
        have a `length`, its columns are lists: `[batch, length]`, padded at the end with the marker of missing values.
        """

    def encode(self, column: "KerasTensor", params: Any, name: str, vocabulary_size: int) -> Encoded:
        """Keras half: one transformed column -> what a family gets. `vocabulary_size` is 0 without a vocabulary."""
