"""Rows are not there twice."""

from collections.abc import Iterator
from typing import Literal

from models.settings import Settings
from pipeline.gate.checks import Found, Seen

LEVEL: Literal["block", "warn"] = "block"


class Limits(Settings):
    """How many rows may equal another one.

    Attributes:
        share: of all rows; left out, a table of few columns may have any number of them in a first run.
        more: share of all rows, above that of the data before.
    """

    share: float | None = None
    more: float = 0.001


def find(seen: Seen, limits: Limits) -> Iterator[Found]:
    """Yield rows that equal another one, if they are too many."""
    count, total = seen.facts.duplicates, seen.facts.total
    message = f"{count:,} of {total:,} rows ({count / total:.2%}) equal another one"
    if limits.share is not None and count > limits.share * total:
        yield Found("", f"{message}, limit is {limits.share:.2%}")
    elif seen.before:
        usual = seen.before.duplicates / seen.before.total
        if count / total > usual + limits.more:
            yield Found("", f"{message}; {usual:.2%} in {seen.named}, limit is {limits.more:.2%} more")
    elif count > limits.more * total:
        yield Found("", message, certain=False)
