"""Evaluated rows are no training rows."""

from collections.abc import Iterator
from typing import Literal

from models.settings import Settings
from pipeline.gate.checks import Found, Seen

LEVEL: Literal["block", "warn"] = "block"


class Limits(Settings):
    """How many may be.

    Attributes:
        share: of the rows outside of the training split.
    """

    share: float = 0.01


def find(seen: Seen, limits: Limits) -> Iterator[Found]:
    """Yield rows of other splits that equal a training row in all but what the split goes by, if they are too many."""
    first, *_ = seen.facts.rows
    others = seen.facts.total - seen.facts.rows[first]
    count = seen.facts.overlapping
    if others and count > limits.share * others:
        message = (
            f"{count:,} of {others:,} rows outside of the training split ({count / others:.2%}) equal a training row"
        )
        # in a table of few columns rows are equal by chance
        by_chance = seen.facts.duplicates > limits.share * seen.facts.total
        yield Found("", f"{message}, limit is {limits.share:.2%}", certain=not by_chance)
