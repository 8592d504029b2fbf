"""Our formulas as TFMA metrics, by its public extension API (`tfma.metrics.Metric`, named in the EvalConfig)."""

import functools
from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis.metrics import metric_types

from pipeline.evaluation import formula_of
from pipeline.formulas import Array, Formula, Ranked


class RowMetric(metric_types.Metric):  # type: ignore[misc]
    """A metric of `pipeline.evaluation.METRICS` that is a formula, with its settings."""

    def __init__(self, name: str, settings: dict[str, Any] | None = None) -> None:
        super().__init__(_computations, name=name, settings=settings or {})


class _Sums(beam.CombineFn):  # type: ignore[misc]
    """Adds up the sums of any number of rows at a time."""

    def __init__(self, key: Any, formula: Formula) -> None:
        self._key, self._formula = key, formula

    def create_accumulator(self) -> Any:
        return None

    def add_input(self, accumulator: Any, element: Any) -> Any:
        rows = self._formula.rows(*_arrays(element, self._key.model_name))
        return _add(accumulator, rows.sum(axis=0))

    def merge_accumulators(self, accumulators: Iterable[Any]) -> Any:
        return functools.reduce(_add, accumulators, None)

    def extract_output(self, accumulator: Any) -> dict[Any, float]:
        return {self._key: float("nan") if accumulator is None else float(self._formula.finish(accumulator))}


class _Rows(beam.CombineFn):  # type: ignore[misc]
    """Keeps the rows of a metric that needs them all in their order."""

    def __init__(self, key: Any, metric: Ranked) -> None:
        self._key, self._metric = key, metric

    def create_accumulator(self) -> list[tuple[Array, Array]]:
        return []

    def add_input(self, accumulator: list[tuple[Array, Array]], element: Any) -> list[tuple[Array, Array]]:
        return [*accumulator, _arrays(element, self._key.model_name)]

    def merge_accumulators(self, accumulators: Iterable[list[tuple[Array, Array]]]) -> list[tuple[Array, Array]]:
        return [part for parts in accumulators for part in parts]

    def extract_output(self, accumulator: list[tuple[Array, Array]]) -> dict[Any, float]:
        if not accumulator:
            return {self._key: float("nan")}
        labels, predictions = (np.concatenate(parts) for parts in zip(*accumulator, strict=True))
        return {self._key: float(self._metric.score(labels, predictions, np.ones((1, len(labels)), "uint8"))[0])}


def _arrays(element: Any, model: str) -> tuple[Array, Array]:
    """Return labels `[rows, ...]` and predictions `[rows, any] float64`."""
    labels = np.atleast_1d(element.get_labels(model))
    return labels, np.asarray(element.get_predictions(model), "float64").reshape(len(labels), -1)


def _add(left: Any, right: Any) -> Any:
    return right if left is None else left if right is None else left + right


def _computations(
    name: str, settings: dict[str, Any], model_names: list[str] | None = None, example_weighted: bool = False
) -> list[Any]:
    """Return the metric for each model; TFMA gives the arguments that it finds by these names."""
    metric = formula_of(name, settings)
    keys = [
        metric_types.MetricKey(name=name, model_name=model_name, example_weighted=example_weighted)
        for model_name in model_names or [""]
    ]
    return [
        metric_types.MetricComputation(
            keys=[key],
            preprocessors=None,
            combiner=_Sums(key, metric) if isinstance(metric, Formula) else _Rows(key, metric),
        )
        for key in keys
    ]
