"""What the server has, as an operator asks for it: models, their versions, states and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from serving.errors import NotFoundError
from serving.server.model import Servable
from serving.server.registry import ModelQuery, Registry
from serving.server.versions import VersionStatus


@dataclass(slots=True)
class Readiness:
    """Whether the server wants requests: not any more once it has been told to stop."""

    draining: bool = False


def list_versions(registry: Registry, name: str) -> list[VersionStatus]:
    """The states of a model's versions, newest first; none of a model without versions."""
    try:
        return registry.list_statuses(ModelQuery(name))
    except NotFoundError:
        return []


def find_latest(registry: Registry, name: str) -> Servable | None:
    """The version that answers requests which name none, if one is loaded."""
    try:
        return registry.find(ModelQuery(name))
    except NotFoundError:
        return None


def describe_models(registry: Registry) -> dict[str, Any]:
    """The JSON of GET /models."""
    return {"models": [_describe(registry, name) for name in registry.folders]}


def _describe(registry: Registry, name: str) -> dict[str, Any]:
    labels = registry.list_models()[name].labels
    return {
        "name": name,
        "path": str(registry.folders[name]),
        "versions": [
            {
                "version": status.version,
                "state": status.state.value,
                "labels": sorted(label for label, version in labels.items() if version == status.version),
                "error": status.message,
            }
            for status in list_versions(registry, name)
        ],
    }
