"""Counts what the two sides of a roll-out do, asks the canary for shadow copies, and tells of both in files.

Without a roll-out a request costs it one look at an attribute.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from serving.canary.tally import Sides, Tally
from serving.errors import Code, InvalidArgumentError, ServingError
from serving.server.dense import Array
from serving.server.inference import Exchange, Inference, Outputs, Runner
from serving.server.registry import Registry
from serving.server.sides import Route, Split
from serving.tallies import dump_sides, write_sides

_logger = logging.getLogger(__name__)

_WAITING_COPIES = 64
"""Shadow copies that may be under way: more are left out, so that a slow canary costs no memory."""
_HASHES = 2**32


class RolloutCounts:
    """Takes note of answered requests (it is an `Observer`) while a roll-out is under way.

    Attributes:
        runner: asks the canary for shadow copies; until it is set, nobody does.
    """

    def __init__(self) -> None:
        self.runner: Runner | None = None
        self._server = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._counted: dict[Path, Sides] = {}
        self._dirty: set[Path] = set()
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
            self._miss(route.split)
        elif route.split.at.mode == "live":
            self._count(route.split, exchange, exchange.seconds, is_canary=route.is_chosen)
        elif route.is_chosen and self.runner is not None and len(self._copies) < _WAITING_COPIES:
            copy = asyncio.get_running_loop().create_task(self._shadow(route, exchange, self.runner))
            self._copies.add(copy)
            copy.add_done_callback(self._copies.discard)

    def follow(self, registry: Registry) -> None:
        """Write what was counted after each look of the registry, and forget steps that are over."""

        def look() -> None:
            self.flush()
            current = {each.split.folder for each in registry.list_models().values() if each.split}
            with self._lock:
                self._counted = {folder: sides for folder, sides in self._counted.items() if folder in current}

        registry.subscribe(look)

    def flush(self) -> None:
        """Write what was counted since the last time."""
        with self._lock:
            changed, self._dirty = self._dirty, set()
            dumped = {folder: dump_sides(self._counted[folder]) for folder in changed & self._counted.keys()}
        # the disk may be slow, and whoever counts holds the event loop
        for folder, text in dumped.items():
            try:
                write_sides(folder, self._server, text)
            except OSError as error:
                _logger.warning("what was counted of a roll-out cannot be written: %s", error)

    def _count(self, split: Split, exchange: Exchange, seconds: float, *, is_canary: bool) -> None:
        with self._lock:
            sides = self._change(split)
            _add(sides.canary if is_canary else sides.stable, exchange, seconds, split.plan.output)

    def _miss(self, split: Split) -> None:
        """Count a request that the canary should have had and could not: stable has answered it."""
        with self._lock:
            canary = self._change(split).canary
            canary.requests += 1
            canary.errors += 1

    def _change(self, split: Split) -> Sides:
        """Return what was counted of this step; whoever changes it holds the lock."""
        self._dirty.add(split.folder)
        return self._counted.setdefault(split.folder, Sides())

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
            self._count(route.split, exchange, exchange.run_seconds, is_canary=False)
            self._count(route.split, copy, copy.run_seconds, is_canary=True)
            if exchange.outputs is not None and copy.outputs is not None:
                with self._lock:
                    _compare(self._change(route.split).canary, exchange.outputs, copy.outputs)


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


def _add(tally: Tally, exchange: Exchange, seconds: float, output: str | None) -> None:
    tally.requests += 1
    if exchange.code is not Code.OK or exchange.outputs is None:
        tally.errors += 1
        return
    tally.latency_ms.add_one(seconds * 1e3)
    prediction = read_prediction(exchange.outputs, output)
    if prediction is not None:
        tally.predictions.add_one(prediction)


def read_prediction(outputs: Mapping[str, Array], name: str | None) -> float | None:
    """One number for the first row of an answer: itself, the place of the largest of several, of a text its hash."""
    array = outputs.get(min(outputs) if name is None else name)
    if array is None or array.size == 0:
        return None
    first = array[0] if array.ndim else array
    if array.dtype == object:
        return zlib.crc32(bytes(np.asarray(first).reshape(-1)[0])) / _HASHES
    return float(np.argmax(first)) if np.size(first) > 1 else float(np.asarray(first).reshape(-1)[0])


def _compare(tally: Tally, stable: Outputs, canary: Outputs) -> None:
    for name in stable.keys() & canary.keys():
        pair: list[Any] = [stable[name], canary[name]]
        if pair[0].shape != pair[1].shape:
            continue
        if pair[0].dtype == object:
            tally.differences.add((pair[0] != pair[1]).astype(np.float32))
        else:
            tally.differences.add(pair[1].astype(np.float64) - pair[0].astype(np.float64))
