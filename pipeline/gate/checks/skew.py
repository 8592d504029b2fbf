"""The columns are distributed as in the data that served models were asked about (`data_gate.serving`)."""

from collections.abc import Iterator
from typing import Literal

from pipeline.gate.checks import Found, Seen, drift
from pipeline.gate.distances import Pair

LEVEL: Literal["block", "warn"] = "block"
Limits = drift.Limits


def find(seen: Seen, limits: drift.Limits) -> Iterator[Found]:
    """Yield columns whose distribution is too far from the served one's."""
    if seen.serving is not None:
        yield from drift.compare(seen, limits, "skew", Pair(seen.statistics, seen.serving))
