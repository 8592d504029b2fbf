"""Ctrl-C and SIGTERM: the run stops in order, within seconds even where Python's main thread is inside C++.

Python calls a handler when its main thread comes back to Python, which in a training step may be never. Its wake-up
file is written to at once, so a thread reads that and does what is left to do if the main thread takes too long.
"""

import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType

GRACE_S = 2.0
"""For the main thread to come back and end by itself, and as long again to do without it."""
CAUGHT = (signal.SIGINT, signal.SIGTERM)


class Canceled(KeyboardInterrupt):
    """A signal arrived; libraries treat it as Ctrl-C."""


class Caught:
    """The signal that arrived first.

    Attributes:
        number: its own, 0 before.
        at: when its handler was called.
        settled: all is done but the end of the process.
    """

    number = 0
    at: datetime | None = None
    settled = False


@contextmanager
def catch_signals(abandon: Callable[[int], None]) -> Iterator[Caught]:
    """Raise Canceled in the main thread at the first signal; the second one ends the process at once.

    A process that is still there GRACE_S after the first one calls `abandon` with its number, from another thread,
    unless all is settled, and ends. Code that may turn Canceled into another error looks at what this yields.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    caught = Caught()

    def interrupt(number: int, _frame: FrameType | None) -> None:
        if not caught.number:
            caught.number, caught.at = number, datetime.now(UTC)
            raise Canceled

    previous = {number: signal.signal(number, interrupt) for number in CAUGHT}
    previous_writer = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader, caught, abandon), name="signals", daemon=True).start()
    try:
        yield caught
    finally:
        # after a signal the thread stays: it sees to it that the process ends
        if not caught.number:
            signal.set_wakeup_fd(previous_writer)
            for number, handler in previous.items():
                signal.signal(number, handler)
            os.close(writer)


def _watch(reader: int, caught: Caught, abandon: Callable[[int], None]) -> None:
    first = _next_signal(reader, None)
    if not first:
        os.close(reader)
        return
    if not _next_signal(reader, GRACE_S) and not caught.settled:
        # it may wait for the main thread in its turn
        last = threading.Thread(target=abandon, args=(first,), daemon=True)
        last.start()
        last.join(GRACE_S)
    os._exit(128 + first)


def _next_signal(reader: int, timeout_s: float | None) -> int:
    """Return the number of the next signal, 0 after the time or at the end of the file."""
    while select.select([reader], [], [], timeout_s)[0]:
        (number,) = os.read(reader, 1) or (0,)
        if number in (0, *CAUGHT):
            return number
    return 0
