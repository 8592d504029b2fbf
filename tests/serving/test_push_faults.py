"""A disk that refuses one write of a push, whichever it is: what is served stays whole, and the next push succeeds."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.audit import verify
from serving.errors import StorageError
from serving.history import read_history
from serving.manifest import read_manifest
from serving.push import Candidate, push
from serving.store import find_versions

WRITES = (
    (os, "fsync"),
    (shutil, "copyfile"),
    (Path, "write_text"),
    (Path, "mkdir"),
    (Path, "rename"),
    (Path, "replace"),
)
KEEP = 2
"""So that the push removes a version as well."""


class Disk:
    """Counts what is written, and refuses one of it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.writes, self.refused, self.number = 0, 0, errno.ENOSPC
        for place, name in WRITES:
            patch.setattr(place, name, self._counted(getattr(place, name)))

    def _counted(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def write(*arguments: Any, **options: Any) -> Any:
            self.writes += 1
            if self.writes == self.refused:
                raise OSError(self.number, os.strerror(self.number), str(arguments[0]))
            return original(*arguments, **options)

        return write


@pytest.fixture
def disk() -> Iterator[Disk]:
    with pytest.MonkeyPatch.context() as patch:
        yield Disk(patch)


def make_base(folder: Path, model: Callable[[str], Path]) -> Path:
    """Make a folder of two versions."""
    base = folder / "serving" / "flights"
    for name in "ab":
        push(Candidate(model(name)), base, KEEP)
    return base


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_fault_at_any_write_is_told_and_mended(tmp_path, model, disk, number) -> None:
    made, disk.number = model("c"), number
    first = make_base(tmp_path / "0", model)
    disk.writes = 0
    push(Candidate(made), first, KEEP)
    total = disk.writes
    assert total > 15
    for refused in range(1, total + 1):
        base = make_base(tmp_path / str(refused), model)
        before = find_versions(base)
        disk.writes, disk.refused = 0, refused
        try:
            push(Candidate(made), base, KEEP)
        except StorageError as error:
            assert re.search(rf"{os.strerror(number)}; [\d,]+ bytes are free in ", str(error))
            assert find_versions(base) == before
        else:  # it is there, and an older one could not be removed
            assert max(find_versions(base)) not in before
        disk.refused = 0
        pushed = push(Candidate(made), base, KEEP)
        assert (base / str(pushed.version) / "saved_model.pb").read_text() == "c"
        assert verify(base) == []
        check(base, push(Candidate(model("d")), base, KEEP).version)


def check(base: Path, newest: int) -> None:
    """The newest version is there once, whole, and the history tells of each that there is."""
    found = find_versions(base)
    manifests = [read_manifest(folder) for folder in found.values()]
    digests = [manifest.digest for manifest in manifests if manifest]
    assert max(found) == newest
    assert len(found) == KEEP == len(set(digests))
    assert verify(base) == []
    assert {event.version for event in read_history(base).events} >= found.keys()
    assert [path for path in base.iterdir() if path.name.startswith((".staging-", ".removed-"))] == []
