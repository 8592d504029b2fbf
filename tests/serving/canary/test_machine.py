"""The roll-out's states: what leads where, under any observations in any order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serving.canary.bounds import Interval
from serving.canary.evidence import Finding
from serving.canary.machine import Decision, Observation, State, apply, replay, step
from serving.canary.plan import Plan

PLAN = Plan.model_validate(
    {
        "steps": [{"share": 0.01, "requests": 10, "minutes": 1}, {"share": 0.5, "requests": 100, "minutes": 2}],
        "rules": {"auc": {"worse_by": 0.01}},
    }
)
NEEDED = ("error_rate", "p99_ms", "drift")
KINDS = ("advance", "promote", "finish", "abort")


def find(rule: str, verdict: str) -> Finding:
    return Finding(rule, 0.0, 0.1, Interval(0, 0.1, 0.2), 0.3, verdict)


def see(seconds: float, requests: int, **verdicts: str) -> Observation:
    return Observation(seconds, requests, tuple(find(rule, verdict) for rule, verdict in verdicts.items()))


KEPT = dict.fromkeys(NEEDED, "kept")
observations = st.builds(
    see,
    st.floats(0, 10**6),
    st.integers(0, 1000),
    **dict.fromkeys((*NEEDED, "auc"), st.sampled_from(("broken", "kept", "open"))),
)
decisions = st.builds(Decision, kind=st.sampled_from(KINDS), step=st.integers(0, 3))


def test_it_goes_step_by_step_to_the_promotion():
    state, decision = step(State(), see(60, 10), PLAN)
    assert (state, decision.kind, decision.step) == (State(step=1), "advance", 1)
    assert decision.why == "10 requests in 1 min, no rule broken"
    state, decision = step(state, see(120, 100, **KEPT), PLAN)
    assert (state.phase, decision.kind) == ("promoting", "promote")
    assert apply(state, Decision(kind="finish")) == State(phase="promoted", step=1)


def test_it_waits_for_requests_and_for_time():
    assert step(State(), see(59, 10), PLAN) == (State(), None)
    assert step(State(), see(60, 9), PLAN) == (State(), None)


def test_one_broken_rule_ends_it_at_once():
    state, decision = step(State(step=1), see(0, 50, **KEPT | {"p99_ms": "broken"}), PLAN)
    assert state == State(phase="aborted", step=1)
    assert decision.why == "p99_ms broken: 0.1 against 0, between 0 and 0.2, allowed 0.3"


def test_labels_that_are_not_required_may_fail_to_come():
    required = PLAN.model_validate(PLAN.model_dump() | {"rules": {"auc": {"worse_by": 0.01, "required": True}}})
    assert step(State(step=1), see(120, 100, **KEPT), PLAN)[0].phase == "promoting"
    assert step(State(step=1), see(120, 100, **KEPT), required)[0].phase == "running"


def test_patience_ends_without_evidence():
    state, decision = step(State(step=1), see(168 * 3600, 99), PLAN)
    assert (state.phase, decision.why) == ("aborted", "no evidence in 168 h: 99 requests in 10080 min, no rule broken")


def test_by_hand_the_rules_only_roll_back():
    plan = PLAN.model_copy(update={"promotion": "by_hand"})
    assert step(State(step=1), see(10**9, 10**6, **KEPT), plan) == (State(step=1), None)
    assert step(State(step=1), see(0, 50, drift="broken"), plan)[0].phase == "aborted"


@given(st.lists(observations))
def test_no_promotion_without_evidence_and_the_log_gives_the_state(seen):
    state, log = State(), []
    for observation in seen:
        before = state
        state, decision = step(state, observation, PLAN)
        if decision is None:
            assert state == before
            continue
        log.append(decision)
        verdicts = {finding.rule: finding.verdict for finding in observation.findings}
        assert before.phase == "running"
        assert (decision.kind == "abort") >= ("broken" in verdicts.values())
        if decision.kind == "promote":
            assert before.step == 1
            assert all(verdicts[rule] == "kept" for rule in NEEDED)
            assert observation.requests >= 100
            assert observation.seconds >= 120
    assert replay(log) == state
    assert len(log) == len({(decision.kind, decision.step) for decision in log})


@given(st.lists(decisions))
def test_whatever_the_log_holds_a_decision_counts_once_and_abort_is_in_reach(log):
    state = replay(log)
    assert replay([each for decision in log for each in (decision, decision)]) == state
    aborted = apply(state, Decision(kind="abort"))
    assert aborted.phase == (state.phase if state.is_over else "aborted")
    if state.is_over:
        assert all(apply(state, Decision(kind=kind, step=state.step + 1)) == state for kind in KINDS)
