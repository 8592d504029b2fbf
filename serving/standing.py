"""How things stand by the history: what is served, which version has which label, what was rolled back on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import AwareDatetime

from serving.canary.machine import Decision, State, apply
from serving.canary.plan import Step
from serving.canary.split import is_chosen
from serving.history import Event, Trial
from serving.tallies import find_step


class Rollout(NamedTuple):
    """The newest roll-out, also one that is over.

    Attributes:
        trial: as it was begun.
        state: where it is.
        began: when.
        since: when the step that it is or was at began.
        until: when it was over.
    """

    trial: Trial
    state: State
    began: AwareDatetime
    since: AwareDatetime
    until: AwareDatetime | None = None

    @property
    def step(self) -> Step:
        """The share that it is or was at."""
        return self.trial.plan.steps[self.state.step]

    def sends_to_canary(self, key: bytes) -> bool:
        """Whether what has this key is the canary's, at the share of this step."""
        return is_chosen(self.trial.id, key, self.step.share)

    def find_counts(self, base: Path) -> Path:
        """Return the folder where it is told what was counted of this step."""
        return find_step(base, self.trial.id, self.state.step)

    def follow(self, decision: Decision, at: AwareDatetime) -> Rollout:
        """Return how it stands after a decision."""
        state = apply(self.state, decision)
        since = at if state.step != self.state.step else self.since
        return self._replace(state=state, since=since, until=self.until or (at if state.is_over else None))


class Standing(NamedTuple):
    """The sum of a history.

    Attributes:
        pushed: the event that brought each version that is there, oldest first.
        labels: version by label.
        withdrawn: the rollback that took a model (by its digest) back, unless it was put there again since.
        used: the largest number that any version ever had.
        rollout: the newest one.
    """

    pushed: dict[int, Event]
    labels: dict[str, int]
    withdrawn: dict[str, Event]
    used: int
    rollout: Rollout | None = None

    @property
    def trial(self) -> Trial | None:
        """The roll-out that is under way."""
        return self.rollout.trial if self.rollout and not self.rollout.state.is_over else None

    @property
    def live(self) -> int | None:
        """The version that is served: the largest number, as for every server that watches the folder."""
        return max(self.pushed, default=None)

    @property
    def fallback(self) -> int | None:
        """Where a rollback goes that names no version: the newest other model that was not taken back itself."""
        live = self.pushed[self.live].digest if self.live else ""
        others = [version for version, event in self.pushed.items() if event.digest not in {live, *self.withdrawn}]
        return max(others, default=None)

    def needed(self, keep: int) -> set[int]:
        """Return the versions to keep: the newest `keep`, the labelled ones, and the one that a rollback goes to."""
        wanted = [*list(self.pushed)[-keep:], *self.labels.values(), self.fallback]
        return {version for version in wanted if version is not None}


def sum_up(events: Sequence[Event]) -> Standing:
    """Return how things stand after `events`."""
    standing = Standing({}, {}, {}, 0)
    digests: dict[int, str] = {}
    rollout: Rollout | None = None
    for event in events:
        if event.action == "label":
            _label(standing.labels, event)
        elif event.action == "rollout":
            before, rollout = rollout, _follow(rollout, event)
            if rollout and rollout != before:
                _settle_labels(standing, rollout, event, digests)
        elif event.action in {"push", "rollback", "hold", "promote"}:
            digests[event.version or 0] = event.digest
            standing.pushed[event.version or 0] = event
            standing.withdrawn.pop(event.digest, None)
            if event.action == "rollback":
                _withdraw(standing, event, digests)
            elif event.action == "promote" and rollout:
                rollout = rollout.follow(Decision(kind="finish"), event.at)
                _settle_labels(standing, rollout, event, digests)
        else:
            standing.pushed.pop(event.version or 0, None)
    present = dict(sorted(standing.pushed.items()))
    labels = {label: version for label, version in standing.labels.items() if version in present}
    return Standing(present, labels, standing.withdrawn, max(digests, default=0), rollout)


def _follow(rollout: Rollout | None, event: Event) -> Rollout | None:
    if event.trial:
        return Rollout(event.trial, State(), event.at, event.at)
    return rollout.follow(event.decision, event.at) if rollout and event.decision else rollout


def _settle_labels(standing: Standing, rollout: Rollout, event: Event, digests: dict[int, str]) -> None:
    """Let the labels be what the roll-out says, and take back the model of a canary that failed.

    At its end who asks for the canary gets what is stable: callers that go on asking for it are answered.
    """
    trial, phase = rollout.trial, rollout.state.phase
    stable = (event.version or 0) if phase == "promoted" else trial.stable
    standing.labels["stable"] = stable
    standing.labels["canary"] = stable if rollout.state.is_over else trial.canary
    if phase == "aborted" and trial.canary in digests:
        standing.withdrawn[digests[trial.canary]] = event


def _label(labels: dict[str, int], event: Event) -> None:
    labels.pop(event.label, None)
    if event.version is not None:
        labels[event.label] = event.version


def _withdraw(standing: Standing, event: Event, digests: dict[int, str]) -> None:
    """Take back the model that a rollback replaced: nobody is sent to it by a label either."""
    if event.replaced in digests:
        standing.withdrawn[digests[event.replaced]] = event
    for label, version in standing.labels.items():
        if version == event.replaced:
            standing.labels[label] = event.version or 0
