"""What people do with versions after the push: roll back, label, ask what was served when.

A rollback puts the files of an older version there once more, under a new and largest number (docs/adr/0004): that is
what TensorFlow Serving, and the embedded server, take as they watch the folder.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

from serving.bookkeeping import decide_rollout, note, put_again, read_standing, recover, require_no_rollout
from serving.canary.machine import Decision
from serving.errors import NotFoundError
from serving.history import Event, read_history
from serving.manifest import Manifest, check_files, is_intact, read_manifest
from serving.push import Pushed
from serving.standing import sum_up
from serving.store import change, describe_missing, find_versions, next_version

Label = Literal["stable", "canary"]
LIVE = "live"
"""Names the version that is served to who asks for no version."""


class Live(NamedTuple):
    """What is or was served.

    Attributes:
        version: its number; None: nothing.
        since: the event that brought it, None of a version that is not ours.
    """

    version: int | None
    since: Event | None


def rollback(base: Path, version: int | None = None, why: str = "") -> Pushed:
    """Serve the model of an older version again; the model that is served now will not come back by itself.

    A roll-out that is under way is aborted by it.
    Labels of the version that was served move to the new one. If that very model is served already, nothing happens;
    so a command that is repeated after a crash does no harm.

    Args:
        base: the folder that is watched.
        version: whose model; None: of the newest other model that was not rolled back itself.
        why: for the history.

    Raises:
        NotFoundError: no such version, or none to go back to.
        DataLossError: its files are not what was pushed.
        StorageError: the disk refused something; what is served has not changed.
    """
    require_versions(base)
    with change(base):
        standing, untold = recover(base)
        if standing.trial:
            decide_rollout(base, standing.trial, Decision(kind="abort", why=why or "rolled back by hand"))
            standing = recover(base).standing
        if version is None and untold and untold[-1].action == "rollback":
            # the one before was killed when it was all but done
            return _served(base, fresh=True)
        wanted = standing.fallback if version is None else version
        if wanted is None:
            raise NotFoundError(f"{base}: no other model to roll back to")
        origin = read_sound(base, wanted)
        if is_intact(_served(base).path, origin.digest):
            return _served(base)
        put_again(base, next_version(base, standing.used), origin, "rollback", why)
        return _served(base, fresh=True)


def set_label(base: Path, label: Label, version: int | None, why: str = "") -> None:
    """Let requests for `label` go to a version; None takes the label away.

    Raises:
        NotFoundError: no such version.
        DataLossError: its files are not what was pushed.
        ServingError: a roll-out is under way, which sets the labels.
        StorageError: the disk refused something.
    """
    require_versions(base)
    with change(base):
        standing = recover(base).standing
        require_no_rollout(base, standing)
        if version is not None:
            read_sound(base, version)
        if standing.labels.get(label) != version:
            note(base, "label", version, why, label)
            recover(base)


def find_live(base: Path, at: datetime | None = None) -> Live:
    """Return what a server that watches the folder serves; with `at` what it served then, by the history."""
    events = read_history(base).events
    if at is not None:
        then = sum_up([event for event in events if event.at <= at])
        return Live(then.live, then.pushed.get(then.live or 0))
    newest = max(find_versions(base), default=None)
    return Live(newest, sum_up(events).pushed.get(newest or 0))


def choose_version(base: Path, wanted: str) -> int:
    """Return the version that `wanted` names: a number (also of one that is gone), a label, or `live`.

    Raises:
        NotFoundError: no such label, or nothing is served.
    """
    named = {**read_standing(base).labels, LIVE: max(find_versions(base), default=None)}
    version = int(wanted) if wanted.isdecimal() else named.get(wanted)
    if version is None:
        known = ", ".join(name for name, number in named.items() if number is not None)
        raise NotFoundError(f"VERSION: expected a number{f', {known}' if known else ''}; received '{wanted}'")
    return version


def require_versions(base: Path) -> dict[int, Path]:
    """Return the folders of the versions below `base`.

    Raises:
        NotFoundError: there are none.
    """
    found = find_versions(base)
    if not found:
        raise NotFoundError(f"{base}: expected versions, received none; `penstock run` pushes one")
    return found


def read_sound(base: Path, version: int) -> Manifest:
    """Return the manifest of a version whose files are in order.

    Raises:
        NotFoundError: no such version, or one that was not pushed by `penstock run`.
        DataLossError: its files are not what was pushed.
    """
    found = require_versions(base)
    if version not in found:
        raise NotFoundError(f"{base}: {describe_missing(version, found)}")
    check_files(found[version])
    manifest = read_manifest(found[version])
    if manifest is None:
        raise NotFoundError(f"{found[version]} has no manifest: it was not pushed by `penstock run`")
    return manifest


def _served(base: Path, *, fresh: bool = False) -> Pushed:
    version, path = max(find_versions(base).items())
    return Pushed(path, version, fresh)
