"""The label: present, enough rows of each class in each split, and each class as often as before."""

import math
from collections.abc import Iterator
from typing import Literal

from models.settings import Settings
from pipeline.gate.checks import Found, Seen
from pipeline.gate.facts import Facts
from pipeline.gate.odds import Counts, change

LEVEL: Literal["block", "warn"] = "block"
Z = 6.0
"""Standard errors: by chance no class of any table is so far off."""
SHOWN = 5
MOST_CLASSES = 50
"""Of more classes (the items of a shop, sets of labels) one or another always comes and goes: that only warns."""


class Limits(Settings):
    """What may be.

    Attributes:
        rows: least rows of a class in each split.
        odds: factor by which the odds of a class may change from the data before.
    """

    rows: int = 5
    odds: float = 2.5


def find(seen: Seen, limits: Limits) -> Iterator[Found]:
    """Yield label faults."""
    facts = seen.facts
    for split, rows, counts in zip(facts.rows, facts.rows.values(), facts.class_rows, strict=True):
        if rows and not sum(counts):
            yield Found(facts.label, f"no label in any of {rows:,} rows of split {split}")
        elif seen.label_kind != "regression":
            yield from _classes(facts, split, counts, limits)
    if seen.before and seen.before.label == facts.label and seen.label_kind != "regression":
        yield from _rates(seen, seen.before, limits)


def _classes(facts: Facts, split: str, counts: tuple[int, ...], limits: Limits) -> Iterator[Found]:
    if sum(1 for count in counts if count) == 1:
        yield Found(facts.label, f"one class only in split {split}: nothing to learn or to judge by")
        return
    few = [f"{name!r} {count}" for name, count in zip(facts.classes, counts, strict=True) if count < limits.rows]
    if few:
        message = f"rows of class {', '.join(few[:SHOWN])} in split {split}, expected at least {limits.rows}"
        # of many classes a rare one may be missing
        yield Found(facts.label, message, certain=len(facts.classes) == 2)


def _rates(seen: Seen, before: Facts, limits: Limits) -> Iterator[Found]:
    now, then = _by_class(seen.facts), _by_class(before)
    # of two classes the one says what the other does
    for name in sorted(now.keys() | then.keys())[1 if len(now) == len(then) == 2 else 0 :]:
        pair = [counts.get(name, Counts(0, sum(each.yes for each in counts.values()))) for counts in (now, then)]
        moved, error = change(*pair)
        if abs(moved) > max(math.log(limits.odds), Z * error):
            message = f"class {name!r} in {pair[0].share:.1%} of the rows, {pair[1].share:.1%} in {seen.named}"
            factor = f"{math.exp(moved):.1f} times" if moved > 0 else f"1/{math.exp(-moved):.1f}"
            text = f"{message}: odds {factor}, limit is a factor of {limits.odds:g}"
            yield Found(seen.facts.label, text, certain=max(len(now), len(then)) <= MOST_CLASSES)


def _by_class(facts: Facts) -> dict[str, Counts]:
    """Return the rows of each class in all splits, and the others."""
    rows = [sum(counts) for counts in zip(*facts.class_rows, strict=True)]
    return {name: Counts(count, sum(rows) - count) for name, count in zip(facts.classes, rows, strict=True)}
