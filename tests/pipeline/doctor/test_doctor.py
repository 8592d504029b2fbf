"""Each check with a machine or workspace that is not in order."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.doctor import machine, packages
from pipeline.doctor.records import examine_records
from pipeline.workspace import Workspace

TABLE = "name: sales\nsource: {kind: csv, files: sales.csv}\ntarget: {column: sold, kind: binary}\n"


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Workspace:
    monkeypatch.delenv("PENSTOCK_METADATA", raising=False)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    (tmp_path / "sales.yaml").write_text(TABLE)
    return Workspace(tmp_path / "home", "sales")


def test_a_machine_is_examined_without_tensorflow(tmp_path):
    code = (
        "import sys; from pathlib import Path; from pipeline.doctor.machine import examine_machine;"
        "from pipeline.doctor.packages import examine_packages; from pipeline.doctor.records import examine_records;"
        "from pipeline.workspace import Workspace; home = Path(sys.argv[1]);"
        "print([each.check for each in [*examine_machine(home), *examine_packages(),"
        " *examine_records(Workspace(home, 'sales'))]]);"
        "print([name for name in ('tensorflow', 'tfx', 'tensorflow_data_validation') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    checks, imported = done.stdout.splitlines()
    assert imported == "[]"
    wanted = ["Python", "bytecode", "C library", "memory", "disk", "port 8500", "port 8501", "GPU", "packages"]
    assert [each for each in wanted if f"'{each}'" not in checks] == []


def test_a_variable_that_keeps_python_from_compiling(workspace, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (found,) = [each for each in machine.examine_machine(workspace.home) if each.check == "bytecode"]
    assert (found.level, found.advice) == ("warning", "unset PYTHONDONTWRITEBYTECODE")


def test_an_extension_that_does_not_load(workspace, monkeypatch, tmp_path):
    (tmp_path / "broken.so").write_bytes(b"no library")
    monkeypatch.setattr(machine, "EXTENSIONS", {"ml-metadata": str(tmp_path / "broken.so")})
    (found,) = [each for each in machine.examine_machine(workspace.home) if each.check == "C library"]
    assert found.level == "error"
    assert "broken.so" in found.says
    assert "old_glibc.py" in found.advice


@pytest.mark.parametrize(("free", "level"), [(99, "error"), (100, "warning"), (199, "warning"), (200, "ok")])
def test_what_is_free_is_graded(free, level):
    assert machine.grade(free, (100, 200)) == level


class Usage(NamedTuple):
    total: int
    free: int


def test_a_full_disk_is_named(workspace, monkeypatch, tmp_path):
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: Usage(10 * machine.GIBIBYTE, 1000))
    (found,) = [each for each in machine.examine_machine(workspace.home) if each.check == "disk"]
    assert found.level == "error"
    assert found.says == f"0.0 of 10.0 GiB are free at {tmp_path}"


def test_a_port_in_use(workspace, monkeypatch):
    class Taken(socket.socket):
        def bind(self, address):
            raise OSError(98, "Address already in use")

    monkeypatch.setattr(machine.socket, "socket", Taken)
    found = {each.check: each for each in machine.examine_machine(workspace.home)}
    assert (found["port 8501"].level, found["port 8501"].says) == ("warning", "REST: Address already in use")


def test_a_package_that_is_not_what_another_requires(monkeypatch):
    required = {"penstock": ["duckdb>=99", "orjson>=3", "nothere>1; extra == 'dev'"], "tfx": ["nothere<2"]}
    monkeypatch.setattr(packages, "requires", lambda name: required.get(name))
    errors = [each.says for each in packages.examine_packages() if each.level == "error"]
    assert len(errors) == 2
    assert errors[0].startswith("penstock requires duckdb>=99, received ")
    assert errors[1] == "tfx requires nothere<2, received none"


def test_a_damaged_metadata_file_and_an_altered_version(workspace):
    workspace.folder.mkdir(parents=True)
    workspace.metadata.write_bytes(b"no database" * 1000)
    (workspace.serving / "3").mkdir(parents=True)
    found = {each.check: each for each in examine_records(workspace)}
    assert found["metadata"].level == "error"
    assert "received a damaged one: file is not a database" in found["metadata"].says
    assert found["serving"].level == "error"
    assert found["serving"].says.startswith("3")


@pytest.mark.parametrize("damaged", [False, True])
def test_the_exit_code_tells_of_errors_and_not_of_warnings(workspace, tmp_path, monkeypatch, damaged):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    workspace.folder.mkdir(parents=True)
    if damaged:
        workspace.metadata.write_bytes(b"no database" * 1000)
    done = CliRunner().invoke(app, ["doctor", str(tmp_path / "sales.yaml"), "--json"])
    levels = {each["check"]: each["level"] for each in json.loads(done.stdout)}
    assert levels["bytecode"] == "warning"
    assert (done.exit_code, levels["metadata"]) == ((1, "error") if damaged else (0, "ok"))


def test_the_screen_has_a_line_a_check_and_what_to_do(workspace, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    shown = CliRunner().invoke(app, ["doctor"]).output
    assert "! bytecode" in shown
    assert "→ unset PYTHONDONTWRITEBYTECODE" in shown
    assert "errors 0, warnings" in shown


def test_metadata_is_mended_only_for_a_problem(workspace, tmp_path):
    failed = CliRunner().invoke(app, ["doctor", "--upgrade-metadata"])
    assert "expected the problem whose metadata is meant" in str(failed.exception)
    workspace.folder.mkdir(parents=True)
    failed = CliRunner().invoke(app, ["doctor", str(tmp_path / "sales.yaml"), "--restore-metadata"])
    assert str(failed.exception) == f"{Path(workspace.metadata)}: expected a copy to go back to, received none"
