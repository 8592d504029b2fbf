"""Executions that a dead run left open, in a store of ML Metadata as TFX writes it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.metadata.connection import connection_config, open_store
from pipeline.recovery import close_executions
from pipeline.workspace import Workspace

OPEN, COMPLETE, FAILED, CANCELED = (
    pb.Execution.RUNNING,
    pb.Execution.COMPLETE,
    pb.Execution.FAILED,
    pb.Execution.CANCELED,
)


class Written:
    """Executions with their folders."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        workspace.folder.mkdir(parents=True, exist_ok=True)
        self.store = MetadataStore(connection_config(workspace))
        self.contexts: dict[tuple[str, str], int] = {}

    def execute(self, component: str, state: Any, pipeline: str = "sales") -> int:
        type_id = self.store.put_execution_type(pb.ExecutionType(name=component))
        execution = pb.Execution(type_id=type_id, last_known_state=state)
        named = [("pipeline", pipeline), ("node", f"{pipeline}.{component}")]
        contexts = [self._context(kind, name) for kind, name in named]
        number, _, _ = self.store.put_execution(execution, [], contexts)
        folder = self.workspace.artifacts / component
        for path in (
            f"model/{number}",
            f".system/executor_execution/{number}/.temp",
            f".system/stateful_working_dir/x{number}",
        ):
            (folder / path).mkdir(parents=True)
            (folder / path / "file").write_text("half")
        return number

    def announce(self, execution: int) -> int:
        """Let the execution have a pending output."""
        type_id = self.store.put_artifact_type(pb.ArtifactType(name="Model"))
        (number,) = self.store.put_artifacts([pb.Artifact(type_id=type_id, uri="x", state=pb.Artifact.PENDING)])
        event = pb.Event(execution_id=execution, artifact_id=number, type=pb.Event.PENDING_OUTPUT)
        self.store.put_events([event])
        return number

    def state(self, execution: int) -> Any:
        (found,) = self.store.get_executions_by_id([execution])
        return found.last_known_state

    def _context(self, kind: str, name: str) -> pb.Context:
        type_id = self.store.put_context_type(pb.ContextType(name=kind))
        key = (kind, name)
        if key not in self.contexts:
            (self.contexts[key],) = self.store.put_contexts([pb.Context(type_id=type_id, name=name)])
        (found,) = self.store.get_contexts_by_id([self.contexts[key]])
        return found


@pytest.fixture
def written(tmp_path) -> Written:
    return Written(Workspace(tmp_path, "sales"))


def folders(written: Written, component: str) -> set[str]:
    base = written.workspace.artifacts / component
    return {str(path.parent.relative_to(base)) for path in base.rglob("file")}


def test_open_executions_fail_and_their_folders_go(written):
    done, left = written.execute("Trainer", COMPLETE), written.execute("Trainer", OPEN)
    new = written.execute("Evaluator", pb.Execution.NEW)
    assert sorted(close_executions(written.workspace, "failed")) == ["Evaluator", "Trainer"]
    assert [written.state(each) for each in (done, left, new)] == [COMPLETE, FAILED, FAILED]
    assert folders(written, "Trainer") == {f"model/{done}", f".system/executor_execution/{done}/.temp"}
    assert folders(written, "Evaluator") == set()
    assert close_executions(written.workspace, "failed") == []


def test_what_an_open_execution_announced_is_abandoned(written):
    artifact = written.announce(written.execute("Trainer", OPEN))
    close_executions(written.workspace, "failed")
    (found,) = written.store.get_artifacts_by_id([artifact])
    assert found.state == pb.Artifact.ABANDONED


def test_executions_of_other_pipelines_stay(written):
    other = written.execute("Trainer", OPEN, pipeline="other")
    assert close_executions(written.workspace, "failed") == []
    assert written.state(other) == OPEN
    assert f"model/{other}" in folders(written, "Trainer")


def test_a_failure_after_a_signal_is_its_consequence(written):
    failed = written.execute("ExampleGen", FAILED)
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert close_executions(written.workspace, "canceled", since=later) == []
    assert close_executions(written.workspace, "canceled", since=later - timedelta(minutes=2)) == ["ExampleGen"]
    assert written.state(failed) == CANCELED


def test_nothing_was_run_yet(tmp_path):
    workspace = Workspace(tmp_path, "sales")
    assert close_executions(workspace, "failed") == []
    assert not workspace.metadata.exists()
    Written(workspace)
    with open_store(workspace) as store:
        store.put_context_type(pb.ContextType(name="pipeline"))
    assert close_executions(workspace, "failed") == []
