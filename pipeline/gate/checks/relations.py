"""Columns go together as in the data before: a join on the wrong key, or swapped categories, change nothing else."""

import math
from collections.abc import Iterator
from itertools import count
from typing import Literal

from models.settings import Settings
from pipeline.gate.checks import Found, Seen
from pipeline.gate.facts import Facts

LEVEL: Literal["block", "warn"] = "block"
Z = 6.0
SHOWN = 3


class Limits(Settings):
    """How far a correlation may move.

    Attributes:
        change: of Spearman's correlation.
    """

    change: float = 0.3


def find(seen: Seen, limits: Limits) -> Iterator[Found]:
    """Yield pairs whose correlation changed, each at the column that has the most of them."""
    if seen.before is None:
        return
    now, then = _pairs(seen.facts), _pairs(seen.before)
    moved = {
        pair: (now[pair][0], then[pair][0])
        for pair in now.keys() & then.keys()
        if abs(now[pair][0] - then[pair][0]) > max(limits.change, Z * math.hypot(now[pair][1], then[pair][1]))
    }
    while moved:
        names = [name.partition("=")[0] for pair in moved for name in pair]
        worst = max(dict.fromkeys(names), key=names.count)
        taken = {pair: values for pair, values in moved.items() if worst in {name.partition("=")[0] for name in pair}}
        moved = {pair: values for pair, values in moved.items() if pair not in taken}
        ordered = sorted(taken.items(), key=lambda each: -abs(each[1][0] - each[1][1]))
        shown = ", ".join(f"{a} with {b} {values[0]:.2f} (was {values[1]:.2f})" for (a, b), values in ordered[:SHOWN])
        more = f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
        yield Found(worst, f"correlations moved by more than {limits.change:g} from {seen.named}: {shown}{more}")


def _pairs(facts: Facts) -> dict[tuple[str, str], tuple[float, float]]:
    """Return correlation and error by pair of names."""
    places, names = count(), facts.related
    found = {(names[row], names[column]): next(places) for row in range(len(names)) for column in range(row)}
    return {tuple(sorted(pair)): (facts.correlations[place], facts.errors[place]) for pair, place in found.items()}  # type: ignore[misc]
