"""A run with a cross-validation: its numbers, what it leaves, and that it is not made anew without need."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.slow

YAML = """\
name: birds
source: {kind: csv, files: birds.csv}
split: {by: group, column: nest}
target: {column: species, kind: multiclass, calibration: temperature}
training: {epochs: 4, early_stopping: {patience: 2}}
evaluation: {folds: 3}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with 900 birds of three species in 90 nests; the heavier, the later their species."""
    made = tmp_path_factory.mktemp("birds")
    random.seed(4)
    lines = ["species,mass,nest"]
    for index in range(900):
        species = random.randrange(3)
        lines.append(f"{'abc'[species]},{random.gauss(10 * species, 6):.5f},nest {index // 10}")
    (made / "birds.csv").write_text("\n".join(lines) + "\n")
    return made


def run(folder: Path, text: str = YAML) -> dict[str, Any]:
    (folder / "birds.yaml").write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "pipeline.cli", "run", "birds.yaml", "--json"]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=400
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_a_run_tells_how_far_its_metrics_can_be_trusted(folder):
    result = run(folder)
    folds = result["folds"]
    assert list(folds["metrics"]) == ["class_accuracy", "macro_f1", "class_log_loss"]
    assert sum(folds["judged"]) == result["rows"]["train"] + result["rows"]["eval"]
    accuracy = folds["metrics"]["class_accuracy"]
    assert 0.5 < accuracy["mean"] < 0.95
    assert accuracy["mean"] == pytest.approx(np.mean(accuracy["values"]))
    assert accuracy["deviation"] == pytest.approx(np.std(accuracy["values"], ddof=1))
    (file,) = (folder / ".penstock/birds/artifacts/CrossValidation").rglob("predictions.parquet")
    rows = pq.read_table(file).to_pandas()
    for fold, given in enumerate(zip(accuracy["values"], folds["metrics"]["class_log_loss"]["values"], strict=True)):
        part = rows[rows["fold"] == str(fold)]
        labels, predictions = part["__label"].to_numpy(), np.stack(part["candidate"].to_numpy()).astype("float64")
        own = predictions[np.arange(len(part)), labels]
        assert given == pytest.approx((np.mean(predictions.argmax(axis=1) == labels), -np.log(own).mean()), abs=1e-6)
    (page,) = (folder / ".penstock/birds/reports").glob("*.html")
    assert "Cross-validation" in page.read_text()


def test_what_is_pushed_is_none_of_its_business(folder):
    before = run(folder)
    after = run(folder, YAML + "push: {keep: 2}\n")
    assert {each["id"]: each["state"] for each in after["components"]}["CrossValidation"] == "cached"
    assert after["folds"] == before["folds"]
    without = run(folder, YAML.replace("{folds: 3}", "{}"))
    assert without["folds"] is None
    assert without["pushed"]["version"] == before["pushed"]["version"]
