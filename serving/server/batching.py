"""Runs inferences: what arrives while the model is busy goes into one batch.

A graph costs almost as much for one row as for a hundred, so under load requests share runs; a request that finds the
server idle runs at once and waits for nobody. After TensorFlow Serving's batching:
https://github.com/tensorflow/serving/blob/master/tensorflow_serving/batching/README.md
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias
from weakref import WeakKeyDictionary

import numpy as np

from serving.artifact import Signature
from serving.errors import InternalError, ServingError, UnavailableError
from serving.server.dense import Array
from serving.server.inference import Inference, Outputs
from serving.server.model import Servable
from serving.server.settings import Batching

_logger = logging.getLogger(__name__)

QUICK_S = 0.002
"""A run that takes less costs less on the event loop than the way to a thread and back."""
_Key: TypeAlias = tuple[Servable, str, tuple[tuple[int, ...], ...]]
_Results: TypeAlias = "list[Outputs | ServingError]"


@dataclass(slots=True)
class _Task:
    inference: Inference
    rows: int
    done: asyncio.Future[Outputs]


class Batcher:
    """Runs inferences on behalf of one event loop."""

    def __init__(self, settings: Batching) -> None:
        self._settings = settings
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="run")
        self._running = 0
        self._waiting: dict[_Key, deque[_Task]] = {}
        self._seconds: WeakKeyDictionary[Servable, float] = WeakKeyDictionary()

    async def run(self, inference: Inference) -> Outputs:
        """Return an array for each output.

        Raises:
            UnavailableError: too many rows wait already.
            ServingError: with the status and message that TensorFlow gives.
        """
        loop = asyncio.get_running_loop()
        rows = self._count_rows(inference)
        if rows is None:
            return await loop.run_in_executor(self._pool, _run_one, inference)
        tails = tuple(feed.shape[1:] for feed in inference.feeds.values())
        key = (inference.servable, inference.signature_name, tails)
        tasks = self._waiting.setdefault(key, deque())
        if tasks and sum(task.rows for task in tasks) + rows > self._settings.max_waiting_rows:
            raise UnavailableError("The batch scheduling queue to which this task was submitted is full")
        task = _Task(inference, rows, loop.create_future())
        tasks.append(task)
        if len(tasks) == 1:
            # after the other requests that have arrived by now
            loop.call_soon(self._start, key)
        return await task.done

    def _count_rows(self, inference: Inference) -> int | None:
        """The rows of an inference that may share a run; None of one that must run alone."""
        if not (inference.servable.is_row_wise or self._settings.all_models) or self._settings.max_rows == 1:
            return None
        if not is_batched(inference.servable.signatures[inference.signature_name]):
            return None
        sizes = {feed.shape[:1] for feed in inference.feeds.values()}
        rows = next(iter(sizes))[0] if len(sizes) == 1 and () not in sizes else 0
        return rows if 0 < rows < self._settings.max_rows else None

    def _start(self, key: _Key, is_late: bool = False) -> None:
        """Run what waits as far as threads are free."""
        tasks, settings = self._waiting.get(key), self._settings
        if tasks and settings.timeout_us and not is_late and sum(task.rows for task in tasks) < settings.max_rows:
            asyncio.get_running_loop().call_later(settings.timeout_us / 1e6, self._start, key, True)
            return
        while tasks and self._running < settings.threads:
            self._run(_take(tasks, settings.max_rows))
        if not tasks:
            self._waiting.pop(key, None)

    def _run(self, tasks: Sequence[_Task]) -> None:
        first = tasks[0].inference
        is_quick = self._seconds.get(first.servable, QUICK_S) < QUICK_S
        if self._running == 0 and is_quick and not first.is_queued:
            self._settle(tasks, self._run_together(tasks))
            return
        self._running += 1
        running = asyncio.get_running_loop().run_in_executor(self._pool, self._run_together, tasks)
        running.add_done_callback(partial(self._end, tasks))

    def _end(self, tasks: Sequence[_Task], running: asyncio.Future[_Results]) -> None:
        self._running -= 1
        self._settle(tasks, running.result())
        for key in list(self._waiting):
            self._start(key, is_late=True)

    def _run_together(self, tasks: Sequence[_Task]) -> _Results:
        started = time.perf_counter()
        results = run_together([task.inference for task in tasks], self._settings.allowed_sizes)
        self._seconds[tasks[0].inference.servable] = time.perf_counter() - started
        return results

    def _settle(self, tasks: Sequence[_Task], results: _Results) -> None:
        for task, result in zip(tasks, results, strict=True):
            if task.done.done():  # the client has gone
                continue
            if isinstance(result, ServingError):
                task.done.set_exception(result)
            else:
                task.done.set_result(result)


def is_batched(signature: Signature) -> bool:
    """Whether every input and output of a signature has rows, any number of them, as its first dimension."""
    return all(spec.shape and spec.shape[0] == -1 for spec in (*signature.inputs.values(), *signature.outputs.values()))


def run_together(inferences: Sequence[Inference], allowed_sizes: Sequence[int] = ()) -> _Results:
    """Run inferences of one signature and shape as one batch; the outputs or the error of each.

    When the batch fails each is run by itself, so that nobody gets the error of another.
    """
    if len(inferences) == 1 and not allowed_sizes:
        return [_attempt(inferences[0])]
    first, sizes = inferences[0], [_count(each) for each in inferences]
    feeds = {name: np.concatenate([each.feeds[name] for each in inferences]) for name in first.feeds}
    total = sum(sizes)
    filled = min((size for size in allowed_sizes if size >= total), default=total)
    if filled > total:
        feeds = {name: np.concatenate([feed, feed[:1].repeat(filled - total, 0)]) for name, feed in feeds.items()}
    try:
        outputs = first.servable.run(first.signature_name, feeds)
        if any(output.shape[:1] != (filled,) for output in outputs.values()):
            raise InternalError("An output has not a value for each row, though the signature says so")
    except ServingError:
        return [_attempt(each) for each in inferences]
    ends = np.cumsum(sizes).tolist()
    return [_cut(outputs, end - size, end) for size, end in zip(sizes, ends, strict=True)]


def _run_one(inference: Inference) -> Outputs:
    return inference.servable.run(inference.signature_name, inference.feeds)


def _attempt(inference: Inference) -> Outputs | ServingError:
    try:
        return _run_one(inference)
    except ServingError as error:
        return error
    except Exception as error:
        _logger.exception("a run has failed")
        return InternalError(f"{type(error).__name__} while answering; see the server's log")


def _count(inference: Inference) -> int:
    return len(next(iter(inference.feeds.values())))


def _cut(outputs: Mapping[str, Array], start: int, end: int) -> Outputs:
    return {name: output[start:end] for name, output in outputs.items()}


def _take(tasks: deque[_Task], max_rows: int) -> list[_Task]:
    """Remove the first tasks that fill a batch, at least one."""
    taken = [tasks.popleft()]
    rows = taken[0].rows
    while tasks and rows + tasks[0].rows <= max_rows:
        rows += tasks[0].rows
        taken.append(tasks.popleft())
    return taken
