"""How to connect, and which version of the model to ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from serving.errors import InvalidArgumentError


@dataclass(frozen=True, slots=True)
class Options:
    """What all requests of a client have in common.

    Attributes:
        version: ask this version; left out, the newest that is served.
        label: ask the version that has this label.
        rollout: the folder of the model's versions: send requests to stable or canary as the roll-out there says, and
            count for it. For a server that does not by itself, as TensorFlow Serving.
        token: sent as `authorization: Bearer TOKEN`, over gRPC as metadata of that name.
        ca_file: certificates (PEM) to trust in place of the system's, for https:// and grpcs://.
        timeout_s: for one attempt.
        attempts: how often a request is sent in all, when the server answers 503 (UNAVAILABLE) or no connection opens.
        gzip: compress what is sent.
    """

    version: int | None = None
    label: str | None = None
    rollout: Path | None = None
    token: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    timeout_s: float = 30.0
    attempts: int = 4
    gzip: bool = False

    def __post_init__(self) -> None:
        if self.version is not None and self.label is not None:
            raise InvalidArgumentError(f"expected a version or a label, got version {self.version} and {self.label!r}")
        if self.rollout is not None and (self.version is not None or self.label is not None):
            raise InvalidArgumentError("rollout chooses the version: expected neither a version nor a label beside it")
