"""What a person sees: quiet by default, everything in the log file, progress by component."""

import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import absl.logging
from rich.console import Console
from rich.status import Status

DEVICE = "on %s"
"""How the Trainer says what it trains on."""
RUNNING, FINISHED, CACHED = "Component %s is running.", "Component %s is finished.", "A cached execution"
SILENT = ("Skipping execution for", "Running as an resolver node")
"""Components that do not run, and those that only look something up, get no line."""
"""How TFX's LocalDagRunner and launcher log what they do."""


class Screen(NamedTuple):
    """Where to write while everything else goes to the log file.

    Attributes:
        out: results.
        err: progress and errors.
    """

    out: Console
    err: Console


@contextmanager
def capture_output(log: Path, *, verbose: bool) -> Iterator[Screen]:
    """Send what libraries write, their C++ parts too, to `log`; with `verbose` to the terminal as well."""
    log.parent.mkdir(parents=True, exist_ok=True)
    saved = [os.dup(1), os.dup(2)]
    with log.open("ab") as stream, os.fdopen(saved[0], "w") as out, os.fdopen(saved[1], "w") as err:
        sys.stdout.flush()
        sys.stderr.flush()
        handlers: list[logging.Handler] = [logging.FileHandler(log)]
        if verbose:
            handlers.append(logging.StreamHandler(err))
        else:
            os.dup2(stream.fileno(), 2)
        os.dup2(stream.fileno(), 1)
        logging.basicConfig(
            level=logging.INFO, handlers=handlers, force=True, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
        # TFX logs its progress here; libraries that silence absl for a while restore what they found
        absl.logging.set_verbosity(absl.logging.INFO)
        logging.captureWarnings(capture=True)
        warnings.simplefilter("default")
        try:
            yield Screen(Console(file=out), Console(file=err))
        finally:
            # a log on a full disk must not hide what is told after it
            with suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            with suppress(OSError):
                logging.basicConfig(level=logging.WARNING, handlers=[logging.NullHandler()], force=True)


@contextmanager
def hold_stderr() -> Iterator[Callable[[], None]]:
    """Keep what TensorFlow's C++ parts write to stderr as they load; no setting of theirs keeps them quiet.

    Yields a function that ends it early. If the block fails, what was held is written after all.
    """
    saved = os.dup(2)

    def release() -> None:
        os.dup2(saved, 2)

    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield release
        except (Exception, KeyboardInterrupt):
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            release()
            os.close(saved)


class ComponentProgress(logging.Handler):
    """Shows one line per component: what runs, for how long, and what it says of itself (`penstock.progress`)."""

    def __init__(self, console: Console, status: Status) -> None:
        super().__init__(logging.INFO)
        self.console, self.status = console, status
        self.component, self.started, self.cached, self.silent = "", 0.0, False, False
        self.detail, self.outcome, self.device = "", "", ""

    def emit(self, record: logging.LogRecord) -> None:
        """Follow TFX's own messages, and ours."""
        if record.msg == RUNNING:
            self.component, self.started = record.getMessage().split()[1], time.monotonic()
            self.cached, self.silent = False, False
            self.detail, self.outcome, self.device = "", "", ""
        elif str(record.msg).startswith(CACHED):
            self.cached = True
        elif str(record.msg).startswith(SILENT):
            self.silent = True
        elif record.msg == FINISHED:
            self._finish()
            return
        elif record.name == "penstock.progress":
            self.detail = record.getMessage()
            self.outcome = self.detail if self.detail.startswith(("epoch", "over ")) else self.outcome
            self.device = f" · {self.detail[3:]}" if record.msg == DEVICE else self.device
        else:
            return
        self.status.update(f"[bold]{self.component}[/bold] [dim]{self.detail}[/dim]")

    def _finish(self) -> None:
        if self.silent:
            return
        seconds = time.monotonic() - self.started
        how = "[dim]cached[/dim]" if self.cached else f"{seconds:6.1f} s"
        self.console.print(
            f"  [green]✓[/green] {self.component:<16} {how:>8}  [dim]{self.outcome}{self.device}[/dim]", highlight=False
        )


@contextmanager
def show_progress(console: Console) -> Iterator[Status]:
    """Show the components as they run."""
    with console.status("loading TensorFlow and TFX") as status:
        handler = ComponentProgress(console, status)
        logging.getLogger().addHandler(handler)
        try:
            yield status
        finally:
            logging.getLogger().removeHandler(handler)
