"""Outputs that are no longer what a component wrote."""

import os

import pytest
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.metadata.connection import connection_config
from pipeline.seals import find_altered, forget, seal_outputs
from pipeline.workspace import Workspace


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path, "sales")


def write(workspace: Workspace, execution: int, *, seal: bool = True) -> None:
    """Write the outputs of a Trainer."""
    component = workspace.artifacts / "Trainer"
    for name in ("model/{}/variables/weights", "model/{}/saved_model.pb", "model_run/{}/log"):
        file = component / name.format(execution)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{name} of {execution}")
    if seal:
        seal_outputs(workspace, "Trainer")


def alter(workspace: Workspace, name: str, text: str | None) -> None:
    """Change, add or remove a file without a trace in its time."""
    file = workspace.artifacts / "Trainer" / name
    stat = file.stat() if file.exists() else None
    if text is None:
        file.unlink()
        return
    file.write_text(text)
    if stat:
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_what_was_written_is_intact(workspace):
    assert find_altered(workspace) == []
    write(workspace, 3)
    write(workspace, 12)
    assert find_altered(workspace) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("model/12/saved_model.pb", "model/{}/saved_model.pb of 13"),
        ("model/12/variables/weights", ""),
        ("model_run/12/log", None),
        ("model/12/variables/more", "stray"),
    ],
    ids=["same size and time", "emptied", "removed", "added"],
)
def test_the_last_outputs_are_read_in_full(workspace, name, text):
    write(workspace, 3)
    write(workspace, 12)
    alter(workspace, name, text)
    (altered,) = find_altered(workspace)
    assert altered == ("Trainer", 12, workspace.artifacts / "Trainer" / name)


def test_earlier_outputs_are_compared_by_size_and_time(workspace):
    write(workspace, 3)
    write(workspace, 12)
    alter(workspace, "model/3/saved_model.pb", "longer than it was when it was written")
    assert [found.execution for found in find_altered(workspace)] == [3]


def test_a_folder_that_was_removed_is_no_fault(workspace):
    write(workspace, 3)
    for file in sorted((workspace.artifacts / "Trainer/model/3").rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    (workspace.artifacts / "Trainer/model/3").rmdir()
    assert find_altered(workspace) == []
    assert (workspace.seals / "Trainer/3.json").exists()
    (workspace.artifacts / "Trainer/model_run/3/log").unlink()
    (workspace.artifacts / "Trainer/model_run/3").rmdir()
    assert find_altered(workspace) == []
    assert not (workspace.seals / "Trainer/3.json").exists()


def test_a_seal_is_written_once_and_only_for_outputs(workspace):
    write(workspace, 3)
    (workspace.artifacts / "Trainer/model/3/saved_model.pb").write_text("altered meanwhile")
    seal_outputs(workspace, "Trainer")
    assert len(find_altered(workspace)) == 1
    seal_outputs(workspace, "Resolver")
    assert not (workspace.artifacts / "Resolver").exists()
    assert [path.name for path in workspace.seals.rglob("*.json")] == ["3.json"]


def test_an_unreadable_seal_counts_as_altered(workspace):
    write(workspace, 3)
    seal = workspace.seals / "Trainer/3.json"
    seal.write_text("{")
    assert [found.file for found in find_altered(workspace)] == [seal]


def test_altered_outputs_leave_the_cache(workspace):
    workspace.folder.mkdir()
    store = MetadataStore(connection_config(workspace))
    kind = store.put_artifact_type(pb.ArtifactType(name="Model"))
    ours, other = (pb.Artifact(type_id=kind, uri=uri, state=pb.Artifact.LIVE) for uri in "ab")
    trainer = pb.Execution(type_id=store.put_execution_type(pb.ExecutionType(name="Trainer")))
    numbers = store.put_artifacts([ours, other])
    (execution,) = store.put_executions([trainer])
    events = [(numbers[0], pb.Event.OUTPUT), (numbers[1], pb.Event.INPUT)]
    store.put_events([pb.Event(execution_id=execution, artifact_id=number, type=kind) for number, kind in events])
    write(workspace, execution)
    alter(workspace, f"model/{execution}/saved_model.pb", "")
    forget(workspace, find_altered(workspace))
    states = {each.uri: each.state for each in store.get_artifacts()}
    assert states == {"a": pb.Artifact.MARKED_FOR_DELETION, "b": pb.Artifact.LIVE}
    assert find_altered(workspace) == []
