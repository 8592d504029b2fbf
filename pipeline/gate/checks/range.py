"""Numbers are not far outside of what the data before had, where the schema has no bounds for them."""

from collections.abc import Iterator
from typing import Literal

from models.settings import Settings
from pipeline.gate.checks import Found, Seen

LEVEL: Literal["block", "warn"] = "block"


class Limits(Settings):
    """How far.

    Attributes:
        widths: beyond the smallest and the largest number before, in units of their difference.
    """

    widths: float = 3.0


def find(seen: Seen, limits: Limits) -> Iterator[Found]:
    """Yield numbers that no row had before, by far."""
    for column in seen.used:
        known = seen.known(column.name)
        if known is None or column.kind != "number" or None in {known.low, known.high, column.low, column.high}:
            continue
        low, high = float(known.low or 0), float(known.high or 0)
        room = limits.widths * (high - low)
        if not room:
            continue
        for value, is_out in (
            (column.low, (column.low or 0) < low - room),
            (column.high, (column.high or 0) > high + room),
        ):
            if is_out:
                message = f"the value {value:g} is far outside of {low:g} to {high:g}, the range of {seen.named}"
                yield Found(column.name, message)
