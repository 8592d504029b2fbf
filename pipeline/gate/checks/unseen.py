"""The categories of the other splits are known from the training rows."""

from collections.abc import Iterator
from typing import Literal

from models.settings import Settings
from pipeline.gate.checks import Found, Seen

LEVEL: Literal["block", "warn"] = "block"
LEAST_ROWS = 30
IDENTIFIES = 0.5


class Limits(Settings):
    """How much is new.

    Attributes:
        share: of a split's rows with a value.
    """

    share: float = 0.1


def find(seen: Seen, limits: Limits) -> Iterator[Found]:
    """Yield texts that the training rows do not have, above the share; of names of single rows that is no wonder."""
    for column in seen.used:
        if column.kind != "text" or column.distinct > IDENTIFIES * sum(column.present):
            continue
        for split, present, new in zip(seen.facts.rows, column.present, column.unseen, strict=True):
            if present >= LEAST_ROWS and new > limits.share * present:
                message = f"{new / present:.1%} of the values of split {split} are in no training row"
                yield Found(column.name, f"{message}, limit is {limits.share:.1%}")
