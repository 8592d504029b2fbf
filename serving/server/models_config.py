"""TensorFlow Serving's models.config: which models a server has, with their versions and labels.

https://www.tensorflow.org/tfx/serving/serving_config#model_server_configuration
"""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from serving.errors import InvalidArgumentError, ServingError
from serving.server.versions import ModelConfig, VersionPolicy

_logger = logging.getLogger(__name__)

_PLATFORM = "tensorflow"


class ModelsFile:
    """A models.config that is read again when it changes.

    Attributes:
        models: what the last readable state of the file says, by the model's name.
    """

    def __init__(self, file: Path) -> None:
        """Read it.

        Raises:
            InvalidArgumentError: it cannot be read, or says what cannot be served; names file and line.
        """
        self._file = file
        self._stamp = _read_stamp(file)
        self.models = _read(file)

    def refresh(self) -> bool:
        """Return whether the file has changed and says something else now; a faulty file leaves what was."""
        stamp = _read_stamp(self._file)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self.models = _read(self._file)
        except ServingError as error:
            _logger.warning("the models stay as they are: %s", error)
            return False
        return True


def read_models(config_list: Any) -> dict[str, ModelConfig]:
    """The models of a ModelConfigList message, by their names.

    A relative `base_path` is below the working directory; TensorFlow Serving itself takes absolute ones only.

    Raises:
        InvalidArgumentError: a model twice, without a folder, of another platform or without versions.
    """
    models: dict[str, ModelConfig] = {}
    for config in config_list.config:
        if config.name in models:
            raise _ModelError(config.name, f"Illegal to list model {config.name} multiple times in config list")
        models[config.name] = _read_model(config)
    return models


class _ModelError(InvalidArgumentError):
    """What is wrong with one model."""

    def __init__(self, model: str, message: str) -> None:
        super().__init__(message)
        self.model = model


def _read(file: Path) -> dict[str, ModelConfig]:
    from serving.protos import ModelServerConfig

    try:
        text = file.read_text("utf-8")
        config = text_format.Parse(text, ModelServerConfig())
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"{file} cannot be read: {error}") from error
    except text_format.ParseError as error:
        # its text begins with line and column
        raise InvalidArgumentError(f"{file}:{error}") from error
    if config.WhichOneof("config") != "model_config_list":
        raise InvalidArgumentError(f"{file}:1: expected model_config_list {{ config {{ ... }} }}")
    try:
        return read_models(config.model_config_list)
    except _ModelError as error:
        raise InvalidArgumentError(f"{file}:{_find_line(text, error.model)}: {error}") from error


def _read_model(config: Any) -> ModelConfig:
    if not config.name:
        raise _ModelError("", f"Expected a name of the model with base_path: {config.base_path}")
    if not config.base_path or "://" in config.base_path:
        raise _ModelError(
            config.name,
            f"Expected model {config.name} to have a folder of this machine; got base_path()={config.base_path}",
        )
    if config.model_platform != _PLATFORM:
        given = config.model_platform or "none"
        raise _ModelError(
            config.name,
            f'Model {config.name} requests unsupported platform {given}; expected model_platform: "{_PLATFORM}"',
        )
    policy = _read_policy(config.name, config.model_version_policy)
    return ModelConfig(Path(config.base_path).absolute(), policy, dict(config.version_labels))


def _read_policy(name: str, policy: Any) -> VersionPolicy:
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return VersionPolicy(sys.maxsize)
    if choice == "specific":
        if not policy.specific.versions:
            raise _ModelError(name, f"Expected versions in the specific policy of model {name}; got none")
        return VersionPolicy(0, frozenset(policy.specific.versions))
    return VersionPolicy(policy.latest.num_versions or 1)


def _find_line(text: str, model: str) -> int:
    """The line that names a model the last time, for the parser keeps no lines."""
    named = [match.start() for match in re.finditer(rf"""\bname\s*:\s*["']{re.escape(model)}["']""", text)]
    return text.count("\n", 0, named[-1]) + 1 if named else 1


def _read_stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
