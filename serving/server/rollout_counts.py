"""Takes note of what the two sides of a roll-out answer, and asks the canary for shadow copies.

Without a roll-out a request costs it one look at an attribute.
"""

from __future__ import annotations

import asyncio
import logging
import time

from serving.counts import Counts, Side, read_prediction
from serving.errors import Code, InvalidArgumentError, ServingError
from serving.server.inference import Exchange, Inference, Runner
from serving.server.registry import Registry
from serving.server.sides import Route, Split

_logger = logging.getLogger(__name__)

_WAITING_COPIES = 64
"""Shadow copies that may be under way: more are left out, so that a slow canary costs no memory."""


class RolloutCounts:
    """Takes note of answered requests (it is an `Observer`) while a roll-out is under way.

    Attributes:
        runner: asks the canary for shadow copies; until it is set, nobody does.
    """

    def __init__(self) -> None:
        self.runner: Runner | None = None
        self._counts = Counts()
        self._copies: set[asyncio.Task[None]] = set()

    def observe(self, exchange: Exchange) -> None:
        """Count a request that was sent to a side, or ask the canary the same."""
        route = exchange.query.route
        if route is None:
            return
        is_cancelled = exchange.code is Code.OK and exchange.outputs is None
        if is_cancelled:
            return
        if route.is_chosen and route.split.canary is None:
            # stable has answered what the canary should have
            self._counts.fail(route.split.folder, "canary")
        elif route.split.rollout.step.mode == "live":
            self._count(route.split, "canary" if route.is_chosen else "stable", exchange, exchange.seconds)
        elif route.is_chosen and self.runner is not None and len(self._copies) < _WAITING_COPIES:
            copy = asyncio.get_running_loop().create_task(self._shadow(route, exchange, self.runner))
            self._copies.add(copy)
            copy.add_done_callback(self._copies.discard)

    def follow(self, registry: Registry) -> None:
        """Write what was counted after each look of the registry, and forget steps that are over."""

        def look() -> None:
            self.flush()
            self._counts.keep({each.split.folder for each in registry.list_models().values() if each.split})

        registry.subscribe(look)

    def flush(self) -> None:
        """Write what was counted since the last time."""
        self._counts.flush()

    def _count(self, split: Split, side: Side, exchange: Exchange, seconds: float) -> None:
        if exchange.code is not Code.OK or exchange.outputs is None:
            self._counts.fail(split.folder, side)
        else:
            prediction = read_prediction(exchange.outputs, split.rollout.trial.plan.output)
            self._counts.count(split.folder, side, seconds, prediction)

    async def _shadow(self, route: Route, exchange: Exchange, runner: Runner) -> None:
        """Ask the canary what stable was asked; only requests that both were asked count."""
        copy = Exchange(exchange.api, exchange.method, exchange.query)
        if exchange.inference is not None:
            started = time.perf_counter()
            try:
                copy.inference = _copy(exchange.inference, route)
                copy.outputs = await runner.run(copy.inference)
            except ServingError as error:
                copy.code = error.code
            except Exception:
                _logger.exception("a shadow copy could not be answered")
                copy.code = Code.INTERNAL
            copy.run_seconds = time.perf_counter() - started
            self._count(route.split, "stable", exchange, exchange.run_seconds)
            self._count(route.split, "canary", copy, copy.run_seconds)
            if exchange.outputs is not None and copy.outputs is not None:
                self._counts.compare(route.split.folder, exchange.outputs, copy.outputs)


def _copy(inference: Inference, route: Route) -> Inference:
    """The same request to the canary.

    Raises:
        InvalidArgumentError: it does not take it.
    """
    name, canary = inference.signature_name, route.split.canary
    asked = inference.servable.signatures[name]
    taken = canary.signatures.get(name) if canary is not None else None
    dtypes = {key: spec.dtype for key, spec in asked.inputs.items()}
    if canary is None or taken is None or {key: spec.dtype for key, spec in taken.inputs.items()} != dtypes:
        raise InvalidArgumentError("the canary takes other inputs than stable")
    return Inference(canary, name, inference.feeds, lambda _: None, inference.is_queued)
