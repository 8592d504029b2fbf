"""How far the odds of a label have changed."""

import math
from typing import NamedTuple


class Counts(NamedTuple):
    """Rows with and without something."""

    yes: int
    no: int

    @property
    def rows(self) -> int:
        """All of them."""
        return self.yes + self.no

    @property
    def share(self) -> float:
        """Of those with it."""
        return self.yes / self.rows if self.rows else 0.0

    @property
    def log_odds(self) -> float:
        """With half a row added to each, so that it is finite (Haldane 1956)."""
        return math.log((self.yes + 0.5) / (self.no + 0.5))

    @property
    def variance(self) -> float:
        """Of `log_odds`."""
        return 1 / (self.yes + 0.5) + 1 / (self.no + 0.5)


def change(now: Counts, then: Counts) -> tuple[float, float]:
    """Return the logarithm of the odds ratio and its standard error (Woolf 1955)."""
    return now.log_odds - then.log_odds, math.sqrt(now.variance + then.variance)
