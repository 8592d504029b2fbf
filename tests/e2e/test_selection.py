"""Features that tell nothing are left out: in the model, the summary, ML Metadata and the report."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
YAML = """\
name: sales
source: {kind: csv, files: sales.csv}
target: {column: sold, kind: binary}
feature_selection: {min_bits: 0.05}
model: {family: mlp, layers: [8]}
training: {batch_size: 64, epochs: 1}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("user")
    random.seed(1)
    lines = ["sold,price,noise,shop"]
    for _ in range(2000):
        price, noise, shop = random.gauss(10, 3), random.random(), random.choice("abc")
        lines.append(f"{int(random.gauss(price, 2) > 10)},{price:.3f},{noise:.3f},{shop}")
    (made / "sales.csv").write_text("\n".join(lines) + "\n")
    (made / "sales.yaml").write_text(YAML)
    return made


def run(folder, *options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "pipeline.cli", "run", "sales.yaml", *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def test_a_run_keeps_what_tells_of_the_label(folder):
    first = run(folder, "--json", "--ask", "2")
    assert first.returncode == 0, first.stderr[-2000:]
    found = json.loads(first.stdout)
    assert len(found["asked"]["answers"]) == 2
    ranked = {each["name"]: each["kept"] for each in found["ranking"]["features"]}
    assert ranked == {"price": True, "noise": False, "shop": False}
    assert found["features"] == 1
    spec = json.loads((Path(found["pushed"]["path"]) / "assets.extra/spec.json").read_text())
    assert list(spec["inputs"]["features"]) == ["price"]
    (artifact,) = (folder / ".penstock/sales/artifacts/FeatureRanking").glob("**/ranking.json")
    assert json.loads(artifact.read_text()) == found["ranking"]
    (page,) = (folder / ".penstock/sales/reports").glob("*.html")
    assert "Features by what they tell of the label" in page.read_text("utf-8")

    (kept,) = (folder / ".penstock/sales/rankings").iterdir()
    measured = kept.stat().st_mtime_ns
    again = run(folder)
    assert again.returncode == 0, again.stderr[-2000:]
    assert "1 of 3; these tell less of the label:" in again.stdout
    assert kept.stat().st_mtime_ns == measured
    assert [line.split()[-1] for line in again.stderr.splitlines() if "Trainer" in line] == ["cached"]

    (folder / "sales.yaml").write_text(YAML.replace("0.05", "0.99"))
    refused = run(folder)
    assert refused.returncode == 2
    assert "sales.yaml:4: feature_selection: no feature is left: 'price' tells most of the label" in refused.stderr
