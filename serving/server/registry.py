"""The models that a server answers for: found by name, kept up to date by a thread that looks at their folders."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from serving.errors import Code, InvalidArgumentError, NotFoundError, ServingError
from serving.server.model import Servable
from serving.server.models_config import ModelsFile
from serving.server.served_model import Available, Load, ServedModel
from serving.server.sides import ReadKey, Route
from serving.server.versions import ModelConfig, VersionStatus

_logger = logging.getLogger(__name__)

_NOTHING = Available()


@dataclass(slots=True)
class ModelQuery:
    """Which model a request asks for: the latest version unless a version or a label is given.

    Attributes:
        route: where a roll-out has sent the request; set by `Registry.find`.
    """

    name: str
    version: int | None = None
    label: str | None = None
    route: Route | None = field(default=None, compare=False)


class Registry:
    """All models of a server by name.

    One thread at a time changes what is served; `find` and the lists may be called from any thread meanwhile.
    """

    def __init__(self, models: Mapping[str, Path] | ModelsFile, load: Load, poll_s: float = 1.0) -> None:
        """Load nothing yet.

        Args:
            models: the folder of versions of each model by its name, or the file that tells of them.
            load: loads the version of a number from its folder, or raises a ServingError.
            poll_s: seconds between looks.
        """
        self._file = models if isinstance(models, ModelsFile) else None
        self._load = load
        self._poll_s = poll_s
        self._wanted: dict[str, ServedModel] = {}
        self._models: Mapping[str, ServedModel] = {}
        self._listeners: list[Callable[[], None]] = []
        self._changing = threading.RLock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="version-poll", daemon=True)
        if isinstance(models, ModelsFile):
            self._want(models.models)
        else:
            self._want({name: ModelConfig(base) for name, base in models.items()})

    @property
    def folders(self) -> dict[str, Path]:
        """Where the versions of each model are, by its name."""
        return {name: model.config.base for name, model in self._models.items()}

    def start(self) -> None:
        """Load what is wanted of each model, then watch for changes until `stop`."""
        self.refresh()
        self._thread.start()

    def stop(self) -> None:
        """Stop watching. Loaded versions stay usable."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each look."""
        self._listeners.append(listener)

    def refresh(self) -> None:
        """Look once at the file of models and at the folder of each."""
        with self._changing:
            if self._file is not None and self._file.refresh():
                self._want(self._file.models)
            for name, model in self._wanted.items():
                self._look(name, model)
            self._models = {name: model for name, model in self._models.items() if name in self._wanted}
            for listener in self._listeners:
                listener()

    def configure(self, configs: Mapping[str, ModelConfig]) -> None:
        """Serve exactly these models from now on; returns when they are loaded.

        A file of models stays what it is and counts again once it changes.

        Raises:
            ServingError: a model that is new did not load (UNKNOWN), or a label is given to a version that is not
                loaded (FAILED_PRECONDITION). All else is done, and this is too once it can be.
        """
        with self._changing:
            before = self._wanted
            self._want(configs)
            self.refresh()
            self._check_loaded([name for name, model in self._wanted.items() if model is not before.get(name)])
            self._check_labels(configs)

    def find(self, query: ModelQuery, read_key: ReadKey | None = None) -> Servable:
        """The loaded version that a request asks for. Cheap: no lock, no disk.

        Args:
            query: of the request; while a roll-out is under way and no version is asked for, its `route` is set.
            read_key: reads the request's key; without it there is no request that a roll-out could send elsewhere.

        Raises:
            InvalidArgumentError: unknown label, even if the model is unknown.
            NotFoundError: unknown model, or the version is not loaded.
        """
        model = self._models.get(query.name)
        available = _NOTHING if model is None else model.available
        if query.label is not None:
            if query.label not in available.labels:
                raise InvalidArgumentError(f"Unrecognized servable version label: {query.label}")
            return available.versions[available.labels[query.label]]
        if available.split is not None and query.version is None:
            if read_key is None:
                return available.split.stable
            query.route = available.split.choose(read_key)
            return query.route.servable
        servable = available.latest if query.version is None else available.versions.get(query.version)
        if servable is None:
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

    def list_models(self) -> dict[str, Available]:
        """What may be answered with of each model, by its name."""
        return {name: model.available for name, model in self._models.items()}

    def list_unavailable(self) -> list[str]:
        """The names of the models that have no version loaded."""
        return [name for name, model in self._models.items() if model.available.latest is None]

    def list_orphaned(self) -> list[str]:
        """The names of the models whose latest version is in memory alone: its folder is gone or cannot be read."""
        return [name for name, model in self._models.items() if model.is_orphaned]

    def list_failures(self) -> list[str]:
        """One line for each version that failed to load: model, version, reason."""
        return [
            f"version {status.version} of {name}: {status.message}"
            for name, model in self._models.items()
            for status in model.failures
        ]

    def _want(self, configs: Mapping[str, ModelConfig]) -> None:
        self._wanted = {name: self._adapt(name, config) for name, config in configs.items()}
        for name, model in self._wanted.items():
            self._show(name, model)

    def _adapt(self, name: str, config: ModelConfig) -> ServedModel:
        model = self._wanted.get(name)
        if model is None or model.config.base != config.base:
            # The numbers of its versions mean others, so it starts aside.
            return ServedModel(config, self._load)
        model.config = config
        return model

    def _look(self, name: str, model: ServedModel) -> None:
        try:
            model.refresh()
        except OSError as error:
            # A folder that goes away while it is read, or a share that is down: the next look may find it.
            model.is_orphaned = model.available.latest is not None
            _logger.warning("the versions of %s cannot be read: %s", name, error)
        self._show(name, model)

    def _show(self, name: str, model: ServedModel) -> None:
        """Let requests go to a model, unless another one of that name answers and this one cannot yet."""
        shown = self._models.get(name)
        if shown is None or shown.available.latest is None or model.available.latest is not None:
            self._models = {**self._models, name: model}

    def _check_loaded(self, names: list[str]) -> None:
        failed = {name: self._wanted[name] for name in names if self._wanted[name].available.latest is None}
        if failed:
            reasons = "; ".join(_explain(name, model) for name, model in failed.items())
            raise ServingError(f"{len(failed)} model(s) did not become available: {reasons}")

    def _check_labels(self, configs: Mapping[str, ModelConfig]) -> None:
        for name, config in configs.items():
            for label, version in (config.labels or {}).items():
                if self._wanted[name].available.labels.get(label) != version:
                    raise ServingError(
                        f"Request to assign label to version {version} of model {name}, which is not currently "
                        "available for inference",
                        Code.FAILED_PRECONDITION,
                    )

    def _poll(self) -> None:
        while not self._stopped.wait(self._poll_s):
            try:
                self.refresh()
            except Exception:
                # The thread must outlive whatever it meets: without it no version would ever be taken again.
                _logger.exception("looking for new versions failed")


def _describe(query: ModelQuery) -> str:
    return f"Latest({query.name})" if query.version is None else f"Specific({query.name}, {query.version})"


def _explain(name: str, model: ServedModel) -> str:
    reasons = [f"version {status.version}: {status.message}" for status in model.failures]
    return f"{name}: {'; '.join(reasons) or f'no version of those wanted in {model.config.base}'}"
