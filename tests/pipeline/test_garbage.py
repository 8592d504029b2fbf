"""What `penstock gc` removes: of five runs, of killed components, of old logs; and what it never touches."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as pb
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.doctor.records import examine_records
from pipeline.errors import InputError, RunError
from pipeline.garbage import find_garbage, remove
from pipeline.metadata.connection import connection_config, open_store
from pipeline.metadata.file import keep_copy
from pipeline.owner import own
from pipeline.workspace import Workspace
from serving.history import Event, append_event

RUNS = 5


class Recorder:
    """Writes runs into a store as TFX does: run n trains model n, judges it beside model n - 1 and pushes version n."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        workspace.folder.mkdir(parents=True)
        self.store = MetadataStore(connection_config(workspace))
        self.types = {
            name: self.store.put_context_type(pb.ContextType(name=name)) for name in ("pipeline", "pipeline_run")
        }
        pipeline = pb.Context(type_id=self.types["pipeline"], name=workspace.name)
        (self.pipeline,) = self.store.put_contexts([pipeline])

    def start(self, run_id: str) -> list[pb.Context]:
        (run,) = self.store.put_contexts([pb.Context(type_id=self.types["pipeline_run"], name=run_id)])
        self.store.put_parent_contexts([pb.ParentContext(parent_id=self.pipeline, child_id=run)])
        return self.store.get_contexts_by_id([self.pipeline, run])

    def execute(
        self, contexts: list[pb.Context], name: str, inputs: list[pb.Artifact], outputs: list[pb.Artifact], state: int
    ) -> None:
        type_id = self.store.put_execution_type(pb.ExecutionType(name=name))
        events = [(each, pb.Event(type=pb.Event.INPUT)) for each in inputs]
        events += [(each, pb.Event(type=pb.Event.OUTPUT)) for each in outputs]
        execution = pb.Execution(type_id=type_id, last_known_state=state)
        _, made, _ = self.store.put_execution(execution, events, contexts)
        for artifact, number in zip([*inputs, *outputs], made, strict=True):
            artifact.id = number

    def artifact(self, type_name: str, folder: str, content: str, state: int = pb.Artifact.LIVE) -> pb.Artifact:
        path = self.workspace.artifacts / folder
        path.mkdir(parents=True)
        (path / "file").write_text(content)
        type_id = self.store.put_artifact_type(pb.ArtifactType(name=type_name))
        return pb.Artifact(type_id=type_id, uri=str(path), state=state)

    def run(self, number: int, baseline: pb.Artifact | None) -> pb.Artifact:
        contexts = self.start(f"run{number}")
        model = self.artifact("Model", f"Trainer/model/{number}", "m" * 100)
        self.execute(contexts, "Trainer", [], [model], pb.Execution.COMPLETE)
        blessing = self.artifact("ModelBlessing", f"Evaluator/blessing/{number}", "b")
        self.execute(contexts, "Evaluator", [model, *([baseline] if baseline else [])], [blessing], pb.Execution.CACHED)
        pushed = self.artifact("PushedModel", f"Pusher/pushed_model/{number}", "p")
        pushed.custom_properties["fresh"].int_value = 1
        pushed.custom_properties["pushed_version"].string_value = str(number)
        self.execute(contexts, "Pusher", [model], [pushed], pb.Execution.COMPLETE)
        return model


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Workspace:
    monkeypatch.delenv("PENSTOCK_METADATA", raising=False)
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    made = Workspace(tmp_path / "home", "sales")
    recorder, model = Recorder(made), None
    for number in range(1, RUNS + 1):
        model = recorder.run(number, model)
    killed = recorder.artifact("Model", "Trainer/model/77", "half", pb.Artifact.PENDING)
    recorder.execute(recorder.start("run6"), "Trainer", [], [killed], pb.Execution.RUNNING)
    for lost in ("Trainer/model/99", "Trainer/.system/stateful_working_dir/9"):
        (made.artifacts / lost).mkdir(parents=True)
        (made.artifacts / lost / "file").write_text("lost!")
    (made.artifacts / "Trainer/.system/executor_execution/1").mkdir(parents=True)
    (made.serving / "2").mkdir(parents=True)
    (made.serving / "2" / "saved_model.pb").write_text("served")
    return made


def names(workspace: Workspace, keep_runs: int) -> dict[str, int]:
    found = find_garbage(workspace, keep_runs)
    return {str(item.path.relative_to(workspace.folder)): item.size for item in found}


ORPHANS = {
    "artifacts/Trainer/.system/stateful_working_dir/9": 5,
    "artifacts/Trainer/model/77": 4,
    "artifacts/Trainer/model/99": 5,
}


def test_orphans_go_and_the_newest_runs_stay(workspace):
    assert names(workspace, 6) == ORPHANS


def test_of_older_runs_stay_what_is_served_and_what_it_was_compared_with(workspace):
    # run 6 was killed; run 5 is the newest complete one and read model 4; version 2 is served, and run 2 read model 1
    assert names(workspace, 1) == ORPHANS | {"artifacts/Trainer/model/3": 100}
    # the newest two that began are runs 6 and 5
    assert names(workspace, 2) == ORPHANS | {"artifacts/Trainer/model/3": 100}
    assert names(workspace, 3) == ORPHANS


def test_a_model_that_was_rolled_back_to_stays_under_its_first_number(workspace):
    (workspace.serving / "2").rename(workspace.serving / "7")
    assert "artifacts/Trainer/model/2" in names(workspace, 1)
    for version, action in ((2, "push"), (7, "rollback")):
        event = {"at": datetime.now(UTC), "who": "me", "action": action, "version": version, "digest": "abc"}
        append_event(workspace.serving, Event.model_validate(event | {"manifest": "x"}))
    assert names(workspace, 1) == ORPHANS | {"artifacts/Trainer/model/3": 100}


def test_what_is_removed_is_gone_from_the_cache_too(workspace):
    remove(workspace, find_garbage(workspace, 1))
    with open_store(workspace) as store:
        states = {Path(each.uri).name: each.state for each in store.get_artifacts_by_type("Model")}
    assert states == dict.fromkeys(["1", "2", "4", "5"], pb.Artifact.LIVE) | {
        "3": pb.Artifact.DELETED,
        "77": pb.Artifact.PENDING,
    }
    assert sorted(path.name for path in (workspace.artifacts / "Trainer" / "model").iterdir()) == ["1", "2", "4", "5"]
    assert (workspace.serving / "2" / "saved_model.pb").read_text() == "served"
    assert names(workspace, 1) == {}


def test_old_logs_and_leftovers_go_and_the_newest_search_stays(workspace):
    old = ["logs/a.log", "reports/a.html", "checkpoints/abc", "inputs/abc", "tuning/a.json", "stages/.reading-x"]
    spared = ["tuning/b.json", "reports/tuning.html"]
    for name in [*old, *spared, "logs/new.log"]:
        file = workspace.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("12")
        if "new" not in name:
            os.utime(file, (1000, 1001 if "b.json" in name else 1000))
    assert names(workspace, 1).items() >= dict.fromkeys(old, 2).items()
    assert not names(workspace, 1).keys() & {*spared, "logs/new.log"}
    assert names(workspace, 6) == ORPHANS


def test_nothing_goes_without_the_runs_that_made_it(workspace):
    workspace.metadata.unlink()
    with pytest.raises(InputError, match="expected the runs that .* tell of, received none"):
        find_garbage(workspace, 1)


def test_it_refuses_while_a_run_is_going(workspace, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with own(workspace, "run"):
        refused = CliRunner().invoke(app, ["gc", "--yes"])
    assert isinstance(refused.exception, RunError)
    assert "(`penstock run` since" in str(refused.exception)
    assert (workspace.artifacts / "Trainer/model/3").exists()


def test_the_command_lists_and_removes_only_if_told(workspace, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    listed = CliRunner().invoke(app, ["gc", "--keep-runs", "1"])
    assert listed.exit_code == 0, listed.output
    assert "sales: 114 bytes may go" in listed.output
    assert "nothing was removed; --yes removes it" in listed.output
    assert (workspace.artifacts / "Trainer/model/3").exists()
    removed = json.loads(CliRunner().invoke(app, ["gc", "--keep-runs", "1", "--yes", "--json"]).stdout)
    assert removed["removed"] is True
    assert sum(item["size"] for item in removed["items"]["sales"]) == 114
    assert not (workspace.artifacts / "Trainer/model/3").exists()


def test_the_doctor_tells_of_a_dead_run_and_what_it_left(workspace):
    found = {each.check: each for each in examine_records(workspace)}
    assert found["metadata"].says.startswith(f"{workspace.metadata} is whole; {3 * RUNS + 1} executions")
    assert (found["runs"].level, found["runs"].says) == ("warning", "1 executions of a run that is dead")
    assert found["artifacts"].says == "14 bytes of components that did not complete, in 3 places"
    with own(workspace, "run"):  # while a run is going nobody can tell
        assert {"runs", "artifacts"} & {each.check for each in examine_records(workspace)} == set()


def test_the_doctor_goes_back_to_the_copy_and_removes_what_it_does_not_know(workspace, tmp_path):
    (tmp_path / "sales.yaml").write_text(
        "name: sales\nsource: {kind: csv, files: sales.csv}\ntarget: {column: sold, kind: binary}\n"
    )
    keep_copy(workspace)
    workspace.metadata.write_bytes(b"no database" * 1000)
    done = CliRunner().invoke(app, ["doctor", str(tmp_path / "sales.yaml"), "--restore-metadata"])
    assert done.exit_code == 0, done.output
    assert "removed 14 bytes of artifacts that the copy does not know" in done.output
    models = workspace.artifacts / "Trainer" / "model"
    assert sorted(path.name for path in models.iterdir()) == ["1", "2", "3", "4", "5"]
    assert (workspace.serving / "2" / "saved_model.pb").exists()
    assert names(workspace, 6) == {}
