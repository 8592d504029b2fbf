"""Families: one architecture a file; the file's name is the model's `family:` in the YAML."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from models.encoded import Encoded

if TYPE_CHECKING:
    from keras import KerasTensor


class Family(Protocol):
    """The parts of a family."""

    Params: Any
    """Settings of the architecture."""

    def build(self, features: Sequence[Encoded], params: Any, units: int) -> "KerasTensor":
        """Connect the encoded features to `[batch, units] float32` outputs, before any activation."""
