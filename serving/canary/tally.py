"""What one side of a roll-out has done: counted by servers, added up by whoever decides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from serving.canary.sketch import Sketch, merge


@dataclass(slots=True)
class Tally:
    """One side.

    Attributes:
        requests: that were sent to it, whatever became of them.
        errors: of these, not answered.
        latency_ms: of those that were answered.
        predictions: for the first row of each; of several numbers the place of the largest, of a text its hash.
        differences: of each row that both sides have answered (shadow): the canary's less stable's.
    """

    requests: int = 0
    errors: int = 0
    latency_ms: Sketch = field(default_factory=Sketch)
    predictions: Sketch = field(default_factory=Sketch)
    differences: Sketch = field(default_factory=Sketch)


class Score(NamedTuple):
    """A metric of one side's predictions whose labels have come, with the variance of the estimate."""

    estimate: float
    variance: float
    rows: int


@dataclass(slots=True)
class Sides:
    """Both."""

    stable: Tally = field(default_factory=Tally)
    canary: Tally = field(default_factory=Tally)


def add_up(found: Iterable[Sides]) -> Sides:
    """What several servers have counted."""
    parts = list(found)
    return Sides(_add([each.stable for each in parts]), _add([each.canary for each in parts]))


def _add(tallies: list[Tally]) -> Tally:
    return Tally(
        sum(each.requests for each in tallies),
        sum(each.errors for each in tallies),
        merge(each.latency_ms for each in tallies),
        merge(each.predictions for each in tallies),
        merge(each.differences for each in tallies),
    )
