"""Which process keeps the SQLite file from being written, and telling of it while it does."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

LOCKS = Path("/proc/locks")
LOOK_S = 2.0


def find_holder(file: Path) -> int | None:
    """Return the id of another process that has locked `file` for writing; None if none has, or nobody can tell."""
    try:
        status, lines = file.stat(), LOCKS.read_text("ascii").splitlines()
    except OSError:  # not Linux, or no such file
        return None
    inode = f":{status.st_ino}"
    for line in lines:
        # 1: POSIX  ADVISORY  WRITE 1234 08:01:2643 1073741826 1073742335
        fields = line.split()
        if "WRITE" in fields[:4] and fields[-3].endswith(inode) and "->" not in fields:
            holder = int(fields[-4])
            if holder > 0 and holder != os.getpid():
                return holder
    return None


def describe_holder(file: Path) -> str:
    """Return `held by 1234 (sqlite3 metadata.sqlite)`, as far as the system tells."""
    holder = find_holder(file)
    if holder is None:
        return "held by another process"
    try:
        command = Path(f"/proc/{holder}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:  # another user's, or it has just ended
        command = ""
    return f"held by process {holder}" + (f" ({command[:80]})" if command else "")


@contextmanager
def watch_holder(file: Path | None, tell: Callable[[str], None], look_s: float = LOOK_S) -> Iterator[None]:
    """Call `tell` with a sentence once for each process that is found to hold `file` at two looks in a row.

    ml-metadata waits in its C++ part, for minutes and without a word.
    """
    if file is None:
        yield
        return
    done = Event()

    def watch() -> None:
        before, told = None, None
        while not done.wait(look_s):
            holder = find_holder(file)
            if holder is not None and holder == before != told:
                tell(f"waiting for {file.name}, {describe_holder(file)}")
                told = holder
            before = holder

    thread = Thread(target=watch, name="watch_holder", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
