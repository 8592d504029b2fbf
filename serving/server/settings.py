"""Settings of the embedded server, all of them optional: what `penstock serve --config serving.yaml` reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator
from pydantic_core.core_schema import ValidationInfo


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


def _from_folder(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder", "")
    return Path(folder, path)


Place = Annotated[Path, AfterValidator(_from_folder)]
"""A path; a relative one starts at the folder of the settings' file (`folder` in the validation's context)."""


class Limits(_Settings):
    """What a request may cost before it is refused.

    Attributes:
        body_mb: size of a body, as sent and inflated, and of a gRPC message; in units of 1024 * 1024 bytes.
        json_depth: lists and objects inside each other; left out, as deep as the parser goes, about 1,000.
        headers: how many.
        header_kb: request line and headers together; in units of 1024 bytes.
        header_timeout_s: from the first byte, or from connecting, to the last header.
        body_timeout_s: from the last header to the last byte.
        connections: over HTTP at once; one more is answered with 503.
    """

    body_mb: PositiveFloat = 100
    json_depth: PositiveInt | None = None
    headers: PositiveInt = 100
    header_kb: PositiveInt = 64
    header_timeout_s: PositiveFloat = 5
    body_timeout_s: PositiveFloat = 30
    connections: PositiveInt = 4096

    @property
    def body_bytes(self) -> int:
        """Size of a body at most."""
        return int(self.body_mb * 1024 * 1024)

    @property
    def header_bytes(self) -> int:
        """Size of request line and headers at most."""
        return self.header_kb * 1024


class Auth(_Settings):
    """Where the bearer token is: the first line of a file, or an environment variable. Never in the YAML itself."""

    token_file: Place | None = None
    token_env: str | None = None

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        if (self.token_file is None) == (self.token_env is None):
            raise ValueError("expected one of token_file and token_env")
        return self


class Tls(_Settings):
    """PEM files of the certificate, with its chain, and of its private key: for REST and for gRPC."""

    certificate: Place
    key: Place


class Cors(_Settings):
    """Which pages of other origins may ask from a browser; `*` for all."""

    origins: tuple[str, ...]
    headers: tuple[str, ...] = ("Authorization", "Content-Type")


class RequestLogSettings(_Settings):
    """A sample of what was asked and answered, in files that a folder a model collects.

    Attributes:
        folder: where; created if need be.
        format: `parquet`, a row for each row asked for, or `tfrecord` of PredictionLog, a record for each request.
        sample: share of the answered requests that is kept.
        rotate_rows: a file is closed from so many rows on,
        rotate_mb: ... or from so many units of 1024 * 1024 bytes in memory on,
        rotate_s: ... or after so many seconds.
        keep_files: of each model; older ones are deleted.
    """

    folder: Place
    format: Literal["parquet", "tfrecord"] = "parquet"
    sample: Annotated[float, Field(gt=0, le=1)] = 1.0
    rotate_rows: PositiveInt = 100_000
    rotate_mb: PositiveFloat = 64
    rotate_s: PositiveFloat = 60
    keep_files: PositiveInt = 100


class Batching(_Settings):
    """How requests that arrive together are run together.

    Attributes:
        max_rows: of one batch; 1 runs each request by itself.
        timeout_us: a batch waits so long for more rows.
        allowed_sizes: batches are filled up to the next of these; empty for any size.
        threads: that run batches at once; left out, half as many as there are cores, as the others read and write.
        max_waiting_rows: more are refused with 503.
        all_models: also models that Penstock did not make, and which may let rows of one batch touch each other.
    """

    max_rows: PositiveInt = 1024
    timeout_us: Annotated[int, Field(ge=0)] = 0
    allowed_sizes: tuple[PositiveInt, ...] = ()
    threads: PositiveInt = Field(default_factory=lambda: max(1, (os.cpu_count() or 1) // 2))
    max_waiting_rows: PositiveInt = 16_384
    all_models: bool = False


class ServerSettings(_Settings):
    """The whole file.

    Attributes:
        metrics: Prometheus metrics at /metrics and at TensorFlow Serving's path.
        validation: refuse rows that are not what the schema of the model's data says.
    """

    limits: Limits = Limits()
    auth: Auth | None = None
    tls: Tls | None = None
    cors: Cors | None = None
    request_log: RequestLogSettings | None = None
    metrics: bool = True
    validation: bool = False
    batching: Batching = Batching()
