"""A workspace that cannot be written is refused before any work."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import InputError, RunError, name_full_disk
from pipeline.workspace import Workspace, require_writable


def test_a_sound_workspace_passes_and_nothing_but_folders_is_made(tmp_path):
    require_writable(Workspace(tmp_path / "home", "sales"))
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
        "home",
        "home/sales",
        "home/serving",
        "home/serving/sales",
    ]


def test_a_place_that_cannot_be_made_is_named_with_the_free_space(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/home/sales: can't be written: Not a directory; [\d,]+ bytes are free"):
        require_writable(Workspace(tmp_path / "file" / "home", "sales"))


@pytest.mark.parametrize("reason", [errno.EROFS, errno.ENOSPC, errno.EACCES])
def test_what_the_disk_refuses_is_told(tmp_path, monkeypatch, reason):
    def refuse(**_):
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr("pipeline.workspace.tempfile.TemporaryFile", refuse)
    with pytest.raises(InputError, match=os.strerror(reason)):
        require_writable(Workspace(tmp_path, "sales"))


def test_metadata_that_is_read_only_is_named(tmp_path, monkeypatch):
    workspace = Workspace(tmp_path, "sales")
    require_writable(workspace)
    workspace.metadata.touch()
    require_writable(workspace)
    # permissions do not hold for root, who may run the tests
    monkeypatch.setattr(os, "access", lambda path, mode: path != workspace.metadata)
    with pytest.raises(InputError, match=r"metadata\.sqlite: can't be written: it is read-only"):
        require_writable(workspace)


@pytest.mark.parametrize("link", ["sales", "serving/sales", "serving"])
@pytest.mark.parametrize("target", ["elsewhere", "home/other", "home/serving/other"])
def test_a_folder_that_leads_elsewhere_is_refused(tmp_path, link, target):
    (tmp_path / "home/serving").mkdir(parents=True)
    if link == "serving":
        (tmp_path / "home/serving").rmdir()
        target = "elsewhere"
    (tmp_path / target).mkdir(parents=True)
    (tmp_path / "home" / link).symlink_to(tmp_path / target)
    with pytest.raises(InputError, match=f"expected a folder of its own, received a link to {tmp_path}/{target}"):
        require_writable(Workspace(tmp_path / "home", "sales"))
    assert list((tmp_path / target).iterdir()) == []


def test_a_home_that_is_a_link_is_one_place_for_all(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "disk")
    require_writable(Workspace(tmp_path / "home", "sales"))
    assert (tmp_path / "disk/serving/sales").is_dir()


ON_TMPFS = "mount -t tmpfs -o {options} none {folder} && PENSTOCK_HOME={folder} {command}"


def on_tmpfs(folder: Path, options: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run penstock with its workspace on a file system of its own, which only this process sees."""
    command = f"{sys.executable} -m pipeline.cli {' '.join(map(str, arguments))}"
    script = ON_TMPFS.format(options=options, folder=folder, command=command)
    return subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False)


def has_namespaces() -> bool:
    """Whether this user may mount something, as in a namespace of its own."""
    if not shutil.which("unshare"):
        return False
    probe = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


needs_namespaces = pytest.mark.skipif(not has_namespaces(), reason="mounting needs a user namespace of one's own")


@pytest.fixture
def problem(tmp_path) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "sales.csv").write_text("sold,price\n" + "".join(f"{row % 2},{row}.5\n" for row in range(20_000)))
    (tmp_path / "sales.yaml").write_text(
        "name: sales\nsource: {kind: csv, files: sales.csv}\ntarget: {column: sold, kind: binary}\n"
    )
    return tmp_path / "sales.yaml"


@needs_namespaces
def test_a_read_only_file_system_stops_a_run_before_it_reads_anything(problem):
    (problem.parent / "sales.csv").unlink()
    done = on_tmpfs(problem.parent / "home", "ro", "run", problem)
    assert (done.returncode, done.stdout) == (2, "")
    assert "home/sales: can't be written: Read-only file system; " in done.stderr


@needs_namespaces
def test_a_disk_that_gets_full_while_rows_are_read_is_told(problem):
    done = on_tmpfs(problem.parent / "home", "size=32k", "run", problem)
    assert done.returncode == 1
    assert f"{problem.parent}/home: the disk is full, " in done.stderr
    assert " bytes are free" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RunError("x: database or disk is full")])
def test_a_full_disk_is_named_whoever_says_it(tmp_path, error):
    with pytest.raises(RunError, match=r"the disk is full, [\d,]+ bytes are free\n"), name_full_disk(tmp_path):
        raise error


def test_other_errors_stay_as_they_are(tmp_path):
    with pytest.raises(InputError, match="^no such file$"), name_full_disk(tmp_path):
        raise InputError("no such file")
