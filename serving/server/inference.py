"""One run of a model: what a request of either API asks for, who runs it, and who is told of it afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from serving.errors import Code
from serving.server.dense import Array
from serving.server.model import Servable
from serving.server.registry import ModelQuery

Api: TypeAlias = Literal["REST", "GRPC"]
Outputs: TypeAlias = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Inference:
    """A request that has been read: what to run, and how the outputs become its answer.

    Attributes:
        feeds: an array of the input's dtype for each input of the signature; strings are object arrays of bytes.
        write: makes the answer, a body of JSON or a protobuf message, of an array for each output.
        is_queued: whether other requests reach the event loop one by one (gRPC's do): a run that holds the loop would
            keep them from sharing the next run.
    """

    servable: Servable
    signature_name: str
    feeds: Mapping[str, Array]
    write: Callable[[Outputs], Any]
    is_queued: bool = False


@dataclass(slots=True)
class Exchange:
    """What became of one request for a run: filled in while it is answered, told to the observers at its end.

    Attributes:
        method: `predict`, `classify`, `regress` or `multi_inference`.
        inference: None of a request that was refused before it could be run.
        outputs: None unless the model ran.
        code: OK, or that of the error.
        seconds: from the first byte read to the answer.
        run_seconds: of these, what the model took.
    """

    api: Api
    method: str
    query: ModelQuery
    inference: Inference | None = None
    outputs: Outputs | None = None
    code: Code = Code.OK
    seconds: float = 0.0
    run_seconds: float = 0.0


class Observer(Protocol):
    """Who wants to know of each request: metrics, the request log. Called on the thread that answers: be quick."""

    def observe(self, exchange: Exchange) -> None:
        """Take note of a request that has been answered."""


class Runner(Protocol):
    """Who runs inferences: alone, or several in one batch."""

    async def run(self, inference: Inference) -> Outputs:
        """Return an array for each output.

        Raises:
            ServingError: with the status and message that TensorFlow gives.
        """
