"""Whole runs, as a user starts them: train, gate, push, serve, ask."""

import json
import math
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A user's folder with a copy of the packages, so that a test may edit a family."""
    made = tmp_path_factory.mktemp("user")
    for package in ("models", "pipeline", "schemas", "serving"):
        shutil.copytree(ROOT / package, made / "code" / package, ignore=shutil.ignore_patterns("__pycache__"))
    return made


@pytest.fixture(scope="module")
def penstock(folder) -> Run:
    """`penstock(...)`: the command line in the user's folder, on the copied code."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "code")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def run(*arguments: object, code: int = 0, text: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pipeline.cli", *map(str, arguments)]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, input=text, timeout=400
        )
        assert done.returncode == code, done.stderr[-2000:] + done.stdout[-500:]
        return done

    return run


def states(result: dict[str, Any]) -> dict[str, str]:
    return {component["id"]: component["state"] for component in result["components"]}


def reasons(result: dict[str, Any]) -> dict[str, str]:
    """The first reason of each component that ran; of those that look something up there is no other."""
    ran = [each for each in result["components"] if each["state"] == "complete"]
    return {each["id"]: each["reason"].split("; ")[0] for each in ran if each["reason"] != "looks it up in each run"}


def write_sales(file: Path, rows: int) -> None:
    """Write a table whose label follows from price, shop and day, with missing values."""
    random.seed(1)
    lines = ["sold,price,shop,weight (kg),day"]
    for _ in range(rows):
        price, shop, day = random.gauss(10, 3), random.choice("abc"), random.randint(1, 28)
        likely = 1 / (1 + math.exp(price - 9 - (shop == "a") - (day > 20)))
        weight = "NA" if random.random() < 0.1 else f"{random.random():.3f}"
        lines.append(f"{int(random.random() < likely)},{price:.3f},{shop},{weight},2024-01-{day:02d}")
    file.write_text("\n".join(lines) + "\n")


SALES = """\
name: sales
source: {kind: csv, files: data/sales.csv}
target: {column: sold, kind: binary}
features:
  price: numeric
  shop: categorical
  weight (kg): {kind: bucketized, buckets: 4}
  day: {kind: datetime, parts: [weekday]}
model: {family: wide_deep, layers: [16]}
training: {batch_size: 64, epochs: 4, learning_rate: 0.01}
evaluation:
  slices: [[shop]]
  gates: {auc: {min: 0.6, not_worse_than_served_by: 0.05}}
"""


@pytest.fixture(scope="module")
def first(folder, penstock) -> dict[str, Any]:
    """The result of the first run of `sales`."""
    (folder / "data").mkdir()
    (folder / "problems").mkdir()
    write_sales(folder / "data/sales.csv", 4000)
    (folder / "problems/sales.yaml").write_text(SALES)
    return json.loads(penstock("run", "problems/sales.yaml", "--json").stdout)


def test_first_run_pushes_a_model_that_learned(first, folder):
    assert set(states(first).values()) == {"complete"}
    assert set(reasons(first).values()) == {"first run"}
    assert sum(first["rows"].values()) == 4000
    assert first["features"] == 4
    assert first["metrics"][0]["values"]["auc"] > 0.7
    assert {entry["slice"].get("shop") for entry in first["metrics"]} == {None, "a", "b", "c"}
    version = Path(first["pushed"]["path"])
    assert version.parent == folder / ".penstock/serving/sales"
    assert (version / "saved_model.pb").is_file()
    assert Path(first["log"]).stat().st_size > 1000
    assert 0 < first["peak_memory_bytes"] < 4e9


def test_a_pushed_version_tells_what_it_was_made_of(first, penstock, folder):
    shown = json.loads(penstock("models", "show", "--json").stdout)
    assert shown["version"] == first["pushed"]["version"]
    lineage = shown["lineage"]
    assert (lineage["rows"], set(lineage["data"])) == (first["rows"], {"train", "eval", "test"})
    assert all(lineage[name] for name in ("run", "source", "schema_digest", "code", "lock"))
    assert lineage["problem"]["training"]["epochs"] == 4
    assert shown["metrics"] == first["metrics"][0]["values"]
    extra = Path(first["pushed"]["path"], "assets.extra")
    assert "| train | " in (extra / "model_card.md").read_text()
    assert "tensorflow==" in (extra / "environment.txt").read_text()
    assert (extra / "tf_serving_warmup_requests").stat().st_size > 100
    assert "feature {" in (extra / "schema.pbtxt").read_text()
    assert "every file is what was pushed" in penstock("models", "verify").stdout


def test_unchanged_run_is_cached_but_for_the_push_check(first, penstock):
    again = json.loads(penstock("run", "problems/sales.yaml", "--json").stdout)
    worked = {name for name, state in states(again).items() if state != "cached"}
    assert worked == {"PreviousData", "PassedData", "Baseline", "Pusher"}
    assert reasons(again) == {"Pusher": "in each run: the check of what is served"}
    assert again["pushed"] == {**first["pushed"], "fresh": False}
    assert again["metrics"] == first["metrics"]


def test_a_score_is_what_the_evaluator_judged(first, penstock, folder):
    done = json.loads(penstock("score", "problems/sales.yaml", "--out", "scores.parquet", "--json").stdout)
    assert (done["rows"], done["version"]) == (4000, first["pushed"]["version"])
    scores = pq.read_table(folder / "scores.parquet")
    assert scores.column_names == ["sold", "price", "shop", "weight (kg)", "day", "probability"]
    (judged,) = (folder / ".penstock/sales/artifacts/Evaluator").glob("evaluation/*/predictions.parquet")
    predictions = [answer for (answer,) in pq.read_table(judged)["candidate"].to_pylist()]
    assert len(predictions) == first["rows"]["test"]
    found = np.sort(scores["probability"].to_numpy())
    places = np.searchsorted(found, predictions).clip(1, len(found) - 1)
    nearest = np.minimum(abs(found[places] - predictions), abs(found[places - 1] - predictions))
    assert nearest.max() < 1e-5


def test_report_of_the_run_is_one_page(first, penstock, folder):
    penstock("report", "problems/sales.yaml", "--out", "page.html")
    page = (folder / "page.html").read_text()
    assert "weight (kg)" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_lineage_knows_what_was_read(first, folder):
    from pipeline.lineage import read_runs
    from pipeline.workspace import Workspace

    (*_, oldest) = read_runs(Workspace(folder / ".penstock", "sales"), 10)
    found = oldest.output("Examples").custom_properties
    assert {f"digest_{split}" for split in ("train", "eval", "test")} <= set(found)
    assert found["content_digest"].string_value


@pytest.fixture(scope="module")
def server(first, folder) -> Iterator[str]:
    """The URL of `penstock serve` on the pushed model."""
    command = [sys.executable, "-m", "pipeline.cli", "serve", "problems/sales.yaml", "--port", "0", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(folder / "code")}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
        process.terminate()
        assert process.wait(30) == 0


ROWS = [
    {"price": 5.25, "shop": "a", "weight (kg)": 0.5, "day": "2024-01-25"},
    {"price": 12.5, "shop": "never seen", "day": "2024-01-02"},
    {"shop": "b"},
]


def test_rest_answers_equal_the_model_in_process(first, server, penstock, folder):
    (folder / "rows.json").write_text(json.dumps(ROWS))
    served = json.loads(penstock("predict", "sales", "rows.json", "--url", server, "--json").stdout)
    local = predict_in_process(Path(first["pushed"]["path"]))
    assert served == pytest.approx(local, abs=1e-5)
    assert served[0] > 0.5 > served[1]


def predict_in_process(version: Path) -> list[float]:
    """Return the answers of the same rows as serialized tf.Examples, in a process without this project."""
    code = (
        "import sys, json, tensorflow as tf\n"
        "def feature(value):\n"
        "    if isinstance(value, str):\n"
        "        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))\n"
        "    return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))\n"
        "rows = json.loads(sys.argv[2])\n"
        "features = lambda row: tf.train.Features(feature={k: feature(v) for k, v in row.items()})\n"
        "make = lambda row: tf.train.Example(features=features(row))\n"
        "model = tf.saved_model.load(sys.argv[1])\n"
        "answer = model.signatures['examples'](tf.constant([make(row).SerializeToString() for row in rows]))\n"
        "print(json.dumps(answer['probability'].numpy().tolist()))\n"
    )
    command = [sys.executable, "-I", "-c", code, str(version), json.dumps(ROWS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    return json.loads(done.stdout.splitlines()[-1])


def test_csv_from_standard_input(server, penstock):
    text = "price,shop,weight (kg),day,note\n5.25,a,0.5,2024-01-25,x\n,b,,,\n"
    answers = json.loads(penstock("predict", "sales", "-", "--url", server, "--json", text=text).stdout)
    assert len(answers) == 2
    assert all(0 < answer < 1 for answer in answers)


NEW_MODEL = "its input model is new (Trainer ran)"
EDITS = {
    "models/families/wide_deep.py": {"Trainer": "", "InfraValidator": NEW_MODEL, "Evaluator": NEW_MODEL},
    "pipeline/formulas/binary.py": {"Evaluator": ""},
    "pipeline/gate/checks/drift.py": {"DataGate": ""},
    "models/families/dcn.py": {},
}
"""Components that an edited file runs again, with their reasons; empty: that the file was changed."""


@pytest.mark.parametrize("file", EDITS)
def test_an_edited_file_runs_what_depends_on_it_and_nothing_else(first, penstock, folder, file):
    with (folder / "code" / file).open("a") as stream:
        stream.write("# edited\n")
    found = reasons(json.loads(penstock("run", "problems/sales.yaml", "--json").stdout))
    pusher = found.pop("Pusher")
    assert found == {name: reason or f"{file} changed" for name, reason in EDITS[file].items()}
    assert ("Evaluator" in pusher) == ("Evaluator" in found)


@pytest.fixture
def failing(first, folder) -> Iterator[Path]:
    """The Trainer's file, with a fault for one test."""
    file = folder / "code/models/train.py"
    sound = file.read_text()
    file.write_text(sound.replace("    spec = ", '    raise ValueError("no power")\n    spec = ', 1))
    assert file.read_text() != sound
    yield file
    file.write_text(sound)


def test_a_component_that_fails_fails_the_run_and_the_next_one_says_so(failing, penstock, folder):
    before = sorted((folder / ".penstock/serving/sales").iterdir())
    done = penstock("run", "problems/sales.yaml", code=1)
    assert "ValueError: no power" in done.stderr
    assert sorted((folder / ".penstock/serving/sales").iterdir()) == before
    told = json.loads(penstock("why", "problems/sales.yaml", "--json").stdout)
    assert (told["state"], told["stopped"]) == ("failed", "Trainer failed: ValueError: no power")
    assert "Transform" in told["reused"]
    assert told["components"][-1] == told["components"][-1] | {"id": "Trainer", "reason": "models/train.py changed"}
    penstock("run", "problems/sales.yaml", code=1)
    again = json.loads(penstock("why", "problems/sales.yaml", "--json").stdout)
    assert again["components"][-1]["reason"] == "its last run failed"


def test_gate_blocks_with_exit_3_and_nothing_is_pushed(first, penstock, folder):
    (folder / "problems/sales.yaml").write_text(SALES.replace("min: 0.6", "min: 0.99"))
    before = sorted((folder / ".penstock/serving/sales").iterdir())
    done = penstock("run", "problems/sales.yaml", "--json", code=3)
    (folder / "problems/sales.yaml").write_text(SALES)
    result = json.loads(done.stdout)
    assert (result["blessed"], result["pushed"]) == (False, None)
    assert "auc is 0." in done.stderr
    assert "the gate asks for at least 0.99" in done.stderr
    assert "0.99" in done.stderr
    assert sorted((folder / ".penstock/serving/sales").iterdir()) == before


def test_the_served_answers_are_those_of_the_network(first):
    assert first["infra"]["refusals"] == []
    assert first["infra"]["p99_ms"] > 0
    differences = first["infra"]["parity"]["differences"]
    assert set(differences) == {"examples", "rest", "grpc"}
    assert max(differences.values()) < 1e-5


def test_budget_blocks_with_exit_3_and_nothing_is_pushed(first, penstock, folder):
    (folder / "problems/sales.yaml").write_text(SALES + "budget: {size_mb: 0.001}\n")
    before = sorted((folder / ".penstock/serving/sales").iterdir())
    done = penstock("run", "problems/sales.yaml", "--json", code=3)
    told = penstock("run", "problems/sales.yaml", code=3).stdout
    (folder / "problems/sales.yaml").write_text(SALES)
    result = json.loads(done.stdout)
    assert (result["blessed"], result["pushed"]) == (False, None)
    assert states(result)["Trainer"] == "cached"
    (refusal,) = result["refusals"]
    assert refusal.startswith("too large: ")
    assert refusal.endswith("MB, budget.size_mb is 0.001")
    assert f"blocked: {refusal}" in done.stderr
    assert "Blocked by a gate: nothing was pushed" in told
    assert sorted((folder / ".penstock/serving/sales").iterdir()) == before


def test_status_lists_runs_and_versions(first, penstock):
    found = json.loads(penstock("status", "problems/sales.yaml", "--json").stdout)
    assert str(first["pushed"]["version"]) in found["versions"]
    assert {component["component"] for component in found["runs"][0]["components"]} >= {"Trainer", "Pusher"}


def test_worse_model_than_the_blessed_one_is_blocked(first, penstock, folder):
    worse = SALES.replace("epochs: 4, learning_rate: 0.01", "epochs: 1, learning_rate: 0.000001").replace(
        "min: 0.6, ", ""
    )
    (folder / "problems/sales.yaml").write_text(worse)
    done = penstock("run", "problems/sales.yaml", "--json", code=3)
    (folder / "problems/sales.yaml").write_text(SALES)
    assert "auc less the served model's is -0." in done.stderr
    assert json.loads(done.stdout)["pushed"] is None


@pytest.fixture
def broken(first, folder) -> Iterator[None]:
    """The table with prices a hundred times as high, for one test."""
    file = folder / "data/sales.csv"
    sound = file.read_text()
    header, *rows = (line.split(",") for line in sound.splitlines())
    lines = [header, *([sold, str(100 * float(price)), *rest] for sold, price, *rest in rows)]
    file.write_text("\n".join(",".join(line) for line in lines) + "\n")
    yield
    file.write_text(sound)


def test_broken_data_block_with_exit_3_until_somebody_accepts_them(broken, penstock, folder):
    before = sorted((folder / ".penstock/serving/sales").iterdir())
    done = penstock("run", "problems/sales.yaml", code=3)
    assert "Blocked by the data gate: nothing was trained, nothing was pushed" in done.stdout
    assert "penstock run problems/sales.yaml --accept drift:price --accept range:price" in done.stdout
    found = json.loads(penstock("status", "problems/sales.yaml", "--json").stdout)["runs"][0]["components"]
    assert [component["component"] for component in found][-2:] == ["DataGate", "PassedData"]
    verdict = json.loads(Path(found[-2]["outputs"]["DataVerdict"], "verdict.json").read_text())
    blocking = [f"{each['check']}:{each['feature']}" for each in verdict["findings"] if each["level"] == "block"]
    assert set(blocking) == {"drift:price", "range:price", "shift:price"}
    assert sorted((folder / ".penstock/serving/sales").iterdir()) == before
    page = (folder / ".penstock/sales/reports" / f"{newest(folder)}.html").read_text()
    assert "drift" in page
    # the same data is the same verdict, at once
    again = json.loads(penstock("run", "problems/sales.yaml", "--json", code=3).stdout)
    assert again["findings"] == verdict["findings"]
    accepts = [part for name in blocking for part in ("--accept", name)]
    accepted = json.loads(penstock("run", "problems/sales.yaml", "--json", *accepts).stdout)
    assert {each["level"] for each in accepted["data_gate"]["findings"]} == {"accepted"}
    assert states(accepted)["Trainer"] == "complete"
    # and is remembered for this data
    assert states(json.loads(penstock("run", "problems/sales.yaml", "--json").stdout))["DataGate"] == "cached"


def newest(folder: Path) -> str:
    """The newest run's id."""
    from pipeline.lineage import read_runs
    from pipeline.workspace import Workspace

    return read_runs(Workspace(folder / ".penstock", "sales"), 1)[0].run_id


def test_a_model_that_was_rolled_back_is_not_pushed_by_the_next_run(first, penstock, folder):
    (folder / "problems/sales.yaml").write_text(SALES.replace("epochs: 4", "epochs: 5"))
    pushed = json.loads(penstock("run", "problems/sales.yaml", "--json").stdout)["pushed"]
    assert pushed["fresh"]
    back = json.loads(penstock("models", "rollback", "--why", "too many calls", "--json").stdout)
    again = json.loads(penstock("run", "problems/sales.yaml", "--json").stdout)
    (folder / "problems/sales.yaml").write_text(SALES)
    assert again["pushed"] is None
    assert "(too many calls); `penstock models rollback " + str(pushed["version"]) in again["withheld"]
    assert json.loads(penstock("models", "live", "--json").stdout)["version"] == back["version"]


def test_a_base_that_was_emptied_is_served_again(first, penstock, folder):
    shutil.rmtree(folder / ".penstock/serving/sales")
    pushed = json.loads(penstock("run", "problems/sales.yaml", "--json").stdout)["pushed"]
    assert pushed["fresh"]
    assert Path(pushed["path"], "saved_model.pb").is_file()
