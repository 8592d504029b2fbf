"""Settings of the embedded server."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveInt


class Batching(BaseModel):
    """How requests that arrive together are run together.

    Attributes:
        max_rows: of one batch; 1 runs each request by itself.
        timeout_us: a batch waits so long for more rows.
        allowed_sizes: batches are filled up to the next of these; empty for any size.
        threads: that run batches at once.
        max_waiting_rows: more are refused with 503.
        all_models: also models that Penstock did not make, and which may let rows of one batch touch each other.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_rows: PositiveInt = 256
    timeout_us: Annotated[int, Field(ge=0)] = 0
    allowed_sizes: tuple[PositiveInt, ...] = ()
    threads: PositiveInt = 2
    max_waiting_rows: PositiveInt = 16_384
    all_models: bool = False
