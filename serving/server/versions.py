"""Versions of a model: which ones are wanted, and how far each of them is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from serving.errors import Code


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
class VersionPolicy:
    """Which versions are loaded. TensorFlow Serving's `specific` is `VersionPolicy(0, frozenset(versions))`.

    Attributes:
        newest: so many of the newest ones that load.
        named: these too, however old.
    """

    newest: int = 1
    named: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What is to be served of one model.

    Attributes:
        base: the folder of its versions.
        policy: which of them.
        labels: version by label. None: those of the folder's history, and their versions are loaded whatever the
            policy says: what `penstock models label` writes into a models.config for TensorFlow Serving.
    """

    base: Path
    policy: VersionPolicy = VersionPolicy()
    labels: Mapping[str, int] | None = None
