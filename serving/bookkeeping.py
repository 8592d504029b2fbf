"""The history kept in step with the folder, whatever happened to either in between."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from serving.canary.machine import Decision
from serving.canary.plan import Plan
from serving.errors import Code, DataLossError, ServingError
from serving.history import Event, Trial, append_event, mend_history, read_history, whoami
from serving.manifest import MANIFEST, Cause, Manifest, digest_file, digest_files, read_manifest
from serving.model_config import write_model_config
from serving.standing import Standing, sum_up
from serving.store import copy_files, find_versions, link, place, remove
from serving.tallies import forget_others

HOLD = "stays in front during a roll-out"


class Recovered(NamedTuple):
    """How things stand, and what the history was not told of until now."""

    standing: Standing
    untold: list[Event]


def read_standing(base: Path) -> Standing:
    """Return how things stand by the history, without a change to it."""
    return sum_up(read_history(base).events)


def recover(base: Path) -> Recovered:
    """Bring the history up to date with the folder; the caller holds the lock.

    A version of a push or a rollback that was killed before it could tell is recorded by its manifest; one that
    somebody removed is noted as missing.
    """
    mend_history(base)
    pushed = read_standing(base).pushed
    found = find_versions(base)
    for version in pushed.keys() - found.keys():
        note(base, "missing", version, "the folder is no longer there")
    untold = [record(base, found[version]) for version in found if version not in pushed]
    return Recovered(_settle(base), [event for event in untold if event])


def note(base: Path, action: str, version: int | None, why: str, label: str = "") -> Event:
    """Add what happened to a version to the history."""
    made = {"at": datetime.now(UTC), "who": whoami(), "action": action, "version": version, "why": why, "label": label}
    event = Event.model_validate(made)
    append_event(base, event)
    return event


def begin_rollout(base: Path, versions: tuple[int, int], plan: Plan, why: str) -> Trial:
    """Add to the history that a roll-out begins, with the versions of stable and canary."""
    stable, canary = versions
    trial = Trial(id=f"{canary}-{uuid.uuid4().hex[:8]}", stable=stable, canary=canary, plan=plan)
    forget_others(base, trial.id)
    made = {"at": datetime.now(UTC), "who": whoami(), "action": "rollout", "version": canary, "why": why}
    append_event(base, Event.model_validate(made | {"trial": trial}))
    return trial


def decide_rollout(base: Path, trial: Trial, decision: Decision) -> None:
    """Add to the history what was decided of the roll-out that is under way."""
    made = {"at": datetime.now(UTC), "who": whoami(), "action": "rollout", "version": trial.canary}
    append_event(base, Event.model_validate(made | {"why": decision.why, "decision": decision}))


def require_no_rollout(base: Path, standing: Standing) -> None:
    """Refuse while a roll-out is under way.

    Raises:
        ServingError: FAILED_PRECONDITION; says how to end it.
    """
    if standing.trial:
        words = f"{base}: a roll-out of version {standing.trial.canary} is under way; `penstock rollout promote` or "
        raise ServingError(f"{words}`penstock rollout abort` ends it", Code.FAILED_PRECONDITION)


def record(base: Path, version: Path) -> Event | None:
    """Add a version to the history by its manifest; None for one that has none, or an altered one."""
    try:
        manifest = read_manifest(version)
    except DataLossError:  # `penstock models verify` tells of it
        return None
    if manifest is None:
        return None
    number = int(version.name)
    event = Event(
        at=manifest.created,
        who=manifest.who or whoami(),
        action="push" if manifest.origin is None else manifest.cause,
        version=number,
        why=manifest.why,
        digest=manifest.digest,
        manifest=digest_file(version / MANIFEST),
        origin=manifest.origin,
        replaced=max((other for other in find_versions(base) if other < number), default=None),
        lineage=manifest.lineage,
    )
    append_event(base, event)
    return event


def show(base: Path, manifest: Manifest, fill: Callable[[Path], None]) -> Standing:
    """Let `fill` write the version of `manifest`, show it and record it; all of that or nothing.

    Raises:
        DataLossError: what was written is not what `manifest` says.
        OSError: the disk refused something.
    """

    def complete(staging: Path) -> None:
        fill(staging)
        files = digest_files(staging)
        changed = next((name for name, digest in manifest.files.items() if files.get(name) != digest), None)
        if changed:
            raise DataLossError(f"{changed} changed while version {manifest.version} was written; try again")
        file = staging / MANIFEST
        file.parent.mkdir(exist_ok=True)
        file.write_text(manifest.model_copy(update={"files": files}).model_dump_json(indent=2), "utf-8")

    version = place(base, manifest.version, complete)
    try:
        record(base, version)
        return _settle(base)
    except OSError:
        remove(base, manifest.version)
        raise


def put_again(base: Path, version: int, origin: Manifest, cause: Cause, why: str) -> None:
    """Put the files of a version there once more, under another number.

    Raises:
        DataLossError: the files changed meanwhile.
        OSError: the disk refused something.
    """
    made = {"version": version, "created": datetime.now(UTC), "who": whoami()}
    manifest = origin.model_copy(update=made | {"why": why, "origin": origin.version, "cause": cause})
    show(base, manifest, lambda staging: copy_files(base / str(origin.version), staging, origin.files, link))


def prune(base: Path, standing: Standing, keep: int) -> None:
    """Remove the versions that nobody needs."""
    for version in standing.pushed.keys() - standing.needed(keep):
        remove(base, version)
        note(base, "remove", version, f"push.keep is {keep}")


def _settle(base: Path) -> Standing:
    standing = read_standing(base)
    write_model_config(base, standing)
    return standing
