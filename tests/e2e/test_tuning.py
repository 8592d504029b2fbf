"""A search for hyperparameters: killed, gone on with, used by the run after it."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
TRIALS = 5
YAML = f"""\
name: sales
source: {{kind: csv, files: sales.csv}}
target: {{column: sold, kind: binary}}
model: {{family: mlp, layers: [8]}}
training: {{batch_size: 32, epochs: 2}}
tuning: {{search: random, trials: {TRIALS}, objective: auc, space: {{layers: [[8], [16]], dropout: null}}}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("user")
    random.seed(1)
    lines = ["sold,price,shop"]
    for _ in range(2000):
        price, shop = random.gauss(10, 3), random.choice("abc")
        lines.append(f"{int(random.gauss(price, 2) > 10 + (shop == 'a'))},{price:.3f},{shop}")
    (made / "sales.csv").write_text("\n".join(lines) + "\n")
    (made / "sales.yaml").write_text(YAML)
    return made


def start(folder, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "pipeline.cli", *arguments, "sales.yaml", "--json"]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-2000:]
    return json.loads(out)


def finished_trials(folder):
    files = (folder / ".penstock/sales/tuning").glob("*/trial_*/trial.json")
    return [file for file in files if json.loads(file.read_text())["status"] == "COMPLETED"]


def test_a_search_that_was_killed_goes_on_and_the_run_takes_its_best(folder):
    with start(folder, "tune") as process:
        until = time.monotonic() + 200
        while len(finished_trials(folder)) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    before = {file: file.read_bytes() for file in finished_trials(folder)}
    assert 2 <= len(before) < TRIALS
    found = finish(start(folder, "tune"))
    assert sorted(trial["number"] for trial in found["trials"]) == list(range(TRIALS))
    assert all(file.read_bytes() == content for file, content in before.items())
    scores = [trial["score"] for trial in found["trials"]]
    assert scores == sorted(scores, reverse=True)
    assert found["best"] == found["trials"][0]["values"]
    assert Path(found["page"]).read_text("utf-8").count("<title>trial ") == TRIALS * (1 + len(found["best"]))
    # what the YAML says is the first trial, so no search ends below it
    (written,) = [trial for trial in found["trials"] if trial["number"] == 0]
    assert (written["values"]["layers"], written["values"]["learning_rate"]) == ([8], 0.003)
    ran = finish(start(folder, "run"))
    version = Path(ran["pushed"]["path"])
    spec = json.loads((version / "assets.extra/spec.json").read_text())
    assert spec["model"]["layers"] == found["best"]["layers"]
    assert spec["training"]["learning_rate"] == found["best"]["learning_rate"]
    assert "Tuner" not in {component["id"] for component in ran["components"]}
