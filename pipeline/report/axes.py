"""Where the labels of an axis stand: numbers at nice steps, times at the calendar's."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pipeline.examples.bins import DAY_S, nice
from pipeline.report.words import EPOCH, NumberScale, Scale, TimeScale, percent, trim

LONG_LOG = 2.5
"""Powers of ten from which on a logarithmic axis has ticks at them alone."""
MONTHS = {"%b %Y": (1, 2, 3, 6), "%Y": (12, 24, 60, 120, 240, 600, 1200)}
"""Steps of months by how their ticks are written."""
STEPS_S = {"%H:%M": (3600, 10_800, 21_600, 43_200), "%d %b": (DAY_S, 2 * DAY_S, 7 * DAY_S, 14 * DAY_S)}
"""Steps of seconds by how their ticks are written."""


class Tick(NamedTuple):
    """A label on an axis: its place (0 left or bottom, 1 right or top) and its text."""

    place: float
    text: str


def share_axis(largest: float) -> tuple[float, list[Tick]]:
    """Return the upper end of an axis of shares that holds `largest`, and its ticks."""
    top = min(upper_end(largest), 1.0) if largest <= 1 else upper_end(largest)
    return top, [Tick(0, percent(0)), Tick(0.5, trim(percent(top / 2))), Tick(1, trim(percent(top)))]


def number_axis(low: float, high: float, scale: NumberScale) -> tuple[float, float, list[Tick]]:
    """Return both ends of an axis that holds `low` and `high`, and its ticks."""
    step = nice((high - low) / 3) if high > low else abs(high) or 1.0
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(last, first + 1)
    write = _for_step(scale, step).mean
    found = [Tick((index - first) / (last - first), write(index * step)) for index in range(first, last + 1)]
    return first * step, last * step, found


def upper_end(largest: float) -> float:
    """Return where an axis from 0 with two nice steps ends that holds `largest`."""
    return 2 * nice(max(largest, 1e-9) / 2)


def ticks(low: float, high: float, most: int, scale: Scale) -> list[Tick]:
    """Return at most `most` ticks between `low` and `high`, one more if both ends have one."""
    if not high > low:
        return [Tick(0.5, scale.value(low))]
    if isinstance(scale, TimeScale):
        found = list(_moments(low, high, most))
    else:
        step = nice((high - low) / most, whole=scale.whole)
        write = _for_step(scale, step).mean
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        found = [(index * step, write(index * step)) for index in range(first, last + 1)]
    return [Tick((value - low) / (high - low), text) for value, text in found]


def log_ticks(low: float, high: float) -> list[Tick]:
    """Return ticks of a logarithmic axis: powers of ten; 2 and 5 times them too where there are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if math.log10(high / low) < LONG_LOG else (1,)
    found = [step * 10.0**power for power in powers for step in steps]
    return [
        Tick(math.log(value / low) / math.log(high / low), f"{value:.6g}")
        for value in found
        if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)
    ]


def _for_step(scale: NumberScale, step: float) -> NumberScale:
    """Return the scale with as many decimals as the multiples of a nice step need."""
    if scale.decimals is None:
        return scale
    return scale._replace(decimals=max(0, ("2.5" in f"{step:e}") - math.floor(math.log10(step))))


def _moments(low: float, high: float, most: int) -> Iterator[tuple[float, str]]:
    """Yield moments, in seconds since 1970, and how they are written."""
    for style, steps in STEPS_S.items():
        for step in steps:
            if (high - low) / step <= most:
                first = math.ceil(low / step)
                for index in range(first, math.floor(high / step) + 1):
                    yield index * step, format(EPOCH + timedelta(seconds=index * step), style)
                return
    years = (high - low) / (365.25 * DAY_S)
    style, step = next(
        ((style, step) for style, steps in MONTHS.items() for step in steps if years * 12 / step <= most),
        ("%Y", 12_000),
    )
    yield from _months(low, high, step, style)


def _months(low: float, high: float, step: int, style: str) -> Iterator[tuple[float, str]]:
    try:
        start = EPOCH + timedelta(seconds=low)
    except OverflowError:
        return
    month = -(-(start.year * 12 + start.month - 1) // step) * step
    while month // 12 <= datetime.max.year:
        moment = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
        value = (moment - EPOCH).total_seconds()
        if value > high:
            return
        if value >= low:
            yield value, format(moment, style)
        month += step
