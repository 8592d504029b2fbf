"""Bins that a person likes to read."""

import math
from typing import NamedTuple

MOST_BINS = 60
NICE = (1.0, 2.0, 2.5, 5.0, 10.0)
DAY_S = 86_400
NICE_S = (1, 5, 15, 60, 300, 900, 3600, 10_800, 21_600, 43_200, DAY_S, 2 * DAY_S, 7 * DAY_S, 14 * DAY_S, 30 * DAY_S)
"""Steps of time in seconds; longer ones are nice numbers of 30 days."""


class Bins(NamedTuple):
    """Bins of equal width: bin i holds `start + i * width <= value < start + (i + 1) * width`.

    Attributes:
        start: lower end of the first one.
        width: of each.
        number: how many.
    """

    start: float
    width: float
    number: int

    @property
    def end(self) -> float:
        """Upper end of the last one."""
        return self.start + self.width * self.number


def make_bins(low: float, high: float, *, whole: bool, seconds: bool = False) -> Bins:
    """Return at most MOST_BINS bins that hold `low` and `high`, with ends that are easy to read.

    `whole`: the values are whole numbers; few of them get a bin each, with the number in its middle. `seconds`: they
    are times.
    """
    if whole and not seconds and high - low < MOST_BINS:
        return Bins(low - 0.5, 1.0, round(high - low) + 1)
    if low == high:
        width = abs(low) * 0.1 or 1.0
        return Bins(low - width / 2, width, 1)
    least = (high - low) / (MOST_BINS - 2)
    width = nice_seconds(least) if seconds else nice(least, whole=whole)
    start = math.floor(low / width) * width
    return Bins(start, width, math.floor((high - start) / width + 1e-9) + 1)


def nice(least: float, *, whole: bool = False) -> float:
    """Return the smallest of 1, 2, 2.5, 5 times a power of ten that is not below `least`; a `whole` one if asked."""
    least = max(least, 1.0) if whole else least
    power = math.floor(math.log10(least))
    candidates = [step * 10.0**exponent for exponent in (power, power + 1) for step in NICE]
    return next(found for found in candidates if found >= least * (1 - 1e-9) and (not whole or found % 1 == 0))


def nice_seconds(least: float) -> float:
    """Return a step of time that is not below `least`, in seconds."""
    month = 30 * DAY_S
    return next((float(step) for step in NICE_S if step >= least), nice(least / month, whole=True) * month)
