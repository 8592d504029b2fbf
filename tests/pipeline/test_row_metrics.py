"""Our formulas inside of TFMA: any number of rows at a time, each model by itself; TFMA's own metrics agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.evaluation import COUNT, METRICS, formula_of
from pipeline.formulas import Formula

pytestmark = pytest.mark.tensorflow

RANDOM = np.random.default_rng(0)
ROWS = 200
LABELS = RANDOM.integers(0, 2, ROWS).astype("float32")
SCORES = (0.7 * RANDOM.uniform(0, 1, ROWS) + 0.3 * LABELS)[:, None]
SETTINGS = {"threshold": 0.5, "false_positive": 1.0, "false_negative": 2.0}
BINARY = [name for name, metric in METRICS.items() if metric.formula == "binary"]


def compute(metric: Any, parts: int = 1, model: str = "") -> float:
    """The metric over the rows in `parts`, each added to an accumulator of its own, then merged."""
    from tensorflow_model_analysis.metrics import metric_types

    (computation,) = metric.computations(model_names=[model])
    combiner, accumulators = computation.combiner, []
    for label, prediction in zip(np.array_split(LABELS, parts), np.array_split(SCORES, parts), strict=True):
        by_model = {model: prediction, "other": prediction * 0} if model else prediction
        element = metric_types.StandardMetricInputs(
            label=label, prediction=by_model, example_weight=np.ones(len(label))
        )
        accumulators.append(combiner.add_input(combiner.create_accumulator(), element))
    ((key, value),) = combiner.extract_output(combiner.merge_accumulators(accumulators)).items()
    assert key in computation.keys
    assert key.model_name == model
    return float(value)


@pytest.mark.parametrize("name", BINARY)
def test_the_parts_and_the_models_do_not_matter(name: str) -> None:
    from pipeline.row_metrics import RowMetric

    metric = formula_of(name, SETTINGS)
    ones = np.ones((1, ROWS), "uint8")
    expected = (
        metric.finish(ones.astype("float64") @ metric.rows(LABELS, SCORES))
        if isinstance(metric, Formula)
        else metric.score(LABELS, SCORES, ones)
    )[0]
    for parts, model in ((1, ""), (7, ""), (ROWS, ""), (3, "candidate")):
        assert compute(RowMetric(name, SETTINGS), parts, model) == pytest.approx(expected)


def test_no_rows_have_no_value() -> None:
    from pipeline.row_metrics import RowMetric

    for name in ("auc", "log_loss"):
        (computation,) = RowMetric(name, SETTINGS).computations(model_names=[""])
        combiner = computation.combiner
        (value,) = combiner.extract_output(combiner.merge_accumulators([combiner.create_accumulator()])).values()
        assert np.isnan(value)


def test_the_configuration_names_every_metric_once() -> None:
    from pipeline.evaluation import build_eval_config

    names = [*BINARY, COUNT]
    config = build_eval_config(names, SETTINGS, [("a",), ("a", "b")], ["candidate", "baseline"])
    (spec,) = config.metrics_specs
    assert [metric.class_name for metric in spec.metrics if metric.module] == ["RowMetric"] * (len(BINARY) - 1)
    assert {metric.class_name for metric in spec.metrics if not metric.module} == {"Calibration", "ExampleCount"}
    assert [list(each.feature_keys) for each in config.slicing_specs] == [[], ["a"], ["a", "b"]]
    assert [(each.name, each.is_baseline) for each in config.model_specs] == [("candidate", False), ("baseline", True)]
