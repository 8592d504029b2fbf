"""What stands around a run, so that it survives what happens to it: one owner, journal, recovery, signals, seals."""

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Literal

from rich.console import Console
from rich.text import Text

from pipeline.console import FINISHED, RUNNING
from pipeline.errors import BlockedError, CanceledError, RunError
from pipeline.journal import Recorded, last_run, mend_journal, note, read_events
from pipeline.metadata.file import require_good
from pipeline.owner import own
from pipeline.recovery import close_executions
from pipeline.seals import find_altered, forget, seal_outputs
from pipeline.signals import Caught, catch_signals
from pipeline.workspace import Workspace
from serving.store import describe_fault

Tell = Callable[[str], None]
Outcome = Literal["done", "blocked", "failed", "canceled"]
AGAIN = "the same command goes on from there"


@contextmanager
def guard(workspace: Workspace, command: Literal["run", "tune", "push"], *, wait: bool = False) -> Iterator[None]:
    """Own the problem while the block runs; what an earlier run left open is closed before it.

    With `wait` another run's end is waited for. Ctrl-C and SIGTERM cancel the block within seconds.

    Raises:
        InputError: the metadata is damaged, or of another version.
        RunError: another process runs the problem, or the workspace can't be written.
        CanceledError: by a signal.
    """
    with (
        _open_screen() as tell,
        catch_signals(partial(_abandon, workspace, tell)) as caught,
        _name_signal(workspace, caught),
        own(workspace, command, tell if wait else None),
    ):
        require_good(workspace, tell)
        try:
            _recover(workspace, tell)
            _set_altered_aside(workspace, tell)
            note(workspace.journal, "began", pid=os.getpid(), command=command)
        except OSError as error:
            raise RunError(describe_fault(error, workspace.folder)) from error
        with _note_end(workspace, caught, tell):
            yield


@contextmanager
def witness(workspace: Workspace, tell: Tell) -> Iterator[None]:
    """Enter the components of a pipeline into the journal as they run, and seal what they wrote."""
    handler = _Witness(workspace, tell)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


class _Witness(logging.Handler):
    """Follows the runner's own messages."""

    def __init__(self, workspace: Workspace, tell: Tell) -> None:
        super().__init__(logging.INFO)
        self._workspace, self._tell = workspace, tell

    def emit(self, record: logging.LogRecord) -> None:
        """Note what has started or finished; a disk that refuses must not end the run."""
        if record.msg not in {RUNNING, FINISHED}:
            return
        component = record.getMessage().split()[1]
        try:
            if record.msg == FINISHED:
                seal_outputs(self._workspace, component)
            note(self._workspace.journal, "started" if record.msg == RUNNING else "finished", component=component)
        except OSError as error:
            fault = describe_fault(error, self._workspace.folder)
            self._tell(f"the journal misses {component}, the run goes on: {fault}")


@contextmanager
def _open_screen() -> Iterator[Tell]:
    """Yield what writes to the screen, also while standard error is the log file."""
    with os.fdopen(os.dup(2), "w", encoding="utf-8") as stream:
        console = Console(file=stream, soft_wrap=True)

        def tell(message: str) -> None:
            console.show_cursor(True)
            console.print(Text(f"  {message}", style="yellow"))

        yield tell


@contextmanager
def _name_signal(workspace: Workspace, caught: Caught) -> Iterator[None]:
    """Turn whatever a signal has led to into the error that names it."""
    cause = None
    try:
        yield
    except BaseException as error:
        if not caught.number:
            raise
        cause = error
    if caught.number:
        message = _describe_cancel(workspace, caught.number)
        caught.settled = True
        raise CanceledError(message, caught.number) from cause


def _describe_cancel(workspace: Workspace, number: int) -> str:
    last = last_run(read_events(workspace.journal))
    where = f" {_describe_place(last)}" if last and last.pid == os.getpid() else ""
    return f"canceled by {signal.Signals(number).name}{where}; {AGAIN}"


def _describe_place(last: Recorded) -> str:
    if last.running:
        return f"in {', '.join(last.running)}"
    return f"after {last.finished[-1]}" if last.finished else "before its first component"


@contextmanager
def _note_end(workspace: Workspace, caught: Caught, tell: Tell) -> Iterator[None]:
    """Enter into the journal how the block ended."""
    outcome: Outcome = "done"
    why = ""
    try:
        yield
    except BlockedError as error:
        outcome, why = "blocked", str(error)
        raise
    except BaseException as error:
        outcome, why = "canceled" if caught.number else "failed", str(error)
        raise
    finally:
        try:
            # what failed because the disk is full may be open still: TFX could not write that it failed
            if outcome in {"canceled", "failed"}:
                close_executions(workspace, outcome, since=caught.at)
            note(workspace.journal, "ended", outcome=outcome, why=why[:500])
        except (OSError, RunError) as error:
            tell(f"how the run ended could not be recorded; the next one looks after it: {error}")


def _abandon(workspace: Workspace, tell: Tell, number: int) -> None:
    """Close the run from another thread: the main one does not come back."""
    close_executions(workspace, "canceled")
    tell(_describe_cancel(workspace, number))
    note(workspace.journal, "ended", outcome="canceled")


def _recover(workspace: Workspace, tell: Tell) -> None:
    """Close what a run left open that was killed; the journal tells whether there was one."""
    mend_journal(workspace.journal)
    last = last_run(read_events(workspace.journal))
    if last and last.outcome:
        return
    closed = close_executions(workspace, "failed")
    for component in closed:
        note(workspace.journal, "closed", component=component)
    if last:
        began = last.began.astimezone()
        count = len(last.finished)
        reused = f"; what {count} component{'s' * (count > 1)} made is reused where it is up to date" if count else ""
        tell(f"the run of {began:%H:%M} was killed {_describe_place(last)}{reused}")
    elif closed:
        tell(f"an earlier run was killed in {', '.join(closed)}")


def _set_altered_aside(workspace: Workspace, tell: Tell) -> None:
    altered = find_altered(workspace)
    if altered:
        forget(workspace, altered)
    for each in altered:
        tell(f"{each.file}: not what {each.component} wrote; {each.component} runs again")
