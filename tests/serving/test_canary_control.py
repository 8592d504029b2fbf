"""A roll-out on a folder of versions: what is served at each point, whatever crashes, and what the history tells."""

from __future__ import annotations

import os
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.audit import verify
from serving.canary.plan import Plan
from serving.canary.tally import Sides
from serving.canary_control import abort, follow, look, promote, start
from serving.errors import NotFoundError, ServingError
from serving.history import Event, append_event, read_history
from serving.model_config import FILE
from serving.push import Candidate, push
from serving.rollout import find_live, rollback, set_label
from serving.standing import Standing, sum_up
from serving.store import STAGING, find_versions
from serving.tallies import FOLDER, dump_sides, find_step, read_sides, write_sides

AT = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = Plan.model_validate({"steps": [{"share": 0.1, "requests": 100, "minutes": 0}, {"share": 0.5, "minutes": 0}]})


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    """Waiting for the disk is most of the time, and shows nothing here."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def pushed(base, model):
    """The versions of the models a, which is stable, and b, which is new."""
    return [push(Candidate(model(content)), base, 5).version for content in "ab"]


def read_standing(base) -> Standing:
    return sum_up(read_history(base).events)


def content(base, version) -> str:
    return (base / str(version) / "saved_model.pb").read_text()


def served(base) -> tuple[str, str]:
    """The model of who asks for no version, and of who asks for `stable`."""
    live = find_live(base).version
    return content(base, live), content(base, read_standing(base).labels.get("stable", live))


def let_serve(base, errors=(0, 0), requests=20_000, server="one") -> None:
    """Let a server have counted requests to both sides at the step that the roll-out is at."""
    sides = Sides()
    for side, failed in zip((sides.stable, sides.canary), errors, strict=True):
        side.requests, side.errors = requests, failed
        side.latency_ms.add(np.geomspace(9, 11, requests - failed))
        side.predictions.add(np.linspace(0, 1, requests - failed))
    rollout = look(base).rollout
    write_sides(find_step(base, rollout.trial.id, rollout.state.step), server, dump_sides(sides))


def test_stable_is_put_in_front_and_the_canary_has_its_label(base, pushed):
    trial = start(base, PLAN, why="a try")
    assert (trial.canary, trial.stable) == (pushed[1], max(find_versions(base)))
    assert served(base) == ("a", "a")
    assert read_standing(base).labels == {"stable": trial.stable, "canary": trial.canary}
    assert f'key: "canary" value: {trial.canary}' in (base / FILE).read_text()
    assert verify(base) == []
    assert [event.action for event in read_history(base).events] == ["push", "push", "hold", "rollout"]
    assert read_history(base).events[-1].trial == trial


def test_a_stable_version_that_is_in_front_stays_where_it_is(base, pushed):
    start(base, PLAN)
    abort(base, "not yet")
    again = start(base, PLAN, canary=pushed[1])
    assert (again.stable, len(find_versions(base))) == (max(find_versions(base)), 3)


def test_it_is_promoted_step_by_step_and_served_under_a_new_number(base, pushed):
    trial = start(base, PLAN)
    assert follow(base).decision is None
    let_serve(base)
    assert (follow(base).decision.kind, served(base)) == ("advance", ("a", "a"))
    assert look(base).sides.canary.requests == 0
    let_serve(base)
    done = follow(base)
    assert (done.decision.kind, done.rollout.state.phase) == ("promote", "promoted")
    assert served(base) == ("b", "b")
    assert read_standing(base).labels == dict.fromkeys(("stable", "canary"), max(find_versions(base)))
    assert read_standing(base).fallback == trial.stable
    assert follow(base).decision is None
    assert verify(base) == []


def test_a_bad_canary_is_rolled_back_and_stays_away(base, pushed, model):
    start(base, PLAN)
    let_serve(base, (20, 1000))
    done = follow(base)
    assert done.rollout.state.phase == "aborted"
    assert done.decision.why.startswith("error_rate broken: 0.05 against 0.001")
    assert served(base) == ("a", "a")
    assert read_standing(base).labels == dict.fromkeys(("stable", "canary"), max(find_versions(base)))
    again = push(Candidate(model("b")), base, 5)
    assert (again.fresh, again.withdrawn.why) == (False, done.decision.why)


def test_what_servers_count_adds_up_and_a_torn_file_counts_for_nothing(base, pushed):
    trial = start(base, PLAN)
    let_serve(base, requests=10, server="one")
    let_serve(base, requests=5, server="two")
    folder = find_step(base, trial.id, 0)
    (folder / "three.json").write_text('{"stable": {"requ')
    assert read_sides(folder).canary.requests == 15
    abort(base, "")
    other = start(base, PLAN, canary=trial.canary)
    assert list((base / FOLDER).iterdir()) == []
    assert look(base).rollout.trial == other


def test_what_a_server_is_writing_is_not_counted_beside_what_it_had_written(base, pushed):
    trial = start(base, PLAN)
    let_serve(base, requests=10)
    folder = find_step(base, trial.id, 0)
    (written,) = folder.iterdir()
    written.with_name(f"{STAGING}{written.name}").write_bytes(written.read_bytes())
    assert read_sides(folder).canary.requests == 10


def test_people_may_promote_or_abort_whatever_the_rules_say(base, pushed):
    start(base, PLAN)
    promote(base, "we know better")
    assert served(base) == ("b", "b")
    for end in (promote, abort):
        with pytest.raises(ServingError, match="is over: promoted"):
            end(base, "")


def test_meanwhile_nobody_pushes_or_labels_and_a_rollback_ends_it(base, pushed, model):
    start(base, PLAN)
    for change in (
        lambda: start(base, PLAN),
        lambda: push(Candidate(model("c")), base, 5),
        lambda: set_label(base, "stable", pushed[0]),
    ):
        with pytest.raises(ServingError, match="`penstock rollout abort` ends it"):
            change()
    rollback(base, pushed[0], "enough")
    assert look(base).rollout.state.phase == "aborted"
    assert served(base) == ("a", "a")


def test_there_must_be_two_models(base, model):
    push(Candidate(model("a")), base, 5)
    with pytest.raises(NotFoundError, match="another model to be stable"):
        start(base, PLAN)
    with pytest.raises(NotFoundError, match="penstock rollout start"):
        look(base)


def test_two_that_decide_decide_once(base, pushed, monkeypatch):
    start(base, PLAN)
    let_serve(base)
    from serving import canary_control

    seen = look(base)
    follow(base)
    monkeypatch.setattr(canary_control, "look", lambda *_: seen)
    follow(base)
    assert [event.decision.kind for event in read_history(base).events if event.decision] == ["advance"]


kinds = st.lists(st.sampled_from(("advance", "promote", "abort", "place")))


@given(kinds)
def test_whatever_is_decided_in_whatever_order_one_version_is_stable(decided):
    """Of a history with lines out of order, doubled or missing."""

    def tell(action, version, **more):
        return Event.model_validate({"at": AT, "who": "x", "action": action, "version": version, **more})

    log = [tell("push", 1, digest="a"), tell("push", 2, digest="b"), tell("hold", 3, digest="a", origin=1)]
    log.append(tell("rollout", 2, trial={"id": "2-x", "stable": 3, "canary": 2, "plan": PLAN}))
    for place, kind in enumerate(decided, 4):
        if kind == "place" and sum_up(log).rollout.state.phase == "promoting":
            log.append(tell("promote", place, digest="b", origin=2))
        elif kind != "place":
            log.append(tell("rollout", 2, decision={"kind": kind, "step": 1}))
    standing = sum_up(log)
    phase = standing.rollout.state.phase
    assert standing.labels["stable"] == standing.live
    assert (standing.labels["canary"] == standing.live) == standing.rollout.state.is_over
    assert standing.pushed[standing.live].digest == ("b" if phase == "promoted" else "a")
    assert ("b" in standing.withdrawn) == (phase == "aborted")


class Killed(BaseException):
    """In the place of kill -9."""


def kill_at(monkeypatch, number: int) -> None:
    """Let the process end before the `number`-th wait for the disk."""
    calls = count(0)

    def sync(_):
        if next(calls) == number:
            raise Killed

    monkeypatch.setattr(os, "fsync", sync)


@pytest.mark.parametrize("number", range(16))
@pytest.mark.parametrize("command", ["start", "promote", "abort"])
def test_killed_anywhere_one_model_is_stable_and_the_command_may_be_repeated(
    base, pushed, monkeypatch, command, number
):
    commands = {
        "start": lambda: start(base, PLAN),
        "promote": lambda: promote(base, ""),
        "abort": lambda: abort(base, ""),
    }
    if command != "start":
        start(base, PLAN)
    with monkeypatch.context() as patch:
        kill_at(patch, number)
        with suppress(Killed) if number < 15 else nullcontext():
            commands[command]()
    live, labelled = served(base)
    before, after = ("b", "a") if command == "start" else ("a", "b" if command == "promote" else "a")
    assert live in (before, after)
    assert live == labelled or command == "promote"
    standing = read_standing(base)
    if standing.trial:
        assert labelled == content(base, standing.trial.stable) == "a"
    repeat(base, commands[command], command)
    follow(base)
    assert served(base) == (after, after)
    assert verify(base) == []
    assert len(find_versions(base)) <= 4


def repeat(base, command, name) -> None:
    """Do what a person or the next look does after a crash."""
    standing = read_standing(base)
    if name == "start" and standing.trial is None:
        command()
    if name != "start" and standing.rollout.state.phase == "running":
        command()


def test_the_history_gives_the_state_however_often_a_line_is_repeated(base, pushed):
    start(base, PLAN)
    let_serve(base)
    follow(base)
    before = read_standing(base).rollout
    last = read_history(base).events[-1]
    append_event(base, last.model_copy(update={"at": last.at + timedelta(seconds=5)}))
    assert read_standing(base).rollout == before
    assert isinstance(last, Event)


def test_a_push_with_a_plan_serves_stable_and_tries_the_new_one(base, model):
    assert push(Candidate(model("a")), base, 5, PLAN).fresh
    assert read_standing(base).trial is None
    second = push(Candidate(model("b")), base, 5, PLAN)
    assert (second.fresh, served(base)) == (True, ("a", "a"))
    trial = read_standing(base).trial
    assert (trial.canary, trial.stable, trial.plan) == (second.version, second.version + 1, PLAN)
    again = push(Candidate(model("b")), base, 5, PLAN)
    assert (again.fresh, again.version) == (False, second.version)
    promote(base, "")
    third = push(Candidate(model("c")), base, 5, PLAN)
    assert (read_standing(base).trial.canary, served(base)) == (third.version, ("b", "b"))
    assert verify(base) == []


@pytest.mark.parametrize("number", range(28))
def test_a_push_with_a_plan_killed_anywhere_never_serves_the_new_one_and_may_be_repeated(
    base, model, monkeypatch, number
):
    push(Candidate(model("a")), base, 5)
    with monkeypatch.context() as patch:
        kill_at(patch, number)
        with suppress(Killed) if number < 27 else nullcontext():
            push(Candidate(model("b")), base, 5, PLAN)
    assert served(base) == ("a", "a")
    push(Candidate(model("b")), base, 5, PLAN)
    follow(base)
    assert served(base) == ("a", "a")
    assert content(base, read_standing(base).trial.canary) == "b"
    assert sum(content(base, version) == "b" for version in find_versions(base)) == 1
    assert verify(base) == []


def test_the_version_to_try_is_one_that_is_newer_than_stable(base, pushed):
    start(base, PLAN)
    abort(base, "bad")
    with pytest.raises(NotFoundError, match="newer than stable, received none; --canary names one"):
        start(base, PLAN)
    assert start(base, PLAN, canary=pushed[1]).canary == pushed[1]
    promote(base, "")
    with pytest.raises(NotFoundError, match="newer than stable"):
        start(base, PLAN)
