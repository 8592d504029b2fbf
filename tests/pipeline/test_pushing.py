"""`penstock push`: which runs' models it takes, which it refuses; what it leaves is in tests/e2e/test_push.py."""

from collections import defaultdict
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import pushing
from pipeline.errors import BlockedError, InputError
from pipeline.pushing import PushRequest, push_run
from pipeline.workspace import Workspace
from serving.history import Event
from serving.push import Pushed

TYPES = ("Model", "Examples", "Schema", "ModelEvaluation", "InfraBlessing", "PushedModel")


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path, "sales")


@pytest.fixture
def held(tmp_path, monkeypatch):
    """A run that held a blessed model back; `asked` keeps what was pushed, `recorded` what ML Metadata was told."""
    properties = lambda: defaultdict(lambda: SimpleNamespace(int_value=0, string_value=""))  # noqa: E731
    parts = {
        name: SimpleNamespace(uri=str(tmp_path / name), state=pushing.LIVE, custom_properties=properties())
        for name in TYPES
    }
    for part in parts.values():
        Path(part.uri).mkdir()
    request = PushRequest(base=Path("/elsewhere"), run="1", problem={}, code="c0de", lock="l0ck", hold=True)
    run = SimpleNamespace(run_id="1", output=parts.get, parts=parts, refused=[], unfit=[], asked=[], recorded=[])
    run.config = {"Pusher": {"custom_config": request.model_dump_json()}}
    run.outcome = Pushed(tmp_path / "serving/sales/7", 7, fresh=True)
    monkeypatch.setattr(pushing, "read_properties", lambda *_: run.config)
    monkeypatch.setattr(pushing, "read_blessing", lambda _: SimpleNamespace(refusals=run.refused))
    monkeypatch.setattr(pushing, "read_infra", lambda _: SimpleNamespace(refusals=run.unfit))
    monkeypatch.setattr(pushing, "push_model", lambda *asked: run.asked.append(asked) or run.outcome)
    store = SimpleNamespace(put_artifacts=run.recorded.extend)
    monkeypatch.setattr(pushing, "open_store", lambda _: nullcontext(store))
    return run


def test_the_run_is_pushed_as_it_was_to_where_the_workspace_is_now(held, workspace):
    assert push_run(workspace, held).version == 7
    ((made, request),) = held.asked
    assert made.model == Path(held.parts["Model"].uri, "Format-Serving")
    assert (made.examples, made.infra.name) == (held.parts["Examples"], "InfraBlessing")
    assert (request.base, request.run, request.code, request.lock) == (workspace.serving, "1", "c0de", "l0ck")
    (artifact,) = held.recorded
    told = artifact.custom_properties
    assert (told["pushed"].int_value, told["fresh"].int_value, told["pushed_version"].string_value) == (1, 1, "7")


def test_what_is_served_already_is_not_told_again(held, workspace):
    held.outcome = held.outcome._replace(fresh=False)
    assert not push_run(workspace, held).fresh
    assert held.recorded == []


def test_a_refused_model_is_not_pushed(held, workspace):
    held.refused, held.unfit = ["auc is below 0.7"], ["too slow"]
    with pytest.raises(BlockedError, match=r"run 1: its model was refused: auc is below 0\.7; too slow"):
        push_run(workspace, held)
    assert held.asked == []


def test_a_run_that_stopped_before_has_nothing_to_push(held, workspace):
    held.config = {"Trainer": {}}
    with pytest.raises(InputError, match="expected one that came as far as Pusher"):
        push_run(workspace, held)


def test_what_was_altered_or_removed_is_not_pushed(held, workspace):
    held.parts["Model"].state = 4  # as `guard` marks what is not as it was sealed
    Path(held.parts["Schema"].uri).rmdir()
    with pytest.raises(InputError, match="its Model, Schema is not as it was written"):
        push_run(workspace, held)
    assert held.asked == []


def test_a_model_that_was_rolled_back_stays_away(held, workspace):
    event = Event(
        action="rollback", version=7, at=datetime(2026, 1, 2, tzinfo=UTC), who="ann@host", why="calls", replaced=6
    )
    held.outcome = held.outcome._replace(fresh=False, withdrawn=event)
    with pytest.raises(BlockedError, match=r"rolled back on 2026-01-02 00:00 UTC by ann@host \(calls\)"):
        push_run(workspace, held)
