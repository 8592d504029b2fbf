"""Pushing a model: copied aside, flushed, renamed, recorded. Killed at any moment, the next push mends what is left.

A version is there before the history tells of it, and its manifest holds all that the history would: so nothing that
was pushed is pushed twice or forgotten (300 kills at random moments: benchmarks/push_kills.py).
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from serving.artifact import EDGE_FILE
from serving.bookkeeping import HOLD, begin_rollout, prune, put_again, recover, require_no_rollout, show
from serving.canary.plan import Plan
from serving.history import Event, whoami
from serving.manifest import (
    Edge,
    Lineage,
    Manifest,
    Parity,
    check_files,
    digest_file,
    digest_files,
    digest_model,
    is_intact,
    read_manifest,
)
from serving.standing import Standing
from serving.store import change, copy_files, describe_fault, find_versions, next_version


class Candidate(NamedTuple):
    """A model to push.

    Attributes:
        model: the folder of the SavedModel.
        add_files: writes what belongs beside it (warm-up, model card) into the folder of the version.
        lineage: what it was made of.
        metrics: over all evaluated rows.
        parity: between the ways to ask it, where that was measured.
        edge: its file for devices, and what that was found to be.
    """

    model: Path
    add_files: Callable[[Path], None] | None = None
    lineage: Lineage = Lineage()
    metrics: dict[str, float] | None = None
    parity: Parity | None = None
    edge: tuple[Path, Edge] | None = None


class Pushed(NamedTuple):
    """What is served after a push.

    Attributes:
        path: the version's folder.
        version: its number.
        fresh: whether this push put it there.
        withdrawn: the rollback because of which the model was not put there.
    """

    path: Path
    version: int
    fresh: bool
    withdrawn: Event | None = None


def push(candidate: Candidate, base: Path, keep: int, plan: Plan | None = None) -> Pushed:
    """Make the model the next version below `base`, unless the newest one is this very model, with all its files.

    With a plan and a version that is served already, that one stays in front, and the roll-out of the new one begins.

    A model that somebody rolled back on purpose does not come back by itself: `penstock models rollback VERSION` puts
    it there again. Afterwards versions that nobody needs are removed.

    Args:
        candidate: the model and what is known of it.
        base: the folder that is watched.
        keep: so many of the newest versions stay, beside labelled ones and the one that a rollback would go to.
        plan: of the roll-out; None: the version is served at once.

    Raises:
        StorageError: the disk refused something; what is served has not changed.
        DataLossError: the model changed while it was copied.
        ServingError: a roll-out is under way; another model would end it unseen.
    """
    files = digest_files(candidate.model)
    digest = digest_model(files)
    with change(base):
        standing = recover(base).standing
        newest = max(find_versions(base).items(), default=None)
        same = newest and is_intact(newest[1], digest) and _has_edge(newest[1], candidate)
        if newest and (digest in standing.withdrawn or same):
            return Pushed(newest[1], newest[0], fresh=False, withdrawn=standing.withdrawn.get(digest))
        if standing.trial and is_intact(base / str(standing.trial.canary), digest):
            return Pushed(base / str(standing.trial.canary), standing.trial.canary, fresh=False)
        require_no_rollout(base, standing)
        number = _find_waiting(standing, digest) if plan else None
        stable = number and number + 1
        if number is None:
            number = next_version(base, standing.used)
            stable = _hold_stable(base, standing, number + 1) if plan else None
            manifest = _describe(candidate, base, number, files)
            standing = show(base, manifest, lambda staging: _write(candidate, files, staging))
        if plan and stable:
            begin_rollout(base, (stable, number), plan, "pushed")
            standing = recover(base).standing
        try:
            prune(base, standing, keep)
        except OSError as error:  # the model is served all the same
            logging.getLogger(__name__).warning("left for the next push to remove: %s", describe_fault(error, base))
    return Pushed(base / str(number), number, fresh=True)


def _describe(candidate: Candidate, base: Path, number: int, files: dict[str, str]) -> Manifest:
    return Manifest(
        name=base.name,
        version=number,
        created=datetime.now(UTC),
        digest=digest_model(files),
        files=files,
        lineage=candidate.lineage,
        metrics=candidate.metrics or {},
        parity=candidate.parity,
        edge=candidate.edge[1] if candidate.edge else None,
        who=whoami(),
    )


def _find_waiting(standing: Standing, digest: str) -> int | None:
    """The version that a push which was killed has put behind stable, without the roll-out that was to begin."""
    live = standing.live or 0
    waiting = standing.pushed.get(live - 1)
    is_held = live in standing.pushed and standing.pushed[live].action == "hold"
    return live - 1 if is_held and waiting and (waiting.action, waiting.digest) == ("push", digest) else None


def _hold_stable(base: Path, standing: Standing, number: int) -> int | None:
    """Put what is stable in front of the version that is to come; return its number, None where nothing is served."""
    stable = standing.labels.get("stable", standing.live or 0)
    origin = read_manifest(base / str(stable)) if stable else None
    if origin is None:
        return None
    check_files(base / str(stable))
    put_again(base, number, origin, "hold", HOLD)
    return number


def _write(candidate: Candidate, files: Iterable[str], staging: Path) -> None:
    copy_files(candidate.model, staging, files, shutil.copyfile)
    if candidate.edge:
        (staging / EDGE_FILE).parent.mkdir(exist_ok=True)
        shutil.copyfile(candidate.edge[0], staging / EDGE_FILE)
    if candidate.add_files:
        candidate.add_files(staging)


def _has_edge(version: Path, candidate: Candidate) -> bool:
    """Return whether a version's file for devices is the candidate's, or neither has one."""
    found = version / EDGE_FILE
    wanted = candidate.edge[0] if candidate.edge else None
    return (digest_file(found) if found.is_file() else None) == (digest_file(wanted) if wanted else None)
