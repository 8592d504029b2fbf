"""The states of a roll-out and what leads from one to the next. No clock, no disk, no chance.

    running(step 0) ─ advance ─> running(step 1) ─ ... ─> running(last) ─ promote ─> promoting ─ finish ─> promoted
          └───────────────────────── abort ────────────────────────────────────────────┴──────> aborted

While it is `promoting` the last step goes on: the canary's model is being put where everybody takes it from.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from serving.canary.evidence import Finding
from serving.canary.plan import Plan
from serving.manifest import Record

Phase = Literal["running", "promoting", "promoted", "aborted"]
_HOUR_S = 3600


class State(Record):
    """Where a roll-out is: the phase, and the step that it is or was at, from 0."""

    phase: Phase = "running"
    step: int = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing follows."""
        return self.phase in ("promoted", "aborted")


class Decision(Record):
    """One line of the log.

    Attributes:
        kind: what is done.
        step: an `advance` leads to.
        why: in words.
    """

    kind: Literal["advance", "promote", "finish", "abort"]
    step: int = 0
    why: str = ""


class Observation(NamedTuple):
    """What was seen of the step that a roll-out is at.

    Attributes:
        seconds: since it began.
        requests: that the canary had.
        findings: one a rule that could be looked at.
    """

    seconds: float
    requests: int
    findings: tuple[Finding, ...]


def step(state: State, observation: Observation, plan: Plan) -> tuple[State, Decision | None]:
    """Decide, and return the state after it; a decision that was taken is not taken again."""
    decision = _decide(state, observation, plan) if state.phase == "running" else None
    return (state, None) if decision is None else (apply(state, decision), decision)


def apply(state: State, decision: Decision) -> State:
    """Return the state after a decision; one that does not follow from the state changes nothing."""
    match state.phase, decision.kind:
        case "running", "advance" if decision.step == state.step + 1:
            return State(step=decision.step)
        case "running", "promote":
            return State(phase="promoting", step=state.step)
        case "promoting", "finish":
            return State(phase="promoted", step=state.step)
        case (("running" | "promoting"), "abort"):
            return State(phase="aborted", step=state.step)
    return state


def replay(decisions: Iterable[Decision]) -> State:
    """Return the state after all that was decided, oldest first."""
    state = State()
    for decision in decisions:
        state = apply(state, decision)
    return state


def _decide(state: State, observation: Observation, plan: Plan) -> Decision | None:
    broken = [finding for finding in observation.findings if finding.verdict == "broken"]
    if broken:
        return Decision(kind="abort", why="; ".join(map(str, broken)))
    at, is_last = plan.steps[state.step], state.step + 1 == len(plan.steps)
    proven = _list_unproven(observation, plan) == []
    is_due = observation.requests >= at.requests and observation.seconds >= at.minutes * 60
    if is_due and not is_last:
        return Decision(kind="advance", step=state.step + 1, why=_describe(observation))
    if plan.promotion == "by_hand":
        return None
    if is_due and proven:
        return Decision(kind="promote", why="; ".join(map(str, observation.findings)))
    if observation.seconds >= plan.patience_hours * _HOUR_S:
        return Decision(kind="abort", why=f"no evidence in {plan.patience_hours:g} h: {_describe(observation)}")
    return None


def _list_unproven(observation: Observation, plan: Plan) -> list[str]:
    """The rules that the canary has not been shown to keep, of those that a promotion needs."""
    kept = {finding.rule for finding in observation.findings if finding.verdict == "kept"}
    needed = [name for name in plan.rules.names if getattr(getattr(plan.rules, name), "required", True)]
    return [name for name in needed if name not in kept]


def _describe(observation: Observation) -> str:
    return f"{observation.requests:,} requests in {observation.seconds / 60:.0f} min, no rule broken"
