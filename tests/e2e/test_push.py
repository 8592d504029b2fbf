"""A run that holds its model back, and the push once somebody has approved it."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.lineage import read_runs
from pipeline.workspace import Workspace

pytestmark = pytest.mark.slow
YAML = (
    "name: sums\nsource: {kind: csv, files: sums.csv}\ntarget: {column: sum, kind: regression}\ntraining: {epochs: 1}\n"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("sums")
    random.seed(4)
    pairs = [(random.random(), random.random()) for _ in range(600)]
    lines = ["a,b,sum", *(f"{a:.5f},{b:.5f},{a + b:.5f}" for a, b in pairs)]
    (made / "sums.csv").write_text("\n".join(lines) + "\n")
    (made / "sums.yaml").write_text(YAML)
    return made


def penstock(folder: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    environment.pop("PENSTOCK_HOME", None)
    command = [sys.executable, "-m", "pipeline.cli", *arguments, "--json"]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=400
    )
    assert done.returncode == code, done.stderr[-2000:]
    return json.loads(done.stdout) if done.stdout else {"error": done.stderr}


def test_a_held_model_is_pushed_later_as_it_was(folder):
    held = penstock(folder, "run", "sums.yaml", "--no-push")
    assert held["blessed"]
    assert held["pushed"] is None
    assert held["withheld"] == "it waits for `penstock push`"
    assert not list((folder / ".penstock/serving/sums").glob("[0-9]*"))
    # what is written since does not count
    (folder / "sums.yaml").write_text(YAML.replace("epochs: 1", "epochs: 2"))
    pushed = penstock(folder, "push", "sums.yaml", held["run_id"])
    assert (pushed["run_id"], pushed["fresh"]) == (held["run_id"], True)
    manifest = json.loads(Path(pushed["path"], "assets.extra/manifest.json").read_text())
    assert manifest["lineage"]["problem"]["training"]["epochs"] == 1
    assert manifest["lineage"]["rows"] == held["rows"]
    extras = {path.name for path in Path(pushed["path"], "assets.extra").iterdir()}
    assert {"tf_serving_warmup_requests", "model_card.md", "environment.txt", "schema.pbtxt"} <= extras
    assert penstock(folder, "models", "verify", "--model", "sums") == []
    # ML Metadata tells of it as of any other push
    told = read_runs(Workspace(folder / ".penstock", "sums"), 1)[0].output("PushedModel").custom_properties
    assert told["pushed_version"].string_value == str(pushed["version"])
    (folder / "sums.yaml").write_text(YAML)
    assert penstock(folder, "push", "sums.yaml")["fresh"] is False
    again = penstock(folder, "run", "sums.yaml")
    assert (again["pushed"]["version"], again["pushed"]["fresh"]) == (pushed["version"], False)


def test_an_altered_model_is_not_pushed(folder):
    (folder / "sums.yaml").write_text(YAML.replace("epochs: 1", "epochs: 3"))
    held = penstock(folder, "run", "sums.yaml", "--no-push")
    (model,) = (folder / ".penstock/sums/artifacts/Trainer/model").glob(
        f"{newest(folder)}/Format-Serving/saved_model.pb"
    )
    model.write_bytes(model.read_bytes() + b"\0")
    told = penstock(folder, "push", "sums.yaml", held["run_id"], code=2)
    assert "its Model" in told["error"]
    assert "`penstock run` makes it anew" in told["error"]


def newest(folder: Path) -> int:
    return max(int(path.name) for path in (folder / ".penstock/sums/artifacts/Trainer/model").iterdir())
