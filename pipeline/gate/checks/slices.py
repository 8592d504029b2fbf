"""The label is as frequent in each category as before, beside its frequency on the whole: none was flipped in one."""

import math
from collections.abc import Iterator
from typing import Literal

from models.settings import Settings
from pipeline.gate.checks import Found, Seen
from pipeline.gate.facts import MISSING, OTHER, Cell, ColumnFacts
from pipeline.gate.odds import Counts, change

LEVEL: Literal["block", "warn"] = "block"
LEAST_ROWS = 300
Z = 6.0


class Limits(Settings):
    """How far a category may go its own way.

    Attributes:
        odds: factor by which the odds of the label may change more than on the whole.
    """

    odds: float = 3.0


def find(seen: Seen, limits: Limits) -> Iterator[Found]:
    """Yield for each text the category that went furthest, if that is too far; the label's first class is counted."""
    if seen.before is None or seen.before.label != seen.facts.label or seen.label_kind == "regression":
        return
    for column in seen.used:
        known = seen.known(column.name)
        # numbers are left out: what a bin of the weather says depends on which storm it was
        if known is not None and column.kind == known.kind == "text":
            yield from _furthest(seen, column, known, limits)


def _furthest(seen: Seen, column: ColumnFacts, known: ColumnFacts, limits: Limits) -> Iterator[Found]:
    now, then = _by_bin(column.as_before), _by_bin(known.cells)
    whole, _ = change(_sum(now), _sum(then))
    moved = []
    for place in now.keys() & then.keys() - {OTHER}:
        own, error = change(now[place], then[place])
        beside = abs(own - whole)
        if min(now[place].rows, then[place].rows) >= LEAST_ROWS and beside > max(math.log(limits.odds), Z * error):
            moved.append((beside, place))
    if moved:
        beside, place = max(moved)
        name = "is missing" if place == MISSING else f"is {known.values[place]!r}"
        shares = f"label in {now[place].share:.1%} of the rows, {then[place].share:.1%} in {seen.named}"
        factor = f"odds {math.exp(beside):.1f} times further than on the whole"
        yield Found(column.name, f"where it {name}: {shares}; {factor}, limit is {limits.odds:g}")


def _by_bin(cells: tuple[Cell, ...]) -> dict[int, Counts]:
    """Return rows with and without the label, by bin; of several classes with and without any but the first."""
    found: dict[int, Counts] = {}
    for _, place, label, rows in cells:
        known = found.get(place, Counts(0, 0))
        found[place] = Counts(known.yes + rows, known.no) if label else Counts(known.yes, known.no + rows)
    return found


def _sum(counts: dict[int, Counts]) -> Counts:
    return Counts(sum(each.yes for each in counts.values()), sum(each.no for each in counts.values()))
