"""Whether what lies in the folder is what was pushed, bit by bit, and the history is whole."""

from __future__ import annotations

from pathlib import Path

from serving.errors import DataLossError, NotFoundError
from serving.history import FILE as HISTORY
from serving.history import Event, read_history
from serving.manifest import MANIFEST, Fault, digest_file, find_faults, read_manifest
from serving.model_config import FILE as MODEL_CONFIG
from serving.model_config import read_model_config, render_model_config
from serving.standing import Standing, sum_up
from serving.store import describe_missing, find_versions


def verify(base: Path, version: int | None = None) -> list[Fault]:
    """Return every file below `base` that is not what it should be; nothing is changed.

    With `version` only its files are looked at. A version of which neither a manifest nor the history tells is a
    fault: nobody can say what it should be.

    Raises:
        NotFoundError: no such version.
    """
    found = find_versions(base)
    if version is not None and version not in found:
        raise NotFoundError(f"{base}: {describe_missing(version, found)}")
    history = read_history(base)
    standing = sum_up(history.events)
    wanted = found if version is None else {version: found[version]}
    faults = [
        Fault(f"{path.name}/{fault.file}".rstrip("/"), fault.what)
        for number, path in wanted.items()
        for fault in _find_version_faults(path, standing.pushed.get(number))
    ]
    return faults if version is not None else [*faults, *history.faults, *_find_base_faults(base, standing, set(found))]


def _find_version_faults(path: Path, event: Event | None) -> list[Fault]:
    file = path / MANIFEST
    try:
        manifest = read_manifest(path)
    except DataLossError:
        return [Fault(MANIFEST.as_posix(), "altered")]
    if manifest is None:
        return [Fault(MANIFEST.as_posix(), "missing") if event else Fault("", "was not pushed by penstock")]
    faults = find_faults(path, manifest)
    if event is None:
        faults.append(Fault("", "the history does not tell of it; the next push, rollback or label records it"))
    elif digest_file(file) != event.manifest:
        faults.append(Fault(MANIFEST.as_posix(), "altered"))
    return faults


def _find_base_faults(base: Path, standing: Standing, found: set[int]) -> list[Fault]:
    faults = [Fault(str(version), "missing") for version in standing.pushed.keys() - found]
    if read_model_config(base) != render_model_config(base.name, standing):
        faults.append(Fault(MODEL_CONFIG, f"is not what {HISTORY} says of the labels"))
    return faults
