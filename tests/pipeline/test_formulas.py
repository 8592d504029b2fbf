"""Metrics as formulas against numpy by hand and scikit-learn, weighted as rows that are there so many times."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk

from models.discovery import discover
from models.targets import binary as _binary
from pipeline.evaluation import COUNT, METRICS, formula_of
from pipeline.formulas import Array, Formula

RANDOM = np.random.default_rng(0)
ROWS = 300
SETTINGS = {"threshold": 0.4, "false_positive": 1.0, "false_negative": 5.0, "quantiles": (0.05, 0.5, 0.95)}
# rounded, so that some rows have the same probability
BINARY = RANDOM.integers(0, 2, ROWS).astype("float32"), RANDOM.uniform(0.01, 0.99, (ROWS, 1)).round(2)
CLASSES = RANDOM.integers(0, 3, ROWS), RANDOM.dirichlet([1, 1, 1], ROWS)
NUMBERS = RANDOM.normal(50, 9, ROWS).astype("float32"), RANDOM.normal(50, 9, (ROWS, 1)).astype("float32")
QUANTILES = NUMBERS[0], NUMBERS[1] + np.array([-9.0, 0.0, 9.0], "float32")
_LABELS = (RANDOM.uniform(size=(ROWS, 4)) < [0.5, 0.2, 0.1, 0.0]).astype("float32")
LABELS = _LABELS, 0.6 * RANDOM.uniform(size=(ROWS, 4)) + 0.4 * _LABELS
ITEMS = RANDOM.integers(-1, 30, ROWS), np.argsort(RANDOM.uniform(size=(ROWS, 30)), axis=1)[:, :15]
DATA = {
    "binary": BINARY,
    "multiclass": CLASSES,
    "regression": NUMBERS,
    "quantile": QUANTILES,
    "labels": LABELS,
    "items": ITEMS,
}
NAMES = [name for name in METRICS if name != COUNT]


def data_of(name: str) -> tuple[Array, Array]:
    return DATA[METRICS[name].formula]


def compute(name: str, labels: Any = None, predictions: Any = None, weights: Any = None) -> float:
    """The metric, each row as often as its weight says."""
    if labels is None:
        labels, predictions = data_of(name)
    drawn = np.ones((1, len(labels)), "uint8") if weights is None else np.array([weights], "uint8")
    metric = formula_of(name, SETTINGS)
    if isinstance(metric, Formula):
        return float(metric.finish(drawn.astype("float64") @ metric.rows(labels, predictions))[0])
    return float(metric.score(labels, predictions, drawn)[0])


def recall_at(least: float, precision: Array, recall: Array, thresholds: Array) -> float:
    """The largest recall at a threshold of that precision."""
    return float(recall[precision >= least - 1e-12].max())


def by_sklearn(name: str, labels: Any, predictions: Any) -> float:
    """The same by scikit-learn, or by numpy."""
    first = predictions[:, 0]
    told, there = (first >= 0.4), labels > 0.5
    likeliest = predictions.argmax(axis=1)
    found: dict[str, Any] = {
        "auc": lambda: sk.roc_auc_score(labels, first),
        "pr_auc": lambda: sk.average_precision_score(labels, first),
        "recall_at_precision_90": lambda: recall_at(0.9, *sk.precision_recall_curve(labels, first)),
        "accuracy": lambda: sk.accuracy_score(there, told),
        "precision": lambda: sk.precision_score(there, told),
        "recall": lambda: sk.recall_score(there, told),
        "f1": lambda: sk.f1_score(there, told),
        "log_loss": lambda: sk.log_loss(labels, first),
        "calibration": lambda: first.sum() / labels.sum(),
        "calibration_error": lambda: sum(
            abs(first[place].sum() - labels[place].sum()) / len(first)
            for low in range(10)
            for place in [(first >= low / 10 - 1e-12) & (first < low / 10 + 0.1 - 1e-12)]
        ),
        "cost": lambda: (1.0 * (told & ~there) + 5.0 * (~told & there)).mean(),
        "class_accuracy": lambda: sk.accuracy_score(labels, likeliest),
        "macro_f1": lambda: sk.f1_score(labels, likeliest, average="macro"),
        "class_log_loss": lambda: sk.log_loss(labels, predictions),
        "rmse": lambda: sk.root_mean_squared_error(labels, first),
        "mae": lambda: sk.mean_absolute_error(labels, first),
        "mape": lambda: sk.mean_absolute_percentage_error(labels, first),
        "mse": lambda: sk.mean_squared_error(labels, first),
        "r2": lambda: sk.r2_score(labels, first),
        "pinball": lambda: np.mean(
            [
                sk.mean_pinball_loss(labels, guess, alpha=level)
                for level, guess in zip((0.05, 0.5, 0.95), predictions.T, strict=True)
            ]
        ),
        "coverage": lambda: ((first <= labels) & (labels <= predictions[:, 2])).mean(),
        "interval_width": lambda: (predictions[:, 2] - first).mean(),
        "macro_auc": lambda: np.mean([sk.roc_auc_score(labels[:, each], predictions[:, each]) for each in range(3)]),
        "micro_f1": lambda: sk.f1_score(there, predictions > 0.5, average="micro"),
        "micro_precision": lambda: sk.precision_score(there, predictions > 0.5, average="micro"),
        "micro_recall": lambda: sk.recall_score(there, predictions > 0.5, average="micro"),
        "label_log_loss": lambda: -np.log(np.where(there, predictions, 1 - predictions)).mean(),
        "exact_match": lambda: (there == (predictions > 0.5)).all(axis=1).mean(),
    }
    return float(found[name]())


@pytest.mark.parametrize("name", [name for name in NAMES if METRICS[name].formula != "items"])
def test_the_formula_is_the_metric(name: str) -> None:
    labels, predictions = data_of(name)
    assert compute(name) == pytest.approx(by_sklearn(name, labels, predictions), rel=1e-5)


@pytest.mark.parametrize("name", [name for name in NAMES if METRICS[name].formula != "items"])
def test_a_weight_is_how_often_a_row_is_there(name: str) -> None:
    labels, predictions = data_of(name)
    weights = np.random.default_rng(1).poisson(1, ROWS)
    expected = by_sklearn(name, np.repeat(labels, weights, axis=0), np.repeat(predictions, weights, axis=0))
    assert compute(name, weights=weights) == pytest.approx(expected, rel=1e-5)


def test_items_by_their_place() -> None:
    # the item of each row is first, third, 12th, not there; -1 is one that is never answered
    taken = np.array([5, 5, 5, 5, -1])
    others = list(range(20, 33))
    answers = np.array([[5, *others], [1, 2, 5, *others[:-2]], [*others[:11], 5, 1, 2], [*others, 50], [-1, *others]])
    found = [compute(name, taken, answers) for name in ("recall_at_10", "recall_at_k", "ndcg_at_10", "ndcg_at_k")]
    gains = 1 + 1 / math.log2(4)
    assert found == pytest.approx([2 / 5, 3 / 5, gains / 5, (gains + 1 / math.log2(13)) / 5])


@pytest.mark.parametrize(
    ("labels", "scores", "expected"),
    [
        ([1] * 9 + [0, 1, 0], [0.9] * 10 + [0.5, 0.4], 1.0),  # 9 of the first 10, 10 of 11: all that there are
        ([1] * 9 + [0, 0, 1], [0.9] * 10 + [0.5, 0.5], 0.9),  # 9 of the first 10 are enough, 10 of 12 are not
        ([1] * 8 + [0, 0, 1], [0.9] * 10 + [0.5], 0.0),  # the first ten stand together
        ([1, 0, 1, 1], [0.9, 0.8, 0.7, 0.6], 1 / 3),
        ([0, 1], [0.9, 0.8], 0.0),
    ],
)
def test_recall_where_nine_of_ten_are_right(labels: list[float], scores: list[float], expected: float) -> None:
    predictions = np.array(scores)[:, None]
    assert compute("recall_at_precision_90", np.array(labels), predictions) == pytest.approx(expected)


NOWHERE = [
    ("recall_at_precision_90", [0.0, 0.0], [[0.2], [0.8]]),
    ("auc", [1.0, 1.0], [[0.2], [0.8]]),
    ("pr_auc", [0.0, 0.0], [[0.2], [0.8]]),
    ("precision", [1.0, 0.0], [[0.2], [0.3]]),
    ("recall", [0.0, 0.0], [[0.2], [0.8]]),
    ("r2", [7.0, 7.0], [[1.0], [2.0]]),
    ("mape", [0.0, 0.0], [[1.0], [2.0]]),
    ("macro_auc", [[1.0], [1.0]], [[0.2], [0.8]]),
]


@pytest.mark.parametrize(("name", "labels", "predictions"), NOWHERE)
def test_what_has_no_value_is_no_number(name: str, labels: Any, predictions: Any) -> None:
    assert math.isnan(compute(name, np.array(labels), np.array(predictions)))


@pytest.mark.parametrize("name", ["log_loss", "class_log_loss", "rmse", "pinball", "label_log_loss"])
def test_a_prediction_that_is_no_number_makes_none(name: str) -> None:
    labels, predictions = data_of(name)
    broken = predictions.astype("float64")
    broken[7] = math.nan
    assert math.isnan(compute(name, labels, broken))


def test_a_sure_mistake_costs_a_finite_loss() -> None:
    assert compute("log_loss", np.array([1.0, 1.0]), np.array([[0.0], [1.0]])) == pytest.approx(-math.log(1e-7) / 2)


def test_a_class_that_training_never_saw_is_a_mistake() -> None:
    labels, predictions = np.array([-1, 1]), np.array([[0.2, 0.8], [0.2, 0.8]])
    assert compute("class_accuracy", labels, predictions) == 0.5
    assert compute("class_log_loss", labels, predictions) == pytest.approx(-(math.log(1e-7) + math.log(0.8)) / 2)


def test_the_best_threshold_costs_least() -> None:
    from pipeline.formulas.binary import best_threshold

    labels, predictions = BINARY
    found = best_threshold(labels, predictions, false_positive=1, false_negative=3)
    told, there = (
        predictions[:, 0] >= np.array([[found], *([each] for each in np.linspace(0, 1.01, 500))]),
        labels > 0.5,
    )
    costs = (told & ~there).sum(axis=1) + 3 * (~told & there).sum(axis=1)
    assert costs[0] == costs.min()


@pytest.mark.parametrize(("labels", "low", "high"), [([1.0, 1.0], 0.0, 0.2), ([0.0, 0.0], 0.8, 1.0)])
def test_with_one_class_alone_the_threshold_is_beyond_all_rows(labels: Any, low: float, high: float) -> None:
    from pipeline.formulas.binary import best_threshold

    found = best_threshold(np.array(labels), np.array([[0.2], [0.8]]), 1, 1)
    assert low <= found <= high


@pytest.mark.parametrize("kind", discover("models.targets"))
def test_every_target_has_metrics_that_there_are(kind: str) -> None:
    names = discover("models.targets")[kind].METRICS
    assert set(names) <= set(METRICS)
    assert names[-1] == COUNT
    assert _binary.METRICS[0] == "auc"
