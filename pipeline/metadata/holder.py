"""Which process keeps the SQLite file from being written, and telling of it while it does."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

LOCKS = Path("/proc/locks")
LOOK_S = 2.0


def find_holder(file: Path, own: int | None = None) -> int | None:
    """Return the id of a process that has locked `file` for writing; None if none has, or nobody can tell.

    `own` (left out: this process) does not count.
    """
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
            if holder > 0 and holder != (own or os.getpid()):
                return holder
    return None


def describe_holder(file: Path) -> str:
    """Return `held by 1234 (sqlite3 metadata.sqlite)`, as far as the system tells."""
    holder = find_holder(file)
    if holder is None:
        return "held by another process"
    try:
        words = Path(f"/proc/{holder}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").split()
    except OSError:  # another user's, or it has just ended
        words = []
    return f"held by process {holder}" + (f" ({' '.join(words)[:80]})" if words else "")


@contextmanager
def watch_holder(file: Path | None, stream: IO[str], look_s: float = LOOK_S) -> Iterator[None]:
    """Write a line to `stream` for each process that is found to hold `file` at two looks in a row.

    In a process of its own, this file as a script: ml-metadata waits in its C++ part, for minutes, without a word and
    with Python's lock, so no thread of this process would run.
    """
    if file is None:
        yield
        return
    stream.flush()
    command = [sys.executable, "-I", "-S", __file__, str(file), str(look_s)]
    # it ends with its standard input, so also as this process is killed
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stream) as watcher:
        try:
            yield
        finally:
            assert watcher.stdin is not None
            watcher.stdin.close()


def watch(file: Path, look_s: float) -> None:
    """Print who keeps the parent process waiting, until standard input ends."""
    start = "\r\x1b[2K" if sys.stdout.isatty() else ""
    before, told = None, None
    while not select.select([sys.stdin], [], [], look_s)[0]:
        holder = find_holder(file, os.getppid())
        if holder is not None and holder == before != told:
            print(f"{start}waiting for {file.name}, {describe_holder(file)}", flush=True)
            told = holder
        before = holder


if __name__ == "__main__":
    watch(Path(sys.argv[1]), float(sys.argv[2]))
