"""The models that a server answers for: which version of each is loaded, and what became of the others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from serving import artifact
from serving.errors import Code, InvalidArgumentError, NotFoundError, ServingError
from serving.server.model import Servable

_logger = logging.getLogger(__name__)

Load: TypeAlias = Callable[[int, Path], Servable]
_Stamp: TypeAlias = frozenset[tuple[str, int, int]]


class State(StrEnum):
    """Where a version is in its life, in TensorFlow Serving's words."""

    LOADING = "LOADING"
    AVAILABLE = "AVAILABLE"
    END = "END"


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """One line of the status endpoint; END with another code than OK is a version that failed to load."""

    version: int
    state: State
    code: Code = Code.OK
    message: str = ""


@dataclass(frozen=True, slots=True)
class ModelQuery:
    """Which model a request asks for: the latest version unless a version or a label is given."""

    name: str
    version: int | None = None
    label: str | None = None


class ServedModel:
    """One model: the loaded version and the state of every version seen.

    `refresh` is for one thread at a time; everything else may be read from any thread meanwhile.
    """

    def __init__(self, base: Path, load: Load) -> None:
        self.base = base
        self.current: Servable | None = None
        self._load = load
        self._statuses: dict[int, VersionStatus] = {}
        self._refused: dict[int, _Stamp] = {}

    @property
    def statuses(self) -> list[VersionStatus]:
        """The versions seen, newest first."""
        return sorted(self._statuses.values(), key=lambda status: -status.version)

    def refresh(self) -> None:
        """Load the newest version that loads, if it is not the one served.

        A version that failed is tried again once its files change. When the served version is deleted, the newest
        remaining one takes over; when all are deleted, the served one stays.
        """
        found = artifact.locate(self.base)
        for version in sorted(found, reverse=True):
            if self.current is not None and version == self.current.version:
                return
            if self._try_load(version, found[version]):
                self._forget_missing(found)
                return

    def _try_load(self, version: int, path: Path) -> bool:
        stamp = _read_stamp(path)
        if self._refused.get(version) == stamp:
            return False
        self._set(VersionStatus(version, State.LOADING))
        try:
            loaded = self._load(version, path)
        except ServingError as error:
            _logger.warning("version %d of %s failed to load: %s", version, self.base, error)
            self._refused[version] = stamp
            self._set(VersionStatus(version, State.END, error.code, error.message))
            return False
        self._swap(loaded)
        return True

    def _swap(self, loaded: Servable) -> None:
        previous, self.current = self.current, loaded
        self._set(VersionStatus(loaded.version, State.AVAILABLE))
        if previous is not None:
            self._set(VersionStatus(previous.version, State.END))
        _logger.info("version %d of %s is available", loaded.version, self.base)

    def _set(self, status: VersionStatus) -> None:
        # A new dict each time, so that a reader never meets one that changes.
        self._statuses = {**self._statuses, status.version: status}

    def _forget_missing(self, found: Mapping[int, Path]) -> None:
        """Drop the versions that are gone from the disk, or the list would grow with every push."""
        self._statuses = {version: status for version, status in self._statuses.items() if version in found}
        self._refused = {version: stamp for version, stamp in self._refused.items() if version in found}


class Registry:
    """All models of a server by name, kept up to date by a thread that polls their folders."""

    def __init__(self, models: Mapping[str, Path], load: Load, poll_s: float = 1.0) -> None:
        self._models = {name: ServedModel(base, load) for name, base in models.items()}
        self._poll_s = poll_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="version-poll", daemon=True)

    def start(self) -> None:
        """Load the newest good version of each model, then watch for newer ones until `stop`."""
        self.refresh()
        self._thread.start()

    def stop(self) -> None:
        """Stop watching. Loaded versions stay usable."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def refresh(self) -> None:
        """Look once at the folder of each model."""
        for name, model in self._models.items():
            try:
                model.refresh()
            except OSError as error:
                # A folder that goes away while it is read, or a share that is down: the next poll looks again.
                _logger.warning("the versions of %s cannot be listed: %s", name, error)

    def find(self, query: ModelQuery) -> Servable:
        """The loaded version that a request asks for.

        Raises:
            InvalidArgumentError: unknown label.
            NotFoundError: unknown model, or the version is not the one loaded.
        """
        if query.label is not None:
            raise InvalidArgumentError(f"Unrecognized servable version label: {query.label}")
        model = self._models.get(query.name)
        servable = None if model is None else model.current
        if servable is None or query.version not in (None, servable.version):
            raise NotFoundError(f"Servable not found for request: {_describe(query)}")
        return servable

    def list_statuses(self, query: ModelQuery) -> list[VersionStatus]:
        """The states of a model's versions, newest first, or of the one version asked for. Labels are ignored.

        Raises:
            NotFoundError: unknown model or version.
        """
        model = self._models.get(query.name)
        statuses = [] if model is None else model.statuses
        if query.version is not None:
            statuses = [status for status in statuses if status.version == query.version]
            missing = f"Could not find version {query.version} of model {query.name}"
        else:
            missing = f"Could not find any versions of model {query.name}"
        if not statuses:
            raise NotFoundError(missing)
        return statuses

    @property
    def bases(self) -> dict[str, Path]:
        """The folder of versions of each model, by name."""
        return {name: model.base for name, model in self._models.items()}

    def list_labels(self, _: str) -> dict[str, int]:
        """The version that each label of a model names."""
        return {}

    def list_unavailable(self) -> list[str]:
        """The names of the models that have no version loaded."""
        return [name for name, model in self._models.items() if model.current is None]

    def list_failures(self) -> list[str]:
        """One line for each version that failed to load: model, version, reason."""
        return [
            f"version {status.version} of {name}: {status.message}"
            for name, model in self._models.items()
            for status in model.statuses
            if status.code != Code.OK
        ]

    def _poll(self) -> None:
        while not self._stopped.wait(self._poll_s):
            self.refresh()


def _describe(query: ModelQuery) -> str:
    return f"Latest({query.name})" if query.version is None else f"Specific({query.name}, {query.version})"


def _read_stamp(path: Path) -> _Stamp:
    """Names, sizes and times of all files of a version: changes while it is being copied."""
    files = [file for file in path.rglob("*") if file.is_file()]
    stats = [(file.as_posix(), file.stat()) for file in files]
    return frozenset((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
