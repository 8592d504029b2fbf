"""The folder that TensorFlow Serving watches: versions appear in it complete or not at all, and go as a whole.

Everything else in it has a name that is no number, so that no server takes it for a version.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from serving.errors import StorageError

LOCK = ".lock"
STAGING = ".staging-"
REMOVED = ".removed-"
SHOWN_VERSIONS = 5


def find_versions(base: Path) -> dict[int, Path]:
    """Return the folder of each version below `base`, oldest first."""
    if not base.is_dir():
        return {}
    found = {int(path.name): path for path in base.iterdir() if path.name.isdecimal() and path.is_dir()}
    return dict(sorted(found.items()))


def describe_missing(version: int, found: Iterable[int]) -> str:
    """Return that there is no such version, and which ones there are."""
    newest = ", ".join(map(str, list(found)[-SHOWN_VERSIONS:]))
    return f"expected a version that is there (the newest are {newest or 'none'}), received {version}"


@contextmanager
def change(base: Path) -> Iterator[None]:
    """Let one process at a time change `base`; what a killed one left half-way is removed first.

    Raises:
        StorageError: the disk refused something; names the path, the reason and the free space.
    """
    try:
        base.mkdir(parents=True, exist_ok=True)
        with (base / LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for prefix in (STAGING, REMOVED):
                for leftover in base.glob(f"{prefix}*"):
                    shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
            yield
    except OSError as error:
        raise StorageError(describe_fault(error, base)) from error


def describe_fault(error: OSError, base: Path) -> str:
    """Return what the disk refused: path, reason, free space."""
    there = next(folder for folder in (base, *base.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    path = error.filename2 or error.filename or base
    return f"{path}: {error.strerror or error}; {free:,} bytes are free in {there}"


def next_version(base: Path, used: int) -> int:
    """Return the time in seconds, or one more than any version there is or (up to `used`) ever was."""
    taken = (int(path.name) for path in base.iterdir() if path.name.isdecimal())
    return max(int(time.time()), max(taken, default=0) + 1, used + 1)


def place(base: Path, version: int, fill: Callable[[Path], None]) -> Path:
    """Let `fill` write the folder of a version aside, wait until it is on the disk, then show it under its name."""
    staging = base / f"{STAGING}{uuid.uuid4().hex}"
    shown = base / str(version)
    try:
        staging.mkdir()
        fill(staging)
        for path in [*staging.rglob("*"), staging]:
            flush(path)
        staging.rename(shown)
        try:
            flush(base)
        except OSError:
            shown.rename(staging)
            raise
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return shown


def copy_files(source: Path, target: Path, names: Iterable[str], copy: Callable[[Path, Path], object]) -> None:
    """Bring the files `names` of `source` below `target` by `copy`."""
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        copy(source / name, target / name)


def link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the disk has no such names."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def remove(base: Path, version: int) -> None:
    """Take a version away: at once for those who look, then from the disk."""
    removed = base / f"{REMOVED}{uuid.uuid4().hex}"
    find_versions(base)[version].rename(removed)
    flush(base)
    shutil.rmtree(removed)


def write_file(file: Path, text: str) -> None:
    """Write a small file as a whole or not at all."""
    part = file.with_name(f"{STAGING}{file.name}")
    part.write_text(text, "utf-8")
    flush(part)
    part.replace(file)
    flush(file.parent)


def append_line(file: Path, line: bytes) -> None:
    """Add a line and wait until it is on the disk. One that does not fit leaves nothing.

    Raises:
        OSError: it can't be written.
    """
    with file.open("ab", buffering=0) as stream:
        size = stream.tell()
        try:
            # a disk that gets full takes a part, and refuses the rest
            while line:
                line = line[stream.write(line) :]
            os.fsync(stream.fileno())
            flush(file.parent)
        except OSError:
            stream.truncate(size)
            raise


def flush(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
