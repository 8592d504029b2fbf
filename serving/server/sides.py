"""Which side of a roll-out answers a request, where one is under way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from serving.server.model import Servable
from serving.standing import Rollout

ReadKey: TypeAlias = Callable[[str | None], bytes]
"""Reads of a request the value of a column; of None, or where the request lacks it, what stands for the whole."""


@dataclass(frozen=True, slots=True)
class Split:
    """One step of a roll-out.

    Attributes:
        rollout: with its plan, and the step.
        stable: answers who is not chosen.
        canary: answers who is, or is asked beside stable; None: it does not load, so stable does.
        folder: where servers tell what they have counted of this step.
    """

    rollout: Rollout
    stable: Servable
    canary: Servable | None
    folder: Path

    def choose(self, read_key: ReadKey) -> Route:
        """Return where a request goes: the same one always to the same side, as long as the share only grows."""
        return Route(self, self.rollout.sends_to_canary(read_key(self.rollout.trial.plan.key)))


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
        is_canary = self.is_chosen and self.split.rollout.step.mode == "live"
        return self.split.canary if is_canary and self.split.canary is not None else self.split.stable
