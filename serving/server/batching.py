"""Runs inferences, several in one batch."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool

from serving.server.inference import Inference, Outputs


class Batcher:
    """Runs each inference in a thread, so that the event loop stays free."""

    async def run(self, inference: Inference) -> Outputs:
        """Return an array for each output."""
        return await run_in_threadpool(inference.servable.run, inference.signature_name, inference.feeds)
