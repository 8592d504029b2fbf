"""What can go wrong, as one tree; a command's exit code follows from it.

PenstockError
 |-- InputError     exit 2: the YAML, a file or the data is not what it must be
 |-- BlockedError   exit 3: a gate said no
 |-- CanceledError  exit 130 or 143: Ctrl-C or SIGTERM
 '-- RunError       exit 1: a component failed
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

FULL = ("No space left on device", "disk is full", "Disk quota exceeded", "File too large")
"""How the system, DuckDB and SQLite say it."""


class PenstockError(Exception):
    """Any error that a user can act on; the message is complete without a stack trace."""

    exit_code = 1


class InputError(PenstockError):
    """Bad input: what is wrong, what was expected, what was received and where. One message per line."""

    exit_code = 2

    def __init__(self, messages: str | Sequence[str]) -> None:
        self.messages = [messages] if isinstance(messages, str) else list(messages)
        super().__init__("\n".join(self.messages))


class BlockedError(PenstockError):
    """A gate refused: nothing was pushed."""

    exit_code = 3


class CanceledError(PenstockError):
    """A signal ended it; the exit code is the one that shells know: 128 and the signal's number."""

    def __init__(self, message: str, number: int) -> None:
        self.exit_code = 128 + number
        super().__init__(message)


class RunError(PenstockError):
    """A component of the run failed."""


@contextmanager
def name_full_disk(folder: Path) -> Iterator[None]:
    """Let what fails because the disk of `folder` is full say so, with the path and the free space.

    Raises:
        RunError: the disk is full.
    """
    try:
        yield
    except (OSError, PenstockError) as error:
        if not any(words in str(error) for words in FULL):
            raise
        free = shutil.disk_usage(folder).free
        raise RunError(f"{folder}: the disk is full, {free:,} bytes are free\n{error}") from error
