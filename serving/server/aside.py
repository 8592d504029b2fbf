"""A thread that gives way to all others, for what TensorFlow computes while requests are answered."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from itertools import count
from queue import SimpleQueue
from typing import TypeAlias, TypeVar

_logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")
_Queue: TypeAlias = "SimpleQueue[Callable[[], object]]"

_NICENESS = 5
_MOST_NICENESS = 19
_calls = count()


def run_aside(call: Callable[[], _Result]) -> _Result:
    """Return what `call` returns, from a thread of lower priority (on Linux, where threads have their own).

    For calls that compute long outside of Python: a thread that waits for the processor while it holds Python's lock
    holds up all others. The very first call runs where it is: TensorFlow makes its threads in it, and they inherit.
    """
    if next(_calls) == 0:
        return call()
    future: Future[_Result] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except Exception as error:  # noqa: BLE001  it is the caller's
            future.set_exception(error)

    _start().put(run)
    return future.result()


def leave_aside(call: Callable[[], object]) -> None:
    """Let the thread do something some time. Safe in a finalizer, which may come at any moment."""
    _start().put(call)


@cache
def _start() -> _Queue:
    queue: _Queue = SimpleQueue()
    threading.Thread(target=_work, args=(queue,), name="aside", daemon=True).start()
    return queue


def _work(queue: _Queue) -> None:
    _give_way()
    while True:
        try:
            queue.get()()
        except Exception:
            _logger.exception("what was left to the thread aside failed")


def _give_way() -> None:
    if sys.platform != "linux":
        return
    thread = threading.get_native_id()
    with suppress(OSError):
        niceness = os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS
        os.setpriority(os.PRIO_PROCESS, thread, min(niceness, _MOST_NICENESS))
