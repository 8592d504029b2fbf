"""As many values are missing as in the data before: neither many more, nor all of them filled in."""

from collections.abc import Iterator
from typing import Literal

from models.settings import Settings
from pipeline.gate.checks import Found, Seen

LEVEL: Literal["block", "warn"] = "block"


class Limits(Settings):
    """How far the share of missing values may move; beyond both limits is too far.

    Attributes:
        share: of the rows.
        factor: by which it grows or shrinks.
    """

    share: float = 0.03
    factor: float = 3.0


def find(seen: Seen, limits: Limits) -> Iterator[Found]:
    """Yield columns that miss far more, or far fewer values than before."""
    if seen.before is None:
        return
    for column in seen.used:
        known = seen.known(column.name)
        if known is None:
            continue
        now, then = 1 - sum(column.present) / seen.facts.total, 1 - sum(known.present) / seen.before.total
        if abs(now - then) > limits.share and max(now, then) > limits.factor * min(now, then):
            limit = f"limit is {limits.share:.0%} of the rows and a factor of {limits.factor:g}"
            yield Found(column.name, f"missing in {now:.1%} of the rows, in {then:.1%} of {seen.named}; {limit}")
