"""The feature that matters is found, the one that does not is not, and columns of a feature change places together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.spec import InputSpec
from pipeline import predictions
from pipeline.components import importance
from pipeline.components.importance import measure, read_importance, write_importance

ROWS = 400
RANDOM = np.random.default_rng(5)
COLUMNS = {
    "good": RANDOM.random(ROWS).astype("float32"),
    "noise": RANDOM.random(ROWS).astype("float32"),
    "left": RANDOM.random(ROWS).astype("float32"),
    "right": RANDOM.random(ROWS).astype("float32"),
}
LABEL = (COLUMNS["good"] > 0.5).astype("int64")


def inputs(features: dict[str, Any], target: dict[str, Any] | None = None) -> InputSpec:
    types = dict.fromkeys(COLUMNS, "float") | {"y": "int"}
    return InputSpec.model_validate(
        {"types": types, "features": features, "target": target or {"kind": "binary", "column": "y"}}
    )


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A model that says what `good` is, and whether left and right stand side by side; rows of each request."""
    asked: list[int] = []

    def load(folder: Path) -> Any:
        def predict(columns: Any) -> Any:
            asked.append(len(columns["good"]))
            return {"probability": columns["good"], "value": columns["good"]}

        return predict

    monkeypatch.setattr(predictions, "predictor", load)
    return asked


def test_the_one_feature_that_matters(answers: list[int], tmp_path: Path) -> None:
    spec = inputs({name: {"kind": "numeric"} for name in ("noise", "good")})
    found = measure(COLUMNS | {"y": LABEL}, tmp_path, spec, {"threshold": 0.5})
    assert (found.metric, found.value, found.rows) == ("auc", 1.0, ROWS)
    assert [each.features for each in found.features] == [("good",), ("noise",)]
    assert found.features[0].loss == pytest.approx(0.5, abs=0.06)
    assert found.features[0].deviation > 0
    assert (found.features[1].loss, found.features[1].deviation) == (0, 0)
    # the rows as they are, then all features of a permutation at once
    assert answers == [ROWS, *[2 * ROWS] * 3]
    assert measure(COLUMNS | {"y": LABEL}, tmp_path, spec, {"threshold": 0.5}) == found


def test_of_an_error_a_loss_is_a_rise(answers: list[int], tmp_path: Path) -> None:
    spec = inputs({"good": {"kind": "numeric"}}, {"kind": "regression", "column": "y"})
    columns = {"good": COLUMNS["good"], "y": COLUMNS["good"]}
    found = measure(columns, tmp_path, spec, {})
    assert (found.metric, found.value) == ("rmse", 0)
    # two shuffled uniform numbers are sqrt(1/6) apart
    assert found.features[0].loss == pytest.approx((1 / 6) ** 0.5, abs=0.03)


def test_the_columns_of_a_feature_change_places_together() -> None:
    columns = {"left": np.arange(4), "right": np.arange(4) * 10, "other": np.arange(4) * 100}
    order = np.array([2, 0, 3, 1])
    made = importance._shuffled(columns, [("left", "right"), ("other",)], order)
    assert made["left"].tolist() == [2, 0, 3, 1, 0, 1, 2, 3]
    assert made["right"].tolist() == [20, 0, 30, 10, 0, 10, 20, 30]
    assert made["other"].tolist() == [0, 100, 200, 300, 200, 0, 300, 100]


def test_features_of_the_same_columns_are_one() -> None:
    spec = inputs(
        {
            "good": {"kind": "numeric"},
            "tenths": {"kind": "bucketized", "column": "good"},
            "pair": {"kind": "crossed", "columns": ["left", "right"]},
        }
    )
    assert importance._groups(spec) == {("good",): ("good", "tenths"), ("left", "right"): ("pair",)}


def test_a_file_of_some_rows(answers: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importance, "ROWS", 50)
    examples = tmp_path / "Split-test"
    examples.mkdir()
    arrays = {name: pa.array([[value] for value in column]) for name, column in (COLUMNS | {"y": LABEL}).items()}
    table = {name: column.cast(pa.large_list(column.type.value_type)) for name, column in arrays.items()}
    pq.write_table(pa.table(table), examples / "examples.parquet")
    write_importance(examples, tmp_path, inputs({"good": {"kind": "numeric"}}), {"threshold": 0.5}, tmp_path)
    found = read_importance(tmp_path)
    assert found is not None
    assert found.rows == 50
    assert answers == [50] * 4


def test_no_file_without_a_number(answers: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alike = {name: column[:5] for name, column in COLUMNS.items()} | {"y": np.zeros(5, "int64")}
    monkeypatch.setattr(importance, "_read_rows", lambda *given: alike)
    write_importance(tmp_path, tmp_path, inputs({"good": {"kind": "numeric"}}), {"threshold": 0.5}, tmp_path)
    assert read_importance(tmp_path) is None
