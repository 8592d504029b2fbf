"""Metrics that TFMA lacks in a form that takes many rows at once: sums over rows, then one formula.

They are TFMA metrics by its public extension API (`tfma.metrics.Metric`, named in the EvalConfig by module and class).
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis.metrics import metric_types

Array = np.ndarray[Any, Any]


class Formula(NamedTuple):
    """A metric as sums.

    Attributes:
        sums: labels `[rows]` and predictions `[rows]` or `[rows, classes]` to `[k]` sums over the rows.
        finish: the sums over all rows to the metric.
    """

    sums: Callable[[Array, Array], Array]
    finish: Callable[[Array], float]


class _SumCombiner(beam.CombineFn):  # type: ignore[misc]
    """Adds up the sums of any number of rows at a time."""

    def __init__(self, key: Any, formula: Formula) -> None:
        self._key, self._formula = key, formula

    def create_accumulator(self) -> Any:
        return np.zeros(1)

    def add_input(self, accumulator: Any, element: Any) -> Any:
        labels = np.atleast_1d(element.get_labels(self._key.model_name))
        predictions = np.asarray(element.get_predictions(self._key.model_name), "float64")
        return accumulator + self._formula.sums(labels, predictions.reshape(len(labels), -1))

    def merge_accumulators(self, accumulators: Iterable[Any]) -> Any:
        return functools.reduce(np.add, accumulators)

    def extract_output(self, accumulator: Any) -> dict[Any, float]:
        return {self._key: float(self._formula.finish(accumulator))}


def _computations(
    name: str, formula: Formula, model_names: list[str] | None = None, example_weighted: bool = False
) -> list[Any]:
    """Return the metric for each model; TFMA gives the arguments that it finds by these names."""
    keys = [
        metric_types.MetricKey(name=name, model_name=model_name, example_weighted=example_weighted)
        for model_name in model_names or [""]
    ]
    return [
        metric_types.MetricComputation(keys=[key], preprocessors=None, combiner=_SumCombiner(key, formula))
        for key in keys
    ]


def mean(totals: Array) -> float:
    """Return a sum over the number that it is of; NaN of none."""
    return float(totals[0] / totals[1]) if totals[1] else float("nan")


def count(values: Array) -> Array:
    """Return the sum of `[rows]` values, and how many there are."""
    return np.array([values.sum(), len(values)])


def _log_loss(labels: Array, predictions: Array) -> Array:
    probability = predictions[:, 0].clip(1e-7, 1 - 1e-7)
    return count(-np.where(labels > 0.5, np.log(probability), np.log1p(-probability)))


def _class_accuracy(labels: Array, predictions: Array) -> Array:
    return count(predictions.argmax(axis=1) == labels)


def _class_log_loss(labels: Array, predictions: Array) -> Array:
    # a class that training never saw (-1) counts as given no probability
    given = np.where(labels >= 0, predictions[np.arange(len(labels)), labels], 0.0)
    return count(-np.log(given.clip(1e-7)))


def _squares(labels: Array, predictions: Array) -> Array:
    return count((labels - predictions[:, 0]) ** 2)


def _absolutes(labels: Array, predictions: Array) -> Array:
    return count(np.abs(labels - predictions[:, 0]))


def _variances(labels: Array, predictions: Array) -> Array:
    exact = labels.astype("float64")
    return np.array([((exact - predictions[:, 0]) ** 2).sum(), exact.sum(), (exact**2).sum(), len(exact)])


def _explained(totals: Array) -> float:
    """Return R2: 1 - squared error / squared deviation from the mean (NaN for a constant label)."""
    error, total, squares, rows = totals
    deviation = squares - total**2 / rows if rows else 0.0
    return float(1 - error / deviation) if deviation > 0 else float("nan")


def _pinballs(quantiles: Array, labels: Array, predictions: Array) -> Array:
    above = labels[:, None].astype("float64") - predictions
    return count(np.maximum(quantiles * above, (quantiles - 1) * above).mean(axis=1))


def _covered(labels: Array, predictions: Array) -> Array:
    return count((predictions[:, 0] <= labels) & (labels <= predictions[:, -1]))


class RowMetric(metric_types.Metric):  # type: ignore[misc]
    """A metric by its name and formula."""

    def __init__(self, name: str, formula: Formula) -> None:
        super().__init__(_computations, name=name, formula=formula)


class LogLoss(RowMetric):
    """Mean negative logarithm of the probability given to what happened; binary labels."""

    def __init__(self, name: str = "log_loss") -> None:
        super().__init__(name, Formula(_log_loss, mean))


class ClassAccuracy(RowMetric):
    """Share of rows whose likeliest class is theirs."""

    def __init__(self, name: str = "class_accuracy") -> None:
        super().__init__(name, Formula(_class_accuracy, mean))


class ClassLogLoss(RowMetric):
    """Mean negative logarithm of the probability given to the row's class."""

    def __init__(self, name: str = "class_log_loss") -> None:
        super().__init__(name, Formula(_class_log_loss, mean))


class RootMeanSquaredError(RowMetric):
    """In the label's unit."""

    def __init__(self, name: str = "rmse") -> None:
        super().__init__(name, Formula(_squares, lambda totals: mean(totals) ** 0.5))


class MeanAbsoluteError(RowMetric):
    """In the label's unit."""

    def __init__(self, name: str = "mae") -> None:
        super().__init__(name, Formula(_absolutes, mean))


class RSquared(RowMetric):
    """Share of the label's variance that the prediction explains."""

    def __init__(self, name: str = "r2") -> None:
        super().__init__(name, Formula(_variances, _explained))


class Pinball(RowMetric):
    """Mean cost of quantiles, in the label's unit: q a unit above the quantile q, 1 - q a unit below."""

    def __init__(self, quantiles: Sequence[float] = (0.05, 0.5, 0.95), name: str = "pinball") -> None:
        super().__init__(name, Formula(functools.partial(_pinballs, np.asarray(quantiles)), mean))


class Coverage(RowMetric):
    """Share of labels from the first to the last quantile."""

    def __init__(self, name: str = "coverage") -> None:
        super().__init__(name, Formula(_covered, mean))
