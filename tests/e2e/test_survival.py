"""Runs that are killed, canceled, whose disk gets full or whose artifacts are altered."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.journal import read_events
from pipeline.lineage import read_runs
from pipeline.workspace import Workspace

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
BENCHMARK = ROOT / "benchmarks" / "run_kills.py"
YAML = """\
name: sales
source: {kind: csv, files: sales.csv}
target: {column: sold, kind: binary}
model: {family: mlp, layers: [8]}
training: {batch_size: 64, epochs: 1}
"""
NOTHING_WRONG = {"unknown": 0, "lost": 0, "duplicates": 0, "faults": 0, "open": 0, "partial": 0, "run_again": 0}


def count_faults(*options: str) -> dict[str, Any]:
    command = [sys.executable, str(BENCHMARK), "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    assert {name: found[name] for name in NOTHING_WRONG} == NOTHING_WRONG
    return found


def test_runs_killed_at_any_moment_lose_and_repeat_nothing():
    assert count_faults("--kills", "5")["killed"] == 5


def test_a_run_killed_at_each_point_of_each_component_ends_as_one_that_was_not():
    found = count_faults("--points")
    assert (found["killed"], found["missed"]) == (30, [])
    assert found["same_metrics"]
    assert found["same_rows"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("user")
    random.seed(1)
    lines = ["sold,price,shop"]
    for _ in range(600):
        price = random.gauss(10, 3)
        lines.append(f"{int(random.gauss(price, 2) > 10)},{price:.3f},{random.choice('abc')}")
    (made / "sales.csv").write_text("\n".join(lines) + "\n")
    (made / "sales.yaml").write_text(YAML)
    return made


@pytest.fixture(scope="module")
def workspace(folder) -> Workspace:
    return Workspace(folder / ".penstock", "sales")


def start(folder: Path) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "pipeline.cli", "run", "sales.yaml", "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes)


def finish(folder: Path) -> tuple[dict[str, str], str]:
    """Run to the end; return the components' states and what was written to standard error."""
    out, err = (process := start(folder)).communicate(timeout=300)
    assert process.returncode == 0, err[-2000:]
    return {each["id"]: each["state"] for each in json.loads(out)["components"]}, err


def partial_outputs(workspace: Workspace) -> list[Path]:
    """Outputs of executions that are not complete."""
    runs = read_runs(workspace, 20)
    states = {artifact.uri: each.state for run in runs for each in run.executions for artifact in each.outputs.values()}
    folders = [path for path in workspace.artifacts.glob("[!.]*/[!.]*/*") if path.is_dir()]
    return [path for path in folders if states.get(str(path)) not in {"complete", "cached"}]


@pytest.mark.parametrize(
    ("component", "number", "code"), [("Trainer", signal.SIGINT, 130), ("InfraValidator", signal.SIGTERM, 143)]
)
def test_a_canceled_run_leaves_nothing_behind(folder, workspace, component, number, code):
    process = start(folder)
    deadline = time.monotonic() + 120
    while component not in {event.component for event in read_events(workspace.journal)}:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.7)  # its server, or its network, is there now
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("ascii").split()
    commands = [Path(f"/proc/{child}/cmdline").read_bytes() for child in children]
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert any(b"serve" in command.split(b"\0") for command in commands) == (component == "InfraValidator")
    assert process.returncode == code, err
    assert f"canceled by {number.name} in {component}" in err
    broken = read_runs(workspace, 1)[0].broken
    assert (broken.component, broken.state) == (component, "canceled")
    assert partial_outputs(workspace) == []
    assert [child for child in children if Path(f"/proc/{child}").exists()] == []


KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.infra.server import start_server
with start_server(Path(sys.argv[1]), "sales") as server:
    print(server.process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can bind a process to another one")
def test_the_server_of_a_killed_run_ends_with_it(tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=False, timeout=60)
    server, deadline = Path(f"/proc/{int(done.stdout)}/stat"), time.monotonic() + 20
    while server.exists() and " Z " not in server.read_text("ascii"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert done.returncode == -signal.SIGKILL


def test_an_altered_artifact_is_made_again(folder, workspace):
    finish(folder)
    states, err = finish(folder)
    assert states["Trainer"] == states["Evaluator"] == "cached"
    (weights,) = workspace.artifacts.glob("Trainer/model/*/Format-Serving/variables/variables.data*")
    weights.write_bytes(b"")
    states, err = finish(folder)
    assert f"{weights}: not what Trainer wrote; Trainer runs again" in err
    assert (states["Transform"], states["Trainer"]) == ("cached", "complete")
    states, err = finish(folder)
    assert states["Trainer"] == "cached"
    assert "not what" not in err
