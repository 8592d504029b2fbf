"""Metrics over many rows at once against their formulas in numpy and scikit-learn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

Array = np.ndarray[Any, Any]

RANDOM = np.random.default_rng(0)
ROWS = 200
BINARY = RANDOM.integers(0, 2, ROWS).astype("float32"), RANDOM.uniform(0.01, 0.99, (ROWS, 1)).astype("float32")
CLASSES = RANDOM.integers(0, 3, ROWS), RANDOM.dirichlet([1, 1, 1], ROWS).astype("float32")
NUMBERS = RANDOM.normal(50, 9, ROWS).astype("float32"), RANDOM.normal(50, 9, (ROWS, 1)).astype("float32")
QUANTILES = NUMBERS[0], NUMBERS[1] + np.array([-9.0, 0.0, 9.0], "float32")


def compute(name: str, labels: Any, predictions: Any, parts: int = 1, model: str = "") -> float:
    """The metric over the rows in `parts`, each added to an accumulator of its own, then merged."""
    from tensorflow_model_analysis.metrics import metric_types

    from pipeline import row_metrics

    (computation,) = getattr(row_metrics, name)().computations(model_names=[model])
    combiner, accumulators = computation.combiner, []
    for label, prediction in zip(np.array_split(labels, parts), np.array_split(predictions, parts), strict=True):
        by_model = {model: prediction, "other": prediction * 0} if model else prediction
        element = metric_types.StandardMetricInputs(
            label=label, prediction=by_model, example_weight=np.ones(len(label))
        )
        accumulators.append(combiner.add_input(combiner.create_accumulator(), element))
    ((key, value),) = combiner.extract_output(combiner.merge_accumulators(accumulators)).items()
    assert key in computation.keys
    assert key.model_name == model
    return float(value)


def test_log_loss() -> None:
    from sklearn.metrics import log_loss

    labels, predictions = BINARY
    assert compute("LogLoss", *BINARY) == pytest.approx(log_loss(labels, predictions[:, 0].astype("float64")))


def test_log_loss_of_a_sure_mistake_is_finite() -> None:
    assert compute("LogLoss", np.array([1.0, 1.0]), np.array([[0.0], [1.0]])) == pytest.approx(-math.log(1e-7) / 2)


def test_class_accuracy() -> None:
    from sklearn.metrics import accuracy_score

    labels, predictions = CLASSES
    expected = accuracy_score(labels, predictions.argmax(axis=1))
    assert compute("ClassAccuracy", *CLASSES) == pytest.approx(expected)


def test_class_log_loss() -> None:
    labels, predictions = CLASSES
    given = [row[label] for label, row in zip(labels, predictions.astype("float64"), strict=True)]
    assert compute("ClassLogLoss", *CLASSES) == pytest.approx(-np.log(given).mean())


def test_a_class_that_training_never_saw_is_a_mistake() -> None:
    labels, predictions = np.array([-1, 1]), np.array([[0.2, 0.8], [0.2, 0.8]])
    assert compute("ClassAccuracy", labels, predictions) == 0.5
    assert compute("ClassLogLoss", labels, predictions) == pytest.approx(-(math.log(1e-7) + math.log(0.8)) / 2)


def test_errors_of_numbers() -> None:
    labels, predictions = NUMBERS
    errors = labels.astype("float64") - predictions[:, 0]
    assert compute("RootMeanSquaredError", *NUMBERS) == pytest.approx(math.sqrt((errors**2).mean()))
    assert compute("MeanAbsoluteError", *NUMBERS) == pytest.approx(np.abs(errors).mean())


def test_r_squared() -> None:
    from sklearn.metrics import r2_score

    labels, predictions = NUMBERS
    close = labels[:, None] + predictions / 100
    for guess in (predictions, close):
        assert compute("RSquared", labels, guess) == pytest.approx(r2_score(labels, guess[:, 0]), rel=1e-5)
    assert compute("RSquared", labels, np.full((ROWS, 1), labels.mean())) == pytest.approx(0, abs=1e-6)


def test_r_squared_of_a_constant_label_is_not_a_number() -> None:
    assert math.isnan(compute("RSquared", np.full(3, 7.0), np.ones((3, 1))))


def test_pinball() -> None:
    from sklearn.metrics import mean_pinball_loss

    labels, predictions = QUANTILES
    expected = [
        mean_pinball_loss(labels, guess, alpha=level)
        for level, guess in zip((0.05, 0.5, 0.95), predictions.T, strict=True)
    ]
    assert compute("Pinball", *QUANTILES) == pytest.approx(np.mean(expected), rel=1e-5)


def test_coverage() -> None:
    labels, predictions = np.array([1.0, 2.5, 3.0, 9.0]), np.array([[2.0, 2.2, 3.0]] * 4)
    assert compute("Coverage", labels, predictions) == 0.5


METRICS = {
    "LogLoss": BINARY,
    "ClassAccuracy": CLASSES,
    "ClassLogLoss": CLASSES,
    "RootMeanSquaredError": NUMBERS,
    "MeanAbsoluteError": NUMBERS,
    "RSquared": NUMBERS,
    "Pinball": QUANTILES,
    "Coverage": QUANTILES,
}


@pytest.mark.parametrize("name", METRICS)
def test_the_parts_do_not_matter(name: str) -> None:
    whole = compute(name, *METRICS[name])
    assert compute(name, *METRICS[name], parts=7) == pytest.approx(whole)
    assert compute(name, *METRICS[name], parts=ROWS) == pytest.approx(whole)


@pytest.mark.parametrize("name", METRICS)
def test_each_model_has_its_own_value(name: str) -> None:
    assert compute(name, *METRICS[name], model="candidate") == pytest.approx(compute(name, *METRICS[name]))


def test_every_metric_of_ours_is_here_and_under_the_name_of_the_yaml() -> None:
    from pipeline import row_metrics
    from pipeline.evaluation import METRICS as KNOWN
    from pipeline.evaluation import OURS

    ours = {name: metric.tfma for name, metric in KNOWN.items() if metric.module == OURS}
    assert set(ours.values()) == set(METRICS)
    for name, metric in ours.items():
        (computation,) = getattr(row_metrics, metric)().computations(model_names=[""])
        assert [key.name for key in computation.keys] == [name]
