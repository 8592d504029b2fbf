"""What is written around a run, and what the next one makes of it."""

import logging
import os
import signal
import subprocess
import sys

import pytest

from pipeline import guard as module
from pipeline.console import FINISHED, RUNNING
from pipeline.errors import BlockedError, CanceledError, InputError, RunError
from pipeline.guard import guard, witness
from pipeline.journal import last_run, note, read_events
from pipeline.workspace import Workspace


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    made = Workspace(tmp_path, "sales")
    made.folder.mkdir()
    return made


def log(message: str, component: str) -> None:
    record = logging.LogRecord("absl", logging.INFO, __file__, 1, message, (component,), None)
    logging.getLogger().handle(record)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(None, "done"), (BlockedError("a"), "blocked"), (InputError("b"), "failed"), (ValueError("c"), "failed")],
)
def test_the_journal_tells_how_a_run_ended(workspace, error, outcome):
    def run() -> None:
        with guard(workspace, "run"):
            assert last_run(read_events(workspace.journal)).outcome == ""
            if error:
                raise error

    if error:
        with pytest.raises(type(error)):
            run()
    else:
        run()
    began, ended = read_events(workspace.journal)
    assert (began.event, began.pid, began.command) == ("began", os.getpid(), "run")
    assert (ended.outcome, ended.why) == (outcome, str(error or ""))


def cancel(workspace: Workspace) -> None:
    with guard(workspace, "run"):
        note(workspace.journal, "started", component="Trainer")
        os.kill(os.getpid(), signal.SIGTERM)


def test_the_first_signal_cancels(workspace, capfd, monkeypatch):
    # the thread that would end this process
    monkeypatch.setattr("pipeline.signals._watch", lambda *_: None)
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    try:
        told = "canceled by SIGTERM in Trainer; the same command goes on from there"
        with pytest.raises(CanceledError, match=told) as canceled:
            cancel(workspace)
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])
        os.close(signal.set_wakeup_fd(-1))
    assert canceled.value.exit_code == 143
    assert read_events(workspace.journal)[-1].outcome == "canceled"


KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.guard import guard
from pipeline.journal import note
from pipeline.workspace import Workspace
workspace = Workspace(Path(sys.argv[1]), "sales")
with guard(workspace, "run"):
    note(workspace.journal, "started", component="ExampleGen")
    note(workspace.journal, "finished", component="ExampleGen")
    note(workspace.journal, "started", component="Trainer")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_is_closed_by_the_next_one(workspace, monkeypatch, capfd):
    closed = []

    def close(found: Workspace, state: str, since: object = None) -> list[str]:
        closed.append(state)
        return ["Trainer"]

    monkeypatch.setattr(module, "close_executions", close)
    done = subprocess.run([sys.executable, "-c", KILLED, str(workspace.home)], check=False)
    assert done.returncode == -signal.SIGKILL
    with guard(workspace, "run"):
        pass
    assert closed == ["failed"]
    told = capfd.readouterr().err
    assert " was killed in Trainer; what 1 component made is reused where it is up to date" in told
    events = [(event.event, event.component) for event in read_events(workspace.journal)]
    assert events[3:] == [("started", "Trainer"), ("closed", "Trainer"), ("began", ""), ("ended", "")]
    # and one that ended is not looked at again
    with guard(workspace, "run"):
        pass
    assert closed == ["failed"]


def test_components_are_noted_and_sealed_as_they_finish(workspace):
    with witness(workspace, pytest.fail):
        log(RUNNING, "Trainer")
        output = workspace.artifacts / "Trainer/model/3/weights"
        output.parent.mkdir(parents=True)
        output.write_text("1")
        log(FINISHED, "Trainer")
        assert (workspace.seals / "Trainer/3.json").exists()
        log(RUNNING, "Evaluator")
    log(RUNNING, "Pusher")
    note(workspace.journal, "began")
    events = [(event.event, event.component) for event in read_events(workspace.journal)]
    assert events[:-1] == [("started", "Trainer"), ("finished", "Trainer"), ("started", "Evaluator")]


def test_altered_outputs_are_told_and_set_aside(workspace, monkeypatch, capfd):
    forgotten = []
    monkeypatch.setattr(module, "forget", lambda found, altered: forgotten.extend(altered))
    monkeypatch.setattr(module, "require_good", lambda *_: None)
    test_components_are_noted_and_sealed_as_they_finish(workspace)
    weights = workspace.artifacts / "Trainer/model/3/weights"
    weights.write_text("")
    with guard(workspace, "run"):
        pass
    assert f"{weights}: not what Trainer wrote; Trainer runs again" in capfd.readouterr().err
    assert [each.execution for each in forgotten] == [3]


def refuse(descriptor: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_disk_that_is_full_at_the_start_ends_the_run_there(workspace, monkeypatch):
    monkeypatch.setattr(os, "fsync", refuse)
    told = r"sales: No space left on device; [\d,]+ bytes are free"
    with pytest.raises(RunError, match=told), guard(workspace, "run"):
        pytest.fail("it ran")
    monkeypatch.undo()
    with guard(workspace, "run"):
        assert last_run(read_events(workspace.journal)).outcome == ""


def test_a_disk_that_gets_full_costs_the_journal_its_lines_and_not_the_run(workspace, monkeypatch, capfd):
    told = []
    with guard(workspace, "run"), witness(workspace, told.append):
        monkeypatch.setattr(os, "fsync", refuse)
        log(RUNNING, "Trainer")
    assert told[0].startswith("the journal misses Trainer, the run goes on: ")
    assert "how the run ended could not be recorded; the next one looks after it" in capfd.readouterr().err
    monkeypatch.undo()
    with guard(workspace, "run"):
        pass
    assert "was killed before its first component" in capfd.readouterr().err


def test_metadata_that_cannot_be_written_leaves_the_run_to_the_next_one(workspace, monkeypatch, capfd):
    def fail(found: Workspace, state: str, since: object = None) -> list[str]:
        raise RunError("database or disk is full")

    note(workspace.journal, "began")
    note(workspace.journal, "ended", outcome="done")
    monkeypatch.setattr(module, "close_executions", fail)
    with pytest.raises(RunError, match="a component"), guard(workspace, "run"):
        raise RunError("a component failed")
    assert "database or disk is full" in capfd.readouterr().err
    assert last_run(read_events(workspace.journal)).outcome == ""
