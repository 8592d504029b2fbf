"""The metadata of an older ml-metadata, made by ml-metadata's own downgrade."""

import pytest

from pipeline.errors import InputError, RunError
from pipeline.lineage import read_runs
from pipeline.metadata import upgrade as module
from pipeline.metadata.file import look
from pipeline.metadata.upgrade import upgrade


@pytest.mark.parametrize("version", [9, 7])
def test_an_older_schema_is_upgraded_and_kept_beside(workspace, downgrade, version):
    downgrade(workspace.metadata, version)
    before = look(workspace.metadata)
    done = upgrade(workspace)
    assert (done.before, done.after) == (version, 10)
    assert done.backup is not None
    assert done.backup.name.endswith(f".schema{version}")
    assert look(done.backup) == before
    assert look(workspace.metadata).rows == before.rows == {"Execution": 1, "Artifact": 1, "Context": 3, "Event": 1}
    assert [run.run_id for run in read_runs(workspace, 5)] == ["r1"]


def test_the_newest_schema_is_left_alone(workspace):
    before = workspace.metadata.read_bytes()
    done = upgrade(workspace)
    assert (done.before, done.after, done.backup) == (10, 10, None)
    assert workspace.metadata.read_bytes() == before
    assert [path.name for path in workspace.folder.glob("metadata*")] == ["metadata.sqlite"]


def test_an_upgrade_that_loses_rows_is_undone(workspace, downgrade, monkeypatch):
    downgrade(workspace.metadata, 9)
    before = look(workspace.metadata)

    def lose(workspace) -> None:
        workspace.metadata.write_bytes(b"")

    monkeypatch.setattr(module, "_migrate", lose)
    with pytest.raises(
        RunError, match="expected .*'Execution': 1.* after the upgrade, received .*it is again as it was"
    ):
        upgrade(workspace)
    assert look(workspace.metadata) == before


def test_there_has_to_be_a_file(workspace, monkeypatch):
    workspace.metadata.unlink()
    with pytest.raises(InputError, match="expected ML Metadata's SQLite file, received none"):
        upgrade(workspace)
    monkeypatch.setenv("PENSTOCK_METADATA", "postgresql://db.example/meta")
    with pytest.raises(InputError, match="received a server"):
        upgrade(workspace)
