"""Families: one architecture a file; the file's name is the model's `family:` in the YAML."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from models.encoded import Encoded

if TYPE_CHECKING:
    from keras import KerasTensor


class Choice(NamedTuple):
    """A setting that takes one of a few values."""

    values: tuple[Any, ...]


class Range(NamedTuple):
    """A setting that takes any number between two, both included; `log`: each order of magnitude is as likely."""

    min: float
    max: float
    log: bool = False


SearchSpace = dict[str, Choice | Range]
"""What a tuner may vary: the name of a setting to its values."""


def choice(written: Any, *others: Any) -> Choice:
    """Return the value that is written in the YAML, then the others: a tuner tries what a person chose, too."""
    return Choice((written, *(other for other in others if other != written)))


class Family(Protocol):
    """The parts of a family."""

    Params: Any
    """Settings of the architecture."""

    NEEDS_STEPS: bool
    """Whether it runs over the steps of sequences and texts, so that a model needs at least one of them."""

    TOWERS: bool
    """Whether it reads features with `tower: item` apart from the others."""

    BEYOND_EDGE: str
    """An operation that it needs and LiteRT lacks; "" of none. pipeline.check refuses `push.edge` with it."""

    def build(self, features: Sequence[Encoded], params: Any, units: int) -> "KerasTensor":
        """Connect the encoded features to `[batch, units] float32` outputs, before any activation.

        A row without a single step, and a batch without a row, have finite answers.

        Raises:
            ValueError: the family needs steps, and no feature has them.
        """

    def search_space(self, params: Any) -> SearchSpace:
        """Return the settings that a tuner may vary, around those that are written."""
