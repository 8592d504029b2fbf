"""Answers the requests for runs, of either API: read, run, write, tell who wants to know."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any

from serving.errors import Code, ServingError
from serving.server.inference import Exchange, Inference, Observer, Runner


@dataclass(frozen=True, slots=True)
class Exchanges:
    """One runner for REST and gRPC, so that their requests share batches, and who is told of each."""

    runner: Runner
    observers: Sequence[Observer]

    async def answer(self, exchange: Exchange, reading: Awaitable[Inference]) -> Any:
        """Return what the inference writes: a body, or a message.

        Args:
            exchange: is filled in.
            reading: reads the request.

        Raises:
            ServingError: from reading, running or writing.
        """
        started = time.perf_counter()
        try:
            inference = exchange.inference = await reading
            began = time.perf_counter()
            exchange.outputs = await self.runner.run(inference)
            exchange.run_seconds = time.perf_counter() - began
            return inference.write(exchange.outputs)
        except ServingError as error:
            exchange.code = error.code
            raise
        except Exception:
            exchange.code = Code.INTERNAL
            raise
        finally:
            exchange.seconds = time.perf_counter() - started
            for observer in self.observers:
                observer.observe(exchange)
