"""How much memory a process took: Linux tells of any process, other systems of this one."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path


def peak_memory_bytes() -> int:
    """Return the most bytes that this process had resident.

    Linux is asked by /proc: its `ru_maxrss` begins with the memory of the process that started this one (getrusage(2)).
    """
    told = _ask_proc(os.getpid())
    return _ask_rusage() if told is None else told


def peak_memory_bytes_of(pid: int) -> int | None:
    """Return the most bytes that a process had resident, or has now where only that is told; None if nothing is."""
    told = _ask_proc(pid)
    return _ask_ps(pid) if told is None else told


def _ask_proc(pid: int) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return None


def _ask_rusage() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _ask_ps(pid: int) -> int | None:
    found = shutil.which("ps")
    command = [str(found), "-o", "rss=", "-p", str(pid)]
    kib = subprocess.run(command, capture_output=True, text=True).stdout.strip() if found else ""
    return int(kib) * 1024 if kib else None
