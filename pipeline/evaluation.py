"""Every metric by the name that the YAML uses, and TFMA's configuration that computes them by slice."""

import importlib
import inspect
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from models.spec import target_kind
from pipeline.judging import Evaluation

if TYPE_CHECKING:
    from tensorflow_model_analysis.proto.config_pb2 import EvalConfig

    from pipeline.formulas import Formula, Ranked

CANDIDATE, BASELINE = "candidate", "baseline"
LABEL, WEIGHT = "__label", "__weight"
"""Columns of the evaluated rows, beside one column of predictions per model."""
EVAL_SPLIT = "__eval_split"
"""Slice of the rows of the eval split, beside those of the split that is judged."""


class Metric(NamedTuple):
    """A metric.

    Attributes:
        formula: module of pipeline.formulas that has it; empty where rows are only counted.
        tfma: TFMA's own class of the value that is shown; empty: the formula's.
        higher_is_better: direction; None where neither is.
    """

    formula: str
    tfma: str = ""
    higher_is_better: bool | None = True


METRICS = {
    "auc": Metric("binary"),
    "pr_auc": Metric("binary"),
    "recall_at_precision_90": Metric("binary"),
    "accuracy": Metric("binary"),
    "precision": Metric("binary"),
    "recall": Metric("binary"),
    "f1": Metric("binary"),
    "log_loss": Metric("binary", higher_is_better=False),
    "calibration": Metric("binary", "Calibration", higher_is_better=None),
    "calibration_error": Metric("binary", higher_is_better=False),
    "cost": Metric("binary", higher_is_better=False),
    "class_accuracy": Metric("multiclass"),
    "macro_f1": Metric("multiclass"),
    "class_log_loss": Metric("multiclass", higher_is_better=False),
    "rmse": Metric("regression", higher_is_better=False),
    "mae": Metric("regression", higher_is_better=False),
    "mape": Metric("regression", higher_is_better=False),
    "mse": Metric("regression", higher_is_better=False),
    "r2": Metric("regression"),
    "pinball": Metric("quantile", higher_is_better=False),
    "coverage": Metric("quantile", higher_is_better=None),
    "interval_width": Metric("quantile", higher_is_better=False),
    "macro_auc": Metric("labels"),
    "micro_f1": Metric("labels"),
    "micro_precision": Metric("labels"),
    "micro_recall": Metric("labels"),
    "label_log_loss": Metric("labels", higher_is_better=False),
    "exact_match": Metric("labels"),
    "recall_at_10": Metric("items"),
    "ndcg_at_10": Metric("items"),
    "recall_at_k": Metric("items"),
    "ndcg_at_k": Metric("items"),
    "example_count": Metric("", "ExampleCount", higher_is_better=None),
}
"""Metrics in the order they are shown."""
COUNT, COST = "example_count", "cost"


def metric_names(target: Any, evaluation: Evaluation) -> list[str]:
    """Return the metrics of a target; the cost of decisions only where it is known."""
    return [name for name in target_kind(target).METRICS if name != COST or evaluation.costs]


def metric_settings(target: Any, evaluation: Evaluation, threshold: float) -> dict[str, Any]:
    """Return what any formula may ask for, by name."""
    if hasattr(target, "quantiles"):
        return {"quantiles": target.quantiles}
    costs = evaluation.costs.model_dump() if evaluation.costs else {}
    return {"threshold": threshold, **costs} if target_kind(target).LABELS == "binary" else {}


def formula_of(name: str, settings: Mapping[str, Any]) -> "Formula | Ranked":
    """Return the metric's formula with those of the `settings` that it takes."""
    function = getattr(importlib.import_module(f"pipeline.formulas.{METRICS[name].formula}"), name)
    found: Formula | Ranked = function(**{key: settings[key] for key in inspect.signature(function).parameters})
    return found


def build_eval_config(
    names: Sequence[str], settings: Mapping[str, Any], slices: Sequence[Sequence[str]], models: Sequence[str]
) -> "EvalConfig":
    """Return TFMA's configuration for predictions that are already computed, of one model or of two."""
    from tensorflow_model_analysis.proto import config_pb2

    metrics = [
        config_pb2.MetricConfig(class_name=METRICS[name].tfma, config=json.dumps({"name": name}))
        if METRICS[name].tfma
        else config_pb2.MetricConfig(
            class_name="RowMetric",
            module="pipeline.row_metrics",
            config=json.dumps({"name": name, "settings": dict(settings)}),
        )
        for name in names
    ]
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(name=model, label_key=LABEL, example_weight_key=WEIGHT, is_baseline=model == BASELINE)
            for model in models
        ],
        slicing_specs=[config_pb2.SlicingSpec(feature_keys=keys) for keys in [(), *slices]],
        metrics_specs=[config_pb2.MetricsSpec(metrics=metrics)],
    )
