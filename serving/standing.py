"""How things stand by the history: what is served, which version has which label, what was rolled back on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from serving.history import Event


class Standing(NamedTuple):
    """The sum of a history.

    Attributes:
        pushed: the event that brought each version that is there, oldest first.
        labels: version by label.
        withdrawn: the rollback that took a model (by its digest) back, unless it was put there again since.
        used: the largest number that any version ever had.
    """

    pushed: dict[int, Event]
    labels: dict[str, int]
    withdrawn: dict[str, Event]
    used: int

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
    for event in events:
        if event.action == "label":
            _label(standing.labels, event)
        elif event.action in {"push", "rollback"}:
            digests[event.version or 0] = event.digest
            standing.pushed[event.version or 0] = event
            standing.withdrawn.pop(event.digest, None)
            if event.action == "rollback":
                _withdraw(standing, event, digests)
        else:
            standing.pushed.pop(event.version or 0, None)
    present = dict(sorted(standing.pushed.items()))
    labels = {label: version for label, version in standing.labels.items() if version in present}
    return Standing(present, labels, standing.withdrawn, max(digests, default=0))


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
