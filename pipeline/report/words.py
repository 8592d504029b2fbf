"""Numbers as a person reads them: aligned, with their unit, never more digits than they are worth."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pipeline.examples.bins import DAY_S

NONE = "–"
SPACE = "\N{NARROW NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
LARGE = 1e9
GROUPED_FROM = 10_000
MOST_DECIMALS = 6
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DURATIONS_S = {"days": DAY_S, "hours": 3600, "minutes": 60, "s": 1}


def decimal(value: float | None, decimals: int, grouped_from: float = GROUPED_FROM) -> str:
    """Return `value` with that many decimals, a true minus sign, and commas from 10,000 on (so that 2013 is a year)."""
    if value is None:
        return NONE
    grouped = "," if abs(value) >= grouped_from else ""
    text = f"{value:{grouped}.{decimals}f}"
    return text.replace("-", MINUS) if float(text.replace(",", "")) else text.lstrip("-")


def count(value: int | None) -> str:
    """Return a number of rows."""
    return decimal(value, 0, grouped_from=0)


def trim(text: str) -> str:
    """Return a number's text without zeros at the end of its decimals."""
    number, space, unit = text.partition(SPACE)
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number}{space}{unit}"


def percent(share: float | None) -> str:
    """Return a share in percent: `0 %` only if there is none at all, `100 %` only if it is all."""
    if share is None:
        return NONE
    if share in (0, 1):
        return f"{share * 100:.0f}{SPACE}%"
    if abs(share) < 0.0005:
        return f"<0.1{SPACE}%"
    return f">99.9{SPACE}%" if 0.9995 <= share < 1 else f"{decimal(share * 100, 1)}{SPACE}%"


def share(part: float, whole: float) -> float | None:
    """Return part of whole, None of nothing."""
    return part / whole if whole else None


class NumberScale(NamedTuple):
    """How the numbers of a column are written.

    Attributes:
        decimals: of means; None for powers of ten.
        whole: whether the values are whole numbers.
    """

    decimals: int | None
    whole: bool

    def value(self, number: float | None) -> str:
        """Return one of the column's values."""
        return decimal(number, 0) if self.whole and self.decimals is not None else self.mean(number)

    def mean(self, number: float | None) -> str:
        """Return a mean of the column's values."""
        if number is None:
            return NONE
        return decimal(number, self.decimals) if self.decimals is not None else f"{number:.3g}".replace("-", MINUS)

    def spread(self, number: float | None) -> str:
        """Return a standard deviation."""
        return self.mean(number)


class TimeScale(NamedTuple):
    """How the times of a column are written: `has_clock` if they are more than dates."""

    has_clock: bool

    def value(self, number: float | None) -> str:
        """Return a moment, in UTC."""
        if number is None:
            return NONE
        try:
            moment = EPOCH + timedelta(seconds=number)
        except OverflowError:
            return f"{number:.3g}{SPACE}s"
        return f"{moment:%Y-%m-%d %H:%M}" if self.has_clock else f"{moment:%Y-%m-%d}"

    def mean(self, number: float | None) -> str:
        """Return a mean moment."""
        return self.value(number)

    def spread(self, number: float | None) -> str:
        """Return a length of time."""
        if number is None:
            return NONE
        unit, seconds = next(((unit, size) for unit, size in DURATIONS_S.items() if number >= size), ("s", 1))
        return f"{decimal(number / seconds, 1)}{SPACE}{unit}"


Scale = NumberScale | TimeScale


def number_scale(values: Iterable[float | None], spread: float | None, *, whole: bool) -> NumberScale:
    """Return how to write `values`: three significant digits of their spread (standard deviation or range)."""
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    digits = 2 - math.floor(math.log10(spread)) if spread else 0
    if largest >= LARGE or digits > MOST_DECIMALS:
        return NumberScale(None, whole)
    return NumberScale(max(digits, 0), whole)


def time_scale(values: Iterable[float | None]) -> TimeScale:
    """Return how to write moments (seconds since 1970): dates if they all are at midnight."""
    return TimeScale(any(value is not None and value % DAY_S for value in values))


def shorten(text: str, most: int) -> str:
    """Return `text`, cut to `most` characters with an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "…"


def plural(number: int, word: str) -> str:
    """Return `3 rows`, `1 row`."""
    return f"{count(number)} {word}{'' if number == 1 else 's'}"
