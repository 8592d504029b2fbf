"""The Trainer as TFX runs it: killed and run again, on several devices, warm, and every target as it is served."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.tensorflow]

HERE = Path(__file__).parents[1]
ROWS = 3000
EPOCHS = 60
BATCH = 100
TOTAL = EPOCHS * ROWS // BATCH
TARGETS: dict[str, dict[str, Any]] = {
    "binary": {"kind": "binary", "column": "sold", "calibration": "isotonic", "class_weights": "balanced"},
    "focal": {"kind": "binary", "column": "sold", "loss": "focal", "calibration": "temperature"},
    "multiclass": {"kind": "multiclass", "column": "shop", "calibration": "temperature"},
    "huber": {"kind": "regression", "column": "price", "loss": "huber"},
    "log": {"kind": "regression", "column": "price", "loss": "log"},
    "quantile": {"kind": "quantile", "column": "price", "quantiles": [0.1, 0.5, 0.9]},
}
SAME_GRAPH = {"focal": "binary", "quantile": "huber"}
"""Targets whose label tf.Transform takes as another's."""
LABELS = {"sold": "int", "shop": "bytes", "price": "float"}


def make_table() -> dict[str, list[Any]]:
    random.seed(3)
    weight = [random.gauss(0, 1) for _ in range(ROWS)]
    place = [random.choice("abcd") for _ in range(ROWS)]
    level = [value + (name in "ab") + random.gauss(0, 0.7) for value, name in zip(weight, place, strict=True)]
    return {
        "weight": weight,
        "place": place,
        "sold": [int(value > 1) for value in level],
        "shop": ["x" if value > 1 else "y" if value > 0 else "z" for value in level],
        "price": [10 * 2**value for value in level],
    }


def make_spec(target: dict[str, Any], **training: Any) -> dict[str, Any]:
    return {
        "inputs": {
            "types": {"weight": "float", "place": "bytes", **LABELS},
            "features": {"weight": {"kind": "numeric"}, "place": {"kind": "categorical"}},
            "target": target,
        },
        "model": {"family": "mlp", "layers": [64, 32], "dropout": 0.1},
        "training": {"batch_size": BATCH, "epochs": EPOCHS, "learning_rate": 0.003, **training},
    }


@pytest.fixture(scope="module")
def roots(analyze: Any) -> dict[str, Path]:
    """A folder with examples and transform graph for each target."""
    from models.spec import InputSpec

    table = make_table()
    inputs = {name: InputSpec.model_validate(make_spec(target)["inputs"]) for name, target in TARGETS.items()}
    graphs = {name: analyze(inputs[name], table) for name in TARGETS if name not in SAME_GRAPH}
    return {name: Path(graphs[SAME_GRAPH.get(name, name)].transform_savedmodel_dir).parents[1] for name in TARGETS}


def start(request: dict[str, Any]) -> subprocess.Popen[str]:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(HERE.parent)}
    child = subprocess.Popen(
        [sys.executable, HERE / "train_child.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    assert child.stdin
    child.stdin.write(json.dumps(request))
    child.stdin.close()
    return child


def finish(request: dict[str, Any]) -> list[str]:
    """Train to the end; return the progress, line by line."""
    with start(request) as child:
        assert child.stdout
        lines = child.stdout.read().splitlines()
    assert child.returncode == 0
    return lines


def last_metrics(lines: list[str]) -> dict[str, float]:
    """The metrics of the last epoch as they were told."""
    told = [line.partition(": ")[2] for line in lines if line.startswith("epoch") and "step" not in line][-1]
    return {name: float(value) for name, value in (part.split(" ") for part in told.split(", "))}


def weights(out: Path) -> dict[str, Any]:
    from models.export import read_weights

    return read_weights(out / "model")


@pytest.fixture(scope="module")
def unbroken(roots: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The output folder and the progress of a training that nothing disturbed."""
    out = tmp_path_factory.mktemp("unbroken")
    return out, finish({"spec": make_spec(TARGETS["binary"]), "root": str(roots["binary"]), "out": str(out)})


def steps_done(folder: Path) -> float:
    """Steps in the checkpoint below `folder`."""
    from models.fit.checkpoint import read_state

    states = [read_state(each) for each in folder.glob("*")]
    return float(states[0]["facts"][0]) if states and states[0] else 0.0


def test_killed_at_60_percent_it_ends_as_if_it_had_not_been(
    roots: dict[str, Path], unbroken: tuple[Path, list[str]], tmp_path: Path
) -> None:
    checkpoints = tmp_path / "checkpoints"
    request = {"spec": make_spec(TARGETS["binary"]), "root": str(roots["binary"]), "checkpoints": str(checkpoints)}
    until = time.monotonic() + 120
    with start({**request, "out": str(tmp_path / "killed")}) as child:
        while child.poll() is None and time.monotonic() < until and steps_done(checkpoints) < 0.6 * TOTAL:
            time.sleep(0.005)
        child.kill()
    assert not (tmp_path / "killed" / "model").exists()
    done = steps_done(checkpoints)
    assert 0.6 * TOTAL <= done < 0.9 * TOTAL
    lines = finish({**request, "out": str(tmp_path / "resumed")})
    assert f"going on after step {done:.0f}" in lines
    expected = last_metrics(unbroken[1])
    assert last_metrics(lines) == pytest.approx(expected, abs=1e-3)
    for name, array in weights(unbroken[0]).items():
        np.testing.assert_array_equal(weights(tmp_path / "resumed")[name], array)
    assert list(checkpoints.iterdir()) == []


def test_several_devices_train_as_one(roots: dict[str, Path], unbroken: tuple[Path, list[str]], tmp_path: Path) -> None:
    training = {"distribute": "mirrored", "epochs": 5}
    lines = finish(
        {
            "spec": make_spec(TARGETS["binary"], **training),
            "root": str(roots["binary"]),
            "out": str(tmp_path),
            "processors": 2,
        }
    )
    assert any(line.startswith("on 2 CPUs, ") for line in lines)
    assert last_metrics(lines)["auc"] == pytest.approx(last_metrics(unbroken[1])["auc"], abs=0.02)


def run_here(roots: dict[str, Path], name: str, out: Path, base: Path | None = None, **training: Any) -> None:
    from models.train import run_fn

    files = [str(roots[name] / "examples" / "Split-train" / "*")]
    run_fn(
        SimpleNamespace(
            custom_config={"spec": json.dumps(make_spec(TARGETS[name], **training)), "code": "1"},
            transform_output=str(roots[name] / "graph"),
            train_files=files,
            eval_files=files,
            model_run_dir=str(out / "logs"),
            serving_model_dir=str(out / "model"),
            base_model=str(base) if base else None,
        )
    )


def test_a_warm_start_goes_on_where_the_base_ended(
    roots: dict[str, Path], unbroken: tuple[Path, list[str]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "penstock.progress")
    for name, warm in (("cold", False), ("warm", True)):
        run_here(roots, "binary", tmp_path / name, unbroken[0] / "model", epochs=1, warm_start=warm)
    told = [record.getMessage() for record in caplog.records]
    assert [line for line in told if line.startswith("starting from")] == [
        f"starting from 7 of 7 variables of {unbroken[0] / 'model'}"
    ]
    cold, warm_line = (line for line in told if line.startswith("epoch 1/1: "))
    assert last_metrics([warm_line])["loss"] < 0.8 * last_metrics([cold])["loss"]


REQUEST = {"weight": [0.0, 3.0, -9.0, float("nan")], "place": ["a", "c", "never seen", ""]}


@pytest.fixture(scope="module")
def exported(roots: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model of each target."""
    folders = {name: tmp_path_factory.mktemp(name) for name in TARGETS}
    for name, folder in folders.items():
        run_here(roots, name, folder, epochs=5, early_stopping={"patience": 1})
    return {name: folder / "model" for name, folder in folders.items()}


@pytest.fixture(scope="module")
def served(exported: dict[str, Path]) -> dict[str, dict[str, Any]]:
    """What TensorFlow's C++ loader makes of each model."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    requests, names = [], []
    for folder in exported.values():
        graph = SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs[0]
        signature = graph.signature_def["serving_default"]
        inputs = {
            signature.inputs["weight"].name: (1, REQUEST["weight"], [4]),
            signature.inputs["place"].name: (7, REQUEST["place"], [4]),
        }
        names.append({info.name: name for name, info in signature.outputs.items()})
        requests.append({"folder": str(folder), "inputs": inputs, "outputs": list(names[-1])})
    done = subprocess.run(
        [sys.executable, "-I", HERE / "cpp_loader.py"],
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    return {
        target: {named[tensor]: values for tensor, values in outputs.items()}
        for target, outputs, named in zip(exported, json.loads(done.stdout), names, strict=True)
    }


@pytest.mark.parametrize("target", TARGETS)
def test_the_cpp_loader_answers_as_python(exported: dict[str, Path], served: Any, target: str) -> None:
    from models.export import load_predictor

    request = {
        "weight": np.array(REQUEST["weight"], "float32"),
        "place": np.array([value.encode() for value in REQUEST["place"]], object),
    }
    found = load_predictor(exported[target])(request)
    assert set(found) == set(served[target])
    for name, values in found.items():
        if values.dtype == object:
            assert served[target][name] == [value.decode() for value in values]
        else:
            np.testing.assert_allclose(served[target][name], values.reshape(-1), rtol=1e-5, atol=1e-6)


def test_answers_make_sense(served: Any) -> None:
    quantiles = np.reshape(served["quantile"]["quantiles"], (4, 3))
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert min(served["log"]["value"]) > 0
    for target in ("binary", "focal"):
        first, second, third, _ = served[target]["probability"]
        assert second > first > third
    assert np.reshape(served["multiclass"]["probabilities"], (4, 3)).sum(axis=1) == pytest.approx([1] * 4, abs=1e-5)
