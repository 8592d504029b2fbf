"""The columns are distributed as in the span before, or the run before, within the schema's limits."""

from collections.abc import Iterator
from typing import Literal

from models.settings import Settings
from pipeline.gate.checks import Found, Seen
from pipeline.gate.distances import Kind, Pair, too_far

LEVEL: Literal["block", "warn"] = "block"


class Limits(Settings):
    """Limits of columns for which the schema has none.

    Attributes:
        category: L-infinity distance of a text: the largest change of a value's share.
        number: Jensen-Shannon divergence of a number, in bits.
    """

    category: float = 0.2
    number: float = 0.4


def find(seen: Seen, limits: Limits) -> Iterator[Found]:
    """Yield columns that have moved further than they may."""
    if seen.earlier is not None:
        yield from compare(seen, limits, "drift", Pair(seen.statistics, seen.earlier))


def compare(seen: Seen, limits: Limits, kind: Kind, pair: Pair) -> Iterator[Found]:
    """Yield distances above their limit."""
    times = {column.name for column in seen.facts.columns if column.kind == "time"}
    defaults = {"infinity_norm": limits.category, "jensen_shannon_divergence": limits.number}
    for each in too_far(pair, seen.schema, kind, defaults, times):
        source = "default limit" if each.is_default else "the schema's limit"
        other = seen.named if kind == "drift" else "the data that was served"
        message = f"{each.measure} {each.value:.2g} from {other}, {source} is {each.limit:.2g}"
        accept = f"schema accept PROBLEM {each.feature}:{kind}={_above(each.value):g}"
        yield Found(each.feature, message, accept if seen.is_curated else "")


def _above(value: float) -> float:
    """Return a limit that lets the value pass, with two digits."""
    return min(1.0, float(f"{value * 1.1 + 0.005:.2g}"))
