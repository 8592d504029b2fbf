"""Roll-outs on a folder of versions: begun, looked at, decided, ended. The history is the state, so all may restart.

Stable stays the newest version to the end: its files are put there once more in front of the canary's (hold), and the
canary's in front of those when it is promoted. So whoever watches the folder, asks for the label `stable` or for no
version at all is given one and the same model, wherever a crash happens; a share of the requests is sent to the canary
by the embedded server, or by whoever asks for the label `canary`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from serving.bookkeeping import (
    HOLD,
    begin_rollout,
    decide_rollout,
    put_again,
    read_standing,
    recover,
    require_no_rollout,
)
from serving.canary.evidence import Finding, Scores, judge
from serving.canary.machine import Decision, Observation, step
from serving.canary.plan import Plan
from serving.canary.tally import Sides
from serving.errors import Code, NotFoundError, ServingError
from serving.history import Event, Trial, read_history
from serving.model_config import read_model_config, render_model_config
from serving.rollout import read_sound, require_versions
from serving.standing import Rollout, Standing, sum_up
from serving.store import change, next_version
from serving.tallies import read_sides


class Look(NamedTuple):
    """A roll-out as it is.

    Attributes:
        rollout: what is tried, and where it is.
        sides: what servers have counted at this step.
        findings: what that proves.
        log: what the history tells of it, oldest first.
        decision: that was taken at this look.
    """

    rollout: Rollout
    sides: Sides
    findings: tuple[Finding, ...]
    log: tuple[Event, ...]
    decision: Decision | None = None


def start(base: Path, plan: Plan, canary: int | None = None, why: str = "") -> Trial:
    """Begin the roll-out of a version: from now on stable is served, and the canary to the first step's share.

    Args:
        base: the folder that is watched.
        plan: steps and rules.
        canary: the version to try; None: the newest one.
        why: for the history.

    Raises:
        NotFoundError: no such version, or no other model that is stable.
        DataLossError: the files of one of the two are not what was pushed.
        ServingError: a roll-out is under way (FAILED_PRECONDITION).
        StorageError: the disk refused something; what is served has not changed.
    """
    require_versions(base)
    with change(base):
        standing = recover(base).standing
        require_no_rollout(base, standing)
        tried = read_sound(base, _choose_canary(base, standing) if canary is None else canary)
        stable = _choose_stable(base, standing, tried.digest)
        if stable != standing.live:
            origin, stable = read_sound(base, stable), next_version(base, standing.used)
            put_again(base, stable, origin, "hold", HOLD)
        trial = begin_rollout(base, (stable, tried.version), plan, why)
        recover(base)
        return trial


def look(base: Path, scores: Scores | None = None) -> Look:
    """Return how the newest roll-out stands, also one that is over; nothing is decided.

    Raises:
        NotFoundError: there was none.
    """
    events = read_history(base).events
    rollout = sum_up(events).rollout
    if rollout is None:
        raise NotFoundError(f"{base}: expected a roll-out, received none; `penstock rollout start` begins one")
    sides = read_sides(rollout.find_counts(base))
    told = tuple(event for event in events if event.at >= rollout.began and event.action in ("rollout", "promote"))
    return Look(rollout, sides, judge(sides, scores or {}, rollout.trial.plan), told)


def follow(base: Path, scores: Scores | None = None) -> Look:
    """Look, and do what the rules say; also what was decided and left half done by a crash.

    Raises:
        NotFoundError: there was no roll-out.
        DataLossError: the canary's files are not what was pushed.
        StorageError: the disk refused something; the next look tries again.
    """
    seen = look(base, scores)
    rollout = seen.rollout
    seconds = (datetime.now(UTC) - rollout.since).total_seconds()
    observation = Observation(seconds, seen.sides.canary.requests, seen.findings)
    _, decision = step(rollout.state, observation, rollout.trial.plan)
    if decision is None and not _is_half_done(base, rollout):
        return seen
    _carry_out(base, rollout, decision)
    return look(base, scores)._replace(decision=decision)


def promote(base: Path, why: str) -> Look:
    """Let the canary be what everybody gets, whatever the rules say.

    Raises:
        ServingError: no roll-out is under way (FAILED_PRECONDITION); otherwise as of `follow`.
    """
    return _end(base, Decision(kind="promote", why=why or "by hand"))


def abort(base: Path, why: str) -> Look:
    """Send nobody to the canary any more; its model does not come back by itself.

    Raises:
        ServingError: no roll-out is under way (FAILED_PRECONDITION); otherwise as of `follow`.
    """
    return _end(base, Decision(kind="abort", why=why or "by hand"))


def _end(base: Path, decision: Decision) -> Look:
    rollout = look(base).rollout
    if rollout.state.is_over:
        _carry_out(base, rollout, None)
        words = f"{base}: the roll-out of version {rollout.trial.canary} is over: {rollout.state.phase}"
        raise ServingError(words, Code.FAILED_PRECONDITION)
    _carry_out(base, rollout, decision)
    return look(base)._replace(decision=decision)


def _carry_out(base: Path, seen: Rollout, decision: Decision | None) -> None:
    """Tell the history, unless somebody else has decided meanwhile; put a promoted canary in front."""
    with change(base):
        standing = recover(base).standing
        now = standing.rollout
        if decision and now and (now.trial.id, now.state) == (seen.trial.id, seen.state):
            decide_rollout(base, now.trial, decision)
            standing = recover(base).standing
            now = standing.rollout
        if now and now.state.phase == "promoting":
            number = next_version(base, standing.used)
            put_again(base, number, read_sound(base, now.trial.canary), "promote", "end of its roll-out")


def _is_half_done(base: Path, rollout: Rollout) -> bool:
    """Whether a crash left a promoted canary behind stable, or labels that TensorFlow Serving was not told of."""
    told = read_model_config(base) == render_model_config(base.name, read_standing(base))
    return rollout.state.phase == "promoting" or not told


def _choose_canary(base: Path, standing: Standing) -> int:
    """The newest version, or where that is stable's model the newest push behind it that was not taken back."""
    live = standing.pushed.get(standing.live or 0)
    stable = standing.pushed.get(standing.labels.get("stable", 0))
    if live and live.action != "hold" and (stable is None or stable.digest != live.digest):
        return live.version or 0
    known = {*standing.withdrawn, *([live.digest] if live else [])}
    newer = [event.version or 0 for event in standing.pushed.values() if live and _is_newer(event, live, known)]
    if not newer:
        raise NotFoundError(f"{base}: expected a version that is newer than stable, received none; --canary names one")
    return max(newer)


def _is_newer(event: Event, live: Event, known: set[str]) -> bool:
    after = (event.version or 0) > (live.origin or live.version or 0)
    return event.action == "push" and after and event.digest not in known


def _choose_stable(base: Path, standing: Standing, canary: str) -> int:
    """The version that is stable by its label, else the newest of another model than the canary's."""
    labelled = standing.labels.get("stable", 0)
    others = [
        version
        for version, event in standing.pushed.items()
        if event.digest != canary and (event.digest not in standing.withdrawn or version == labelled)
    ]
    if not others:
        raise NotFoundError(f"{base}: expected a version of another model to be stable, received none")
    return labelled if labelled in others else max(others)
