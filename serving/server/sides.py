"""Which side of a roll-out answers a request, where one is under way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from serving.canary.plan import Plan, Step
from serving.canary.split import is_chosen
from serving.server.model import Servable

ReadKey: TypeAlias = Callable[[str | None], bytes]
"""Reads of a request the value of a column; of None, or where the request lacks it, what stands for the whole."""


@dataclass(frozen=True, slots=True)
class Split:
    """One step of a roll-out.

    Attributes:
        id: the roll-out's.
        step: its number, from 0.
        plan: steps and rules.
        stable: answers who is not chosen.
        canary: answers who is, or is asked beside stable; None: it does not load, so stable does.
        folder: where servers tell what they have counted of this step.
    """

    id: str
    step: int
    plan: Plan
    stable: Servable
    canary: Servable | None
    folder: Path

    @property
    def at(self) -> Step:
        """The share and its mode."""
        return self.plan.steps[self.step]

    def choose(self, read_key: ReadKey) -> Route:
        """Return where a request goes: the same one always to the same side, as long as the share only grows."""
        return Route(self, is_chosen(self.id, read_key(self.plan.key), self.at.share))


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request was sent.

    Attributes:
        split: by which.
        is_chosen: for the canary, or for a shadow copy to it.
    """

    split: Split
    is_chosen: bool

    @property
    def servable(self) -> Servable:
        """Who answers."""
        is_canary = self.is_chosen and self.split.at.mode == "live"
        return self.split.canary if is_canary and self.split.canary is not None else self.split.stable
