"""One model of a server: its loaded versions, its labels, and what became of every version seen."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from serving import artifact
from serving.bookkeeping import read_standing
from serving.errors import Code, InternalError, ServingError
from serving.history import FILE as HISTORY
from serving.server.model import Servable
from serving.server.sides import Split
from serving.server.versions import ModelConfig, State, VersionPolicy, VersionStatus
from serving.server.warm_up import warm_up
from serving.standing import sum_up

_logger = logging.getLogger(__name__)

Load: TypeAlias = Callable[[int, Path], Servable]
_Stamp: TypeAlias = frozenset[tuple[str, int, int]]


@dataclass(frozen=True, slots=True)
class Available:
    """What requests may be answered with. A new one replaces it as a whole, so any thread may read it at any time.

    Attributes:
        versions: the loaded ones.
        labels: the version of each label, always a loaded one.
        latest: the loaded version with the largest number.
        split: of requests that name no version, while a roll-out is under way.
    """

    versions: Mapping[int, Servable] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)
    latest: Servable | None = None
    split: Split | None = None


class ServedModel:
    """One model, kept to its configuration by `refresh`.

    `refresh` and a change of `config` are for one thread at a time; everything else may be read from any thread
    meanwhile. A version that is no longer wanted lives on until the last request that holds it is answered.

    Attributes:
        config: what is wanted; may be replaced by one of the same folder.
        available: what there is.
        is_orphaned: whether the latest version is in memory alone, its folder gone or not to be read.
    """

    def __init__(self, config: ModelConfig, load: Load) -> None:
        self.config = config
        self.available = Available()
        self.is_orphaned = False
        self._load = load
        self._statuses: dict[int, VersionStatus] = {}
        self._refused: dict[int, _Stamp] = {}
        self._history: tuple[int, int] | None = None
        self._standing = sum_up(())

    @property
    def statuses(self) -> list[VersionStatus]:
        """The versions seen, newest first."""
        return sorted(self._statuses.values(), key=lambda status: -status.version)

    @property
    def failures(self) -> list[VersionStatus]:
        """The versions that were loaded in vain, newest first."""
        refused = self._refused
        return [status for status in self.statuses if status.version in refused]

    def refresh(self) -> None:
        """Load what is wanted and not there yet, newest first, then let go of what is no longer wanted.

        A version that fails leaves its place to the next older one, and is tried again once its files change. What
        answers now goes on until something else can: the latest version while one that is named is missing, all of
        them while there is nothing to take their place, a label's version until the next one of the label is loaded.

        Raises:
            OSError: the folder cannot be read.
        """
        found = artifact.locate(self.config.base)
        labels = self._read_labels()
        policy = self.config.policy
        if self.config.labels is None:
            policy = VersionPolicy(policy.newest, policy.named | frozenset(labels.values()))
        good: set[int] = set()
        for version in sorted(found, reverse=True):
            if (len(good) < policy.newest or version in policy.named) and self._provide(version, found[version]):
                good.add(version)
        self._settle(good, complete=policy.named <= good, labels=labels)
        self._review(found)

    def _read_labels(self) -> Mapping[str, int]:
        if self.config.labels is not None:
            return self.config.labels
        file = self.config.base / HISTORY
        try:
            stat = file.stat()
        except FileNotFoundError:
            # Nobody took the labels away: the folder is gone, or it never had any.
            return self._standing.labels
        if self._history != (stamp := (stat.st_size, stat.st_mtime_ns)):
            self._standing = read_standing(self.config.base)
            self._history = stamp
        return self._standing.labels

    def _provide(self, version: int, path: Path) -> bool:
        return version in self.available.versions or self._try_load(version, path)

    def _try_load(self, version: int, path: Path) -> bool:
        stamp = _read_stamp(path)
        if self._refused.get(version) == stamp:
            return False
        self._set(VersionStatus(version, State.LOADING))
        try:
            loaded = self._load(version, path)
        except Exception as error:
            fault = error if isinstance(error, ServingError) else InternalError(f"{type(error).__name__}: {error}")
            trace = fault is not error
            _logger.warning("version %d of %s failed to load: %s", version, self.config.base, fault, exc_info=trace)
            self._refused = {**self._refused, version: stamp}
            self._set(VersionStatus(version, State.END, fault.code, fault.message))
            return False
        warm_up(loaded, path)
        self._refused = {other: known for other, known in self._refused.items() if other != version}
        self._publish({**self.available.versions, version: loaded}, self.available.labels)
        self._set(VersionStatus(version, State.AVAILABLE))
        _logger.info("version %d of %s is available", version, self.config.base)
        return True

    def _settle(self, good: set[int], *, complete: bool, labels: Mapping[str, int]) -> None:
        """Move the labels, and let go of the versions that nothing asks for any more."""
        before = self.available
        moved = {label: version for label, version in labels.items() if version in before.versions}
        waiting = {label: before.labels[label] for label in labels.keys() & before.labels.keys() - moved.keys()}
        kept = good | set(moved.values()) | set(waiting.values())
        if not good:
            kept |= before.versions.keys()
        elif not complete and before.latest is not None:
            kept.add(before.latest.version)
        self._publish({version: before.versions[version] for version in kept}, moved | waiting)
        for version in before.versions.keys() - kept:
            self._set(VersionStatus(version, State.END))
            _logger.info("version %d of %s is no longer served", version, self.config.base)

    def _publish(self, versions: Mapping[int, Servable], labels: Mapping[str, int]) -> None:
        latest = versions[max(versions)] if versions else None
        self.available = Available(versions, labels, latest, self._split(versions))

    def _split(self, versions: Mapping[int, Servable]) -> Split | None:
        """Return the step of the roll-out that the history tells of, once its versions are loaded or failed to."""
        rollout, trial = self._standing.rollout, self._standing.trial
        if rollout is None or trial is None or self.config.labels is not None:
            return None
        stable, canary = versions.get(trial.stable), versions.get(trial.canary)
        if stable is None or (canary is None and trial.canary not in self._refused):
            return None
        return Split(rollout, stable, canary, rollout.find_counts(self.config.base))

    def _review(self, found: Collection[int]) -> None:
        """Say what is no version yet and why, and drop what is gone, or the list would grow with every push."""
        latest = self.available.latest
        self.is_orphaned = latest is not None and latest.version not in found
        there = {*found, *self.available.versions}
        unfit = artifact.find_unfit(self.config.base)
        self._refused = {version: stamp for version, stamp in self._refused.items() if version in found}
        self._statuses = {version: status for version, status in self._statuses.items() if version in there} | {
            version: VersionStatus(version, State.END, Code.NOT_FOUND, reason)
            for version, reason in unfit.items()
            if version not in there
        }

    def _set(self, status: VersionStatus) -> None:
        # A new dict each time, so that a reader never meets one that changes.
        self._statuses = {**self._statuses, status.version: status}


def _read_stamp(path: Path) -> _Stamp:
    """Names, sizes and times of all files of a version: changes while it is being copied."""
    files = [file for file in path.rglob("*") if file.is_file()]
    stats = [(file.as_posix(), file.stat()) for file in files]
    return frozenset((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
