"""There are enough rows: to train on, and beside the data before."""

from collections.abc import Iterator
from typing import Literal

from models.settings import Settings
from pipeline.gate.checks import Found, Seen

LEVEL: Literal["block", "warn"] = "block"


class Limits(Settings):
    """The least.

    Attributes:
        train: rows of the training split.
        share: of the rows that the data before had.
    """

    train: int = 50
    share: float = 0.5


def find(seen: Seen, limits: Limits) -> Iterator[Found]:
    """Yield too few rows."""
    train = next(iter(seen.facts.rows.values()))
    if train < limits.train:
        yield Found("", f"{train:,} training rows, expected at least {limits.train:,}")
    if seen.before and seen.facts.total < limits.share * seen.before.total:
        share = seen.facts.total / seen.before.total
        message = f"{seen.facts.total:,} rows are {share:.0%} of the {seen.before.total:,} of {seen.named}"
        yield Found("", f"{message}, limit is {limits.share:.0%}")
