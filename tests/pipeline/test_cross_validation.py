"""A network a fold: which rows it gets, what TFMA makes of what it says, and where it stands in the graph."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.tensorflow

RANDOM = np.random.default_rng(3)
ROWS = 300
LABELS = RANDOM.integers(0, 2, ROWS).astype("float32")
SCORES = (0.6 * LABELS + 0.4 * RANDOM.random(ROWS)).clip(0.01, 0.99).astype("float32")
SCORES[::7] = 1 - SCORES[::7]
FOLDS = RANDOM.integers(0, 3, ROWS)
LABELS[FOLDS == 2] = 1


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # TFMA's own, where a curve is flat
def test_each_folds_metrics_are_those_of_its_rows(tmp_path: Path) -> None:
    import apache_beam as beam
    from sklearn.metrics import log_loss, precision_score, roc_auc_score

    from models.targets.binary import METRICS
    from pipeline.components.evaluator import analyze
    from pipeline.evaluation import CANDIDATE, LABEL, build_eval_config
    from pipeline.metrics import FOLD, fold_metrics, read_metrics
    from pipeline.predictions import ROWS_FILE

    table = {FOLD: [str(fold) for fold in FOLDS], LABEL: LABELS, CANDIDATE: list(SCORES[:, None])}
    pq.write_table(pa.table(table), tmp_path / ROWS_FILE)
    names = [name for name in METRICS if name != "cost"]
    config = build_eval_config(names, {"threshold": 0.5}, [(FOLD,)], [CANDIDATE])
    with beam.Pipeline(argv=["--runner=FnApiRunner"]) as pipeline:
        analyze(pipeline, [tmp_path / ROWS_FILE], [CANDIDATE], config)
    found = fold_metrics(read_metrics(tmp_path), names)
    parts = [(LABELS[fold == FOLDS], SCORES[fold == FOLDS]) for fold in range(3)]
    assert found["example_count"].values == tuple(float(len(labels)) for labels, _ in parts)
    expected = {
        "accuracy": [np.mean((scores > 0.5) == labels) for labels, scores in parts],
        "log_loss": [log_loss(labels, scores.astype("float64"), labels=[0, 1]) for labels, scores in parts],
        "precision": [precision_score(labels, scores > 0.5) for labels, scores in parts],
    }
    for name, values in expected.items():
        assert found[name].values == pytest.approx(values, abs=1e-6), name
        assert found[name].mean == pytest.approx(np.mean(values), abs=1e-6)
        assert found[name].deviation == pytest.approx(np.std(values, ddof=1), abs=1e-6)
    areas = [roc_auc_score(labels, scores) for labels, scores in parts[:2]]
    assert found["auc"].values[:2] == pytest.approx(areas, abs=1e-3)
    # the last fold has one class
    assert found["auc"].values[2] is None
    assert found["auc"].mean == pytest.approx(np.mean(areas), abs=1e-3)


SPEC = {
    "inputs": {
        "types": {"x": "float", "y": "bytes"},
        "features": {"x": {"kind": "numeric"}},
        "target": {"kind": "multiclass", "column": "y"},
    },
    "model": {"family": "mlp"},
}


def test_rows_are_judged_with_their_own_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.fit.loop import Splits
    from models.spec import ModelSpec
    from models.targets import LabelFacts
    from models.train import Task
    from pipeline.components import cross_validation
    from pipeline.evaluation import CANDIDATE, LABEL
    from pipeline.metrics import FOLD
    from pipeline.splits.folds import Fold

    # the fourth row's class is one that the run's training split does not have
    columns = {"x": np.arange(6.0), "label__": np.array([0, 1, 0, -1, 1, 0])}
    task = Task(ModelSpec.model_validate(SPEC), None, LabelFacts(("a", "b")), Splits(columns, columns, "label__"))
    places = [([2, 3, 4], [5], [0, 1]), ([0, 1], [4, 5], [2, 3])]
    folds = [Fold(*map(np.array, each)) for each in places]
    trained: list[Any] = []

    def predict(own: Task, judged: dict[str, Any]) -> Any:
        trained.append((own.splits.train["x"].tolist(), own.splits.evaluation["x"].tolist()))
        return np.stack([judged["x"], 10 * judged["x"]], axis=1)

    monkeypatch.setattr(cross_validation, "_predict", predict)
    with pytest.raises(cross_validation.InputError, match="expected 4 rows in train and eval, received 6"):
        cross_validation._write_rows(task, columns["label__"], [folds[0]._replace(train=np.array([2]))], tmp_path)
    folds[1] = folds[1]._replace(train=np.array([0, 1]))
    counts = cross_validation._write_rows(task, np.arange(100, 106), folds, tmp_path / "rows.parquet")
    assert counts == (2, 2)
    assert trained == [([2.0, 4.0], [5.0]), ([0.0, 1.0], [4.0, 5.0])]
    rows = pq.read_table(tmp_path / "rows.parquet").to_pydict()
    assert rows[FOLD] == ["0", "0", "1", "1"]
    assert rows[LABEL] == [100, 101, 102, 103]
    assert rows[CANDIDATE] == [[0, 0], [1, 10], [2, 20], [3, 30]]


def test_progress_says_which_fold(caplog: pytest.LogCaptureFixture) -> None:
    from pipeline.components.cross_validation import PROGRESS, _named

    with caplog.at_level(logging.INFO):
        with _named("fold 2 of 5"):
            PROGRESS.info("epoch %d/%d", 1, 3)
        PROGRESS.info("exporting")
    assert caplog.messages == ["fold 2 of 5: epoch 1/3", "exporting"]


YAML = """\
name: sales
source: {kind: csv, files: sales.csv}
target: {column: sold, kind: binary}
"""


def graph(folder: Path, more: str = "") -> Any:
    """The pipeline's nodes by id."""
    from pipeline.graph import build_pipeline
    from pipeline.preflight import prepare
    from pipeline.problem import load_problem
    from pipeline.run import plan_run
    from pipeline.workspace import Workspace

    (folder / "sales.csv").write_text("sold,price\n" + "".join(f"{row % 2},{row}.5\n" for row in range(100)))
    (folder / "sales.yaml").write_text(YAML + more)
    loaded, workspace = load_problem(folder / "sales.yaml"), Workspace(folder / "home", "sales")
    plan = plan_run(loaded, prepare(loaded, workspace), workspace)
    return {node.id: node for node in build_pipeline(plan, workspace).components}


def test_it_comes_last_and_only_if_asked_for(tmp_path: Path) -> None:
    assert "CrossValidation" not in graph(tmp_path)
    nodes = graph(tmp_path, "evaluation: {folds: 4}\n")
    assert list(nodes)[-1] == "CrossValidation"
    assert {node.id for node in nodes["CrossValidation"].upstream_nodes} >= {"Transform", "Pusher"}


def test_only_what_folds_depend_on_makes_them_anew(tmp_path: Path) -> None:
    def key(more: str) -> Any:
        return graph(tmp_path, more)["CrossValidation"].exec_properties

    first = key("evaluation: {folds: 4}\n")
    assert key("evaluation: {folds: 4, gates: {auc: {min: 0.5}}, slices: [[price]]}\npush: {keep: 2}\n") == first
    for more in ("evaluation: {folds: 3}\n", "evaluation: {folds: 4}\ntraining: {epochs: 3}\n"):
        assert key(more) != first
