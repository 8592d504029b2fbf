"""ML Metadata's file damaged, emptied, gone, locked: what `penstock run` says before it does anything."""

import os
import subprocess
import sys
import time
from pathlib import Path
from threading import Timer

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import InputError, RunError
from pipeline.lineage import read_runs
from pipeline.metadata.file import backup_of, keep_copy, look, require_good, restore
from pipeline.metadata.holder import find_holder, watch_holder

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who holds a lock")


def refuse(workspace, **arguments) -> str:
    with pytest.raises((InputError, RunError)) as refused:
        require_good(workspace, lambda _: None, **arguments)
    return str(refused.value)


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def scramble(content: bytes) -> bytes:
    return content[:8192] + os.urandom(40960) + content[49152:]


@pytest.mark.parametrize("damage", [truncate, scramble, lambda content: os.urandom(len(content))])
def test_a_damaged_file_is_refused_and_stays_as_it_is(workspace, damage):
    keep_copy(workspace)
    damaged = damage(workspace.metadata.read_bytes())
    workspace.metadata.write_bytes(damaged)
    message = refuse(workspace)
    assert message.startswith(f"{workspace.metadata}: expected ML Metadata's SQLite file, received a damaged one: ")
    assert f"--restore-metadata` goes back to {backup_of(workspace.metadata)} of 20" in message
    assert workspace.metadata.read_bytes() == damaged


@pytest.mark.parametrize("emptied", [lambda file: file.write_bytes(b""), Path.unlink])
@pytest.mark.parametrize("kept", [True, False])
def test_a_file_without_its_runs_is_never_made_anew(workspace, emptied, kept):
    if kept:
        keep_copy(workspace)
    emptied(workspace.metadata)
    message = refuse(workspace)
    assert f"expected the runs that {workspace.artifacts}" in message
    assert ("--restore-metadata" in message) == kept
    assert not workspace.metadata.exists() or workspace.metadata.stat().st_size == 0


def test_a_copy_without_artifacts_tells_of_runs_as_well(workspace):
    keep_copy(workspace)
    workspace.metadata.unlink()
    (workspace.artifacts / "ExampleGen" / "examples" / "1").rmdir()
    (workspace.artifacts / "ExampleGen" / "examples").rmdir()
    assert f"{backup_of(workspace.metadata)} tell" in refuse(workspace)


def test_a_good_file_and_a_first_run_pass(workspace, tmp_path):
    told: list[str] = []
    require_good(workspace, told.append)
    require_good(workspace._replace(home=tmp_path / "other"), told.append)
    assert told == []
    assert not (tmp_path / "other" / "sales" / "metadata.sqlite").exists()


def test_the_copy_goes_back_and_the_damaged_file_stays_beside_it(workspace):
    keep_copy(workspace)
    damaged = truncate(workspace.metadata.read_bytes())
    workspace.metadata.write_bytes(damaged)
    journal = workspace.metadata.with_name("metadata.sqlite-journal")
    journal.write_bytes(b"of the damaged file")
    aside = restore(workspace)
    assert aside.read_bytes() == damaged
    assert not journal.exists()
    require_good(workspace, lambda _: None)
    assert [run.run_id for run in read_runs(workspace, 5)] == ["r1"]


def test_without_a_copy_there_is_nothing_to_go_back_to(workspace):
    with pytest.raises(InputError, match="expected a copy to go back to, received none"):
        restore(workspace)


def test_a_damaged_file_takes_no_good_copys_place(workspace):
    keep_copy(workspace)
    good = backup_of(workspace.metadata).read_bytes()
    workspace.metadata.write_bytes(scramble(workspace.metadata.read_bytes()))
    keep_copy(workspace)
    assert backup_of(workspace.metadata).read_bytes() == good
    assert sorted(path.name for path in workspace.folder.glob("metadata*")) == [
        "metadata.sqlite",
        "metadata.sqlite.backup",
    ]


@pytest.mark.parametrize(("version", "advice"), [(9, "--upgrade-metadata"), (99, "install the ml-metadata")])
def test_another_schema_version_is_named(workspace, downgrade, version, advice):
    if version == 9:
        downgrade(workspace.metadata, version)
    else:
        subprocess.run(
            [
                sys.executable,
                "-c",
                "import sqlite3, sys; database = sqlite3.connect(sys.argv[1]);"
                "database.execute('UPDATE MLMDEnv SET schema_version = 99'); database.commit()",
                workspace.metadata,
            ],
            check=True,
        )
    message = refuse(workspace)
    assert f"{workspace.metadata}: expected schema version 10 of ML Metadata, received {version}: " in message
    assert advice in message


@linux
def test_a_locked_file_is_waited_for_with_a_message(workspace, holding):
    told: list[str] = []
    with holding(workspace.metadata) as holder:
        assert find_holder(workspace.metadata) == holder.pid
        Timer(1, holder.stdin.close).start()
        require_good(workspace, told.append)
        assert holder.wait() == 0
    (message,) = told
    assert message.startswith(f"waiting for metadata.sqlite, held by process {holder.pid} (")
    assert find_holder(workspace.metadata) is None


def test_a_file_that_stays_locked_ends_it(workspace, holding):
    with holding(workspace.metadata):
        message = refuse(workspace, timeout_s=0.5)
    assert message.startswith(f"{workspace.metadata}: locked for ")
    assert look(workspace.metadata).locked is False


def test_run_refuses_a_damaged_file_before_any_work(workspace, tmp_path, monkeypatch):
    monkeypatch.setenv("PENSTOCK_HOME", str(workspace.home))
    problem = "name: sales\nsource: {kind: csv, files: sales.csv}\ntarget: {column: sold, kind: binary}\n"
    (tmp_path / "sales.yaml").write_text(problem)
    workspace.metadata.write_bytes(truncate(workspace.metadata.read_bytes()))
    done = CliRunner().invoke(app, ["run", str(tmp_path / "sales.yaml")])
    # sales.csv is missing: it would be the next to be refused
    assert isinstance(done.exception, InputError)
    assert "received a damaged one" in str(done.exception)


@linux
def test_a_lock_in_the_middle_of_a_run_is_told_of_once(workspace, holding, tmp_path):
    told = tmp_path / "told"
    with (
        told.open("w") as stream,
        holding(workspace.metadata) as holder,
        watch_holder(workspace.metadata, stream, look_s=0.05),
    ):
        while not told.read_text():
            time.sleep(0.05)
        time.sleep(0.5)
    assert told.read_text().startswith(f"waiting for metadata.sqlite, held by process {holder.pid} (")
    assert told.read_text().count("\n") == 1
