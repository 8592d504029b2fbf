"""What is deployed: models with what is known of them, under settings. Every target renders the same plan."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from serving.deployment.settings import DeploySettings
from serving.errors import InvalidArgumentError

Node = dict[str, Any]
"""A part of a document that another program reads: YAML or JSON."""

SWAP_FACTOR = 1.5
"""Memory beside what one version was seen to take: while versions change, two are loaded."""
UNKNOWN_MB = 2000
USUAL_P99_MS = 250


class Model(NamedTuple):
    """A model to serve.

    Attributes:
        name: in URLs, and its folder's.
        memory_mb: what its server was allowed or seen to take, in units of 1,000,000 bytes.
        p99_ms: in which 99 of 100 requests are to be answered.
        takes_lists: whether an input has lists of any length.
    """

    name: str
    memory_mb: float | None = None
    p99_ms: float | None = None
    takes_lists: bool = False


class File(NamedTuple):
    """A rendered file."""

    name: str
    content: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Models on one server (KServe: a server each), with or without a GPU."""

    models: tuple[Model, ...]
    settings: DeploySettings
    gpu: bool = False

    @property
    def name(self) -> str:
        """Of the deployment and of its objects."""
        return self.settings.name or (to_name(self.models[0].name) if len(self.models) == 1 else "models")

    @property
    def image(self) -> str:
        """TensorFlow Serving's."""
        images = self.settings.images
        return images.server_gpu if self.gpu else images.server

    @property
    def batches(self) -> bool:
        """Whether the server puts requests together."""
        return self.settings.batching is not None and not any(model.takes_lists for model in self.models)

    @property
    def memory_mb(self) -> int:
        """That one server gets, in units of 1,000,000 bytes, rounded up to the next hundred."""
        needed = sum(SWAP_FACTOR * model.memory_mb if model.memory_mb else UNKNOWN_MB for model in self.models)
        return self.settings.resources.memory_mb or -int(-needed // 100) * 100

    def find_p99_ms(self, model: Model) -> float:
        """Return the time above which somebody is called."""
        return self.settings.alerts.p99_ms or model.p99_ms or USUAL_P99_MS

    def of(self, model: Model) -> Plan:
        """Return the plan of one of the models alone."""
        return Plan((model,), self.settings.model_copy(update={"name": to_name(model.name)}), self.gpu)


def make_plan(models: Sequence[Model], settings: DeploySettings, *, gpu: bool) -> Plan:
    """Return the plan.

    Raises:
        InvalidArgumentError: models that a cluster would give the same name, or labelled versions of several models.
    """
    taken = Counter(to_name(model.name) for model in models)
    twice = [model.name for model in models if taken[to_name(model.name)] > 1]
    if twice:
        raise InvalidArgumentError(f"expected models whose names differ on a cluster, received {', '.join(twice)}")
    if settings.versions == "labelled" and len(models) > 1:
        raise InvalidArgumentError(
            f"versions: labelled: expected one model, for its models.config names no other; received {len(models)}"
        )
    return Plan(tuple(models), settings, gpu)


def to_name(name: str) -> str:
    """Return a model's name as Kubernetes takes it: lower-case letters, digits and `-`, at most 50 of them."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50].strip("-") or "model"
