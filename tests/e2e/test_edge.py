"""A model for devices: from a table to a file that LiteRT's interpreter runs, in a process that knows nothing of us."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

PROBLEM = """
name: birds
source: {kind: csv, files: birds.csv}
target: {column: species, kind: multiclass}
features:
  mass: {kind: numeric, scale: log}
  wing: {kind: bucketized, buckets: 5}
  year: numeric
  island: {kind: categorical, min_count: 2}
model: {family: mlp, layers: [64, 32]}
training: {epochs: 2}
push: {edge: {%s}}
"""
ROWS: dict[str, list[Any]] = {
    "mass": [3700.5, 5200.0, None],
    "wing": [190.0, None, 220.0],
    "year": [2007, 2009, None],
    "island": ["Biscoe", "Nowhere", None],
}
CHILD = """
import json, sys
import numpy as np, tensorflow as tf
columns = json.load(sys.stdin)
run = tf.lite.Interpreter(model_path=sys.argv[1]).get_signature_runner()
answers = run(**{name: np.array([each.encode() for each in values], object) if name == "island"
                 else np.array(values, "float32") for name, values in columns.items()})
print(json.dumps({"probabilities": answers["probabilities"].tolist(), "label": [x.decode() for x in answers["label"]],
                  "ours": sorted({"models", "pipeline", "serving", "schemas"} & set(sys.modules))}))
"""


def write_birds(folder: Path) -> None:
    chance = random.Random(0)
    lines = ["species,mass,wing,year,island"]
    for index in range(3000):
        species, mass, wing = (("Adelie", 3700, 190), ("Gentoo", 5000, 217), ("Chinstrap", 3700, 196))[index % 3]
        island = "" if chance.random() < 0.05 else chance.choice(["Biscoe", "Dream"])
        mass_g = "" if chance.random() < 0.05 else f"{chance.gauss(mass, 300):.1f}"
        lines.append(f"{species},{mass_g},{chance.gauss(wing, 6):.1f},{chance.randint(2007, 2009)},{island}")
    (folder / "birds.csv").write_text("\n".join(lines) + "\n")


def penstock(folder: Path, edge: str, code: int = 0) -> dict[str, Any]:
    """Run the problem with these settings and return the run's result."""
    (folder / "birds.yaml").write_text(PROBLEM % edge)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PENSTOCK_HOME": str(folder / "home")}
    command = [sys.executable, "-m", "pipeline.cli", "run", "birds.yaml", "--json"]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == code, done.stderr[-3000:] + done.stdout[-1000:]
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def states(result: dict[str, Any]) -> dict[str, str]:
    return {each["id"]: each["state"] for each in result["components"]}


def test_a_file_for_devices_is_pushed_and_answers(tmp_path: Path) -> None:
    write_birds(tmp_path)
    first = penstock(tmp_path, "")
    assert first["infra"]["edge"]["difference"] < 1e-5
    assert first["infra"]["edge"]["value"] == first["infra"]["edge"]["served_value"]
    version = Path(first["pushed"]["path"])
    assert json.loads((version / "assets.extra" / "manifest.json").read_text())["edge"] == first["infra"]["edge"]
    assert_alike(version)

    second = penstock(tmp_path, "quantize: int8")
    assert (states(second)["Trainer"], states(second)["InfraValidator"]) == ("cached", "complete")
    assert second["pushed"]["fresh"]
    sizes = [each["infra"]["edge"]["size_bytes"] for each in (first, second)]
    assert sizes[1] < sizes[0]

    refused = penstock(tmp_path, "quantize: int8, max_difference: 1.0e-9", 3)
    assert [each.split(" it answers")[0] for each in refused["refusals"]] == ["edge: quantized as int8"]
    assert refused["pushed"] is None


def assert_alike(version: Path) -> None:
    """The file answers as the SavedModel does, to missing and unseen values too."""
    import numpy as np

    from serving.server.model import load

    nothing = {"island": ""}
    columns = {
        name: [nothing.get(name, float("nan")) if value is None else value for value in values]
        for name, values in ROWS.items()
    }
    child = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", CHILD, str(version / "assets.extra" / "model.tflite")],
        input=json.dumps(columns),
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    found = json.loads(child.stdout)
    served = load(1, version)
    kinds = {"float": "float32", "double": "float64", "string": object}
    feeds = {
        name: np.array([each.encode() if isinstance(each, str) else each for each in columns[name]], kinds[spec.dtype])
        for name, spec in served.signatures["serving_default"].inputs.items()
    }
    expected = served.run("serving_default", feeds)
    np.testing.assert_allclose(found["probabilities"], expected["probabilities"], atol=1e-5)
    assert found["label"] == [each.decode() for each in expected["label"]]
    assert found["ours"] == []
