"""Putting a model where TensorFlow Serving watches: a version is either completely there or not at all."""

import fcntl
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime

from models.settings import Settings
from pipeline.fingerprint import file_digest

MANIFEST = Path("assets.extra", "manifest.json")
HIGH_WATER = ".high_water"
LOCK = ".lock"
STAGING = ".staging-"


class Manifest(Settings):
    """What was pushed.

    Attributes:
        name: the model.
        version: the folder's name.
        created: when it was pushed, UTC.
        digest: of the model's files, without this manifest.
        files: SHA-256 by relative path.
    """

    name: str
    version: int
    created: AwareDatetime
    digest: str
    files: dict[str, str]


class Published(Settings):
    """Where a model lies; `fresh` when this call put it there."""

    path: Path
    version: int
    fresh: bool


def publish(model: Path, base: Path, keep: int) -> Published:
    """Copy the SavedModel `model` to the next version below `base`, unless the newest version is this very model.

    The copy is made aside, flushed to disk and renamed; then versions beyond the newest `keep` are removed. The
    version is the time in seconds, or one more than any version that there ever was.
    """
    base.mkdir(parents=True, exist_ok=True)
    files = {str(file.relative_to(model)): file_digest(file) for file in sorted(model.rglob("*")) if file.is_file()}
    digest = hashlib.sha256("\n".join(f"{name} {value}" for name, value in files.items()).encode()).hexdigest()
    with _locked(base):
        newest = max(versions(base), default=None)
        if newest and read_digest(base / str(newest)) == digest:
            return Published(path=base / str(newest), version=newest, fresh=False)
        version = max(int(time.time()), _high_water(base) + 1, (newest or 0) + 1)
        manifest = Manifest(name=base.name, version=version, created=datetime.now(UTC), digest=digest, files=files)
        _copy(model, base, manifest)
        for old in sorted(versions(base))[:-keep]:
            shutil.rmtree(base / str(old))
    return Published(path=base / str(version), version=version, fresh=True)


def versions(base: Path) -> list[int]:
    """Return the versions below `base`, oldest first."""
    return (
        sorted(int(path.name) for path in base.iterdir() if path.name.isdecimal() and path.is_dir())
        if base.is_dir()
        else []
    )


def read_manifest(version: Path) -> Manifest | None:
    """Return the manifest of a pushed version, None for a folder that is not ours."""
    file = version / MANIFEST
    return Manifest.model_validate_json(file.read_text("utf-8")) if file.is_file() else None


def read_digest(version: Path) -> str | None:
    """Return the digest in the version's manifest."""
    manifest = read_manifest(version)
    return manifest.digest if manifest else None


@contextmanager
def _locked(base: Path) -> Iterator[None]:
    """Let one push at a time change `base`."""
    with (base / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _high_water(base: Path) -> int:
    file = base / HIGH_WATER
    return int(file.read_text()) if file.is_file() else 0


def _copy(model: Path, base: Path, manifest: Manifest) -> None:
    for leftover in base.glob(f"{STAGING}*"):
        shutil.rmtree(leftover)
    staging = base / f"{STAGING}{uuid.uuid4().hex}"
    shutil.copytree(model, staging)
    (staging / MANIFEST).parent.mkdir(exist_ok=True)
    (staging / MANIFEST).write_text(manifest.model_dump_json(indent=2), "utf-8")
    (base / HIGH_WATER).write_text(str(manifest.version))
    for path in [*staging.rglob("*"), staging, base / HIGH_WATER]:
        _flush(path)
    staging.rename(base / str(manifest.version))
    _flush(base)


def _flush(path: Path) -> None:
    """Write a file's or folder's state to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
