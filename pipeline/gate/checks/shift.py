"""Numbers are neither larger nor smaller than in the data before, on the whole.

TFDV's Jensen-Shannon divergence has ten bins of equal width: a few large values make it blind for all others.
"""

import math
from collections.abc import Iterator
from typing import Literal

from models.settings import Settings
from pipeline.gate.checks import Found, Seen

LEVEL: Literal["block", "warn"] = "block"
Z = 6.0
"""Standard errors: seasons move weather by as much as a month's weeks differ."""


class Limits(Settings):
    """How far they may move.

    Attributes:
        rank: from one half, of the probability that a number is larger than one of the data before; 0.14 is half a
            standard deviation of a normal distribution.
    """

    rank: float = 0.1


def find(seen: Seen, limits: Limits) -> Iterator[Found]:
    """Yield numbers that moved by more than the limit, and by more than blocks of time differ among themselves."""
    for column in seen.used:
        known = seen.known(column.name)
        if known is None or known.rank is None or column.rank is None or column.rank_before is None:
            continue
        moved = column.rank_before.mean - 0.5
        if abs(moved) > max(limits.rank, Z * math.hypot(known.rank.error, column.rank_before.error)):
            way = "larger" if moved > 0 else "smaller"
            message = f"{way} than in {seen.named} with a probability of {0.5 + abs(moved):.0%}"
            yield Found(column.name, f"{message}, limit is {0.5 + limits.rank:.0%}")
