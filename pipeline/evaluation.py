"""From the YAML's slices and gates to TFMA's EvalConfig."""

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from models.spec import target_kind
from pipeline.problem import Evaluation, Gate

if TYPE_CHECKING:
    from tensorflow_model_analysis.proto.config_pb2 import EvalConfig, PerSliceMetricThreshold

CANDIDATE, BASELINE = "candidate", "baseline"
LABEL, WEIGHT = "__label", "__weight"
"""Columns of the evaluated rows, beside one column of predictions per model."""


class Metric(NamedTuple):
    """A metric by the name that the YAML uses.

    Attributes:
        tfma: the class.
        module: where it is; empty for TFMA's own.
        higher_is_better: direction.
        settings: fields of the target that it needs.
        ranks: it says how rows of one class rank among those of the other, which means nothing where there is one class
            alone; TFMA calls that 0.
    """

    tfma: str
    module: str = ""
    higher_is_better: bool = True
    settings: tuple[str, ...] = ()
    ranks: bool = False


OURS = "pipeline.row_metrics"
METRICS = {
    "auc": Metric("AUC", ranks=True),
    "pr_auc": Metric("AUCPrecisionRecall", ranks=True),
    "accuracy": Metric("BinaryAccuracy"),
    "precision": Metric("Precision"),
    "recall": Metric("Recall"),
    "log_loss": Metric("LogLoss", OURS, higher_is_better=False),
    "calibration": Metric("Calibration"),
    "class_accuracy": Metric("ClassAccuracy", OURS),
    "class_log_loss": Metric("ClassLogLoss", OURS, higher_is_better=False),
    "rmse": Metric("RootMeanSquaredError", OURS, higher_is_better=False),
    "mae": Metric("MeanAbsoluteError", OURS, higher_is_better=False),
    "r2": Metric("RSquared", OURS),
    "pinball": Metric("Pinball", OURS, higher_is_better=False, settings=("quantiles",)),
    "coverage": Metric("Coverage", OURS),
    "macro_auc": Metric("MacroAUC", "pipeline.label_metrics", ranks=True),
    "micro_f1": Metric("MicroF1", "pipeline.label_metrics"),
    "micro_precision": Metric("MicroPrecision", "pipeline.label_metrics"),
    "micro_recall": Metric("MicroRecall", "pipeline.label_metrics"),
    "label_log_loss": Metric("LabelLogLoss", "pipeline.label_metrics", higher_is_better=False),
    "exact_match": Metric("ExactMatch", "pipeline.label_metrics"),
    "recall_at_10": Metric("RecallAt10", "pipeline.item_metrics"),
    "ndcg_at_10": Metric("NDCGAt10", "pipeline.item_metrics"),
    "recall_at_k": Metric("RecallAtK", "pipeline.item_metrics"),
    "ndcg_at_k": Metric("NDCGAtK", "pipeline.item_metrics"),
    "example_count": Metric("ExampleCount"),
}
"""Metrics in the order they are shown."""


def build_eval_config(evaluation: Evaluation, target: Any) -> "EvalConfig":
    """Return TFMA's configuration for predictions that are already computed, candidate beside baseline."""
    from tensorflow_model_analysis.proto import config_pb2

    names = target_kind(target).METRICS
    metrics = [
        config_pb2.MetricConfig(
            class_name=METRICS[name].tfma,
            module=METRICS[name].module,
            config=json.dumps({"name": name, **{key: getattr(target, key) for key in METRICS[name].settings}}),
            per_slice_thresholds=_thresholds(evaluation.gates.get(name), name),
        )
        for name in names
    ]
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(name=CANDIDATE, label_key=LABEL, example_weight_key=WEIGHT),
            config_pb2.ModelSpec(name=BASELINE, label_key=LABEL, example_weight_key=WEIGHT, is_baseline=True),
        ],
        slicing_specs=[config_pb2.SlicingSpec(feature_keys=keys) for keys in [(), *evaluation.slices]],
        metrics_specs=[config_pb2.MetricsSpec(metrics=metrics)],
    )


def _thresholds(gate: Gate | None, name: str) -> "list[PerSliceMetricThreshold]":
    """Return the gate's bounds for all rows; a plain threshold of TFMA would hold for each slice as well."""
    from tensorflow_model_analysis.proto import config_pb2

    if gate is None:
        return []
    threshold = config_pb2.MetricThreshold()
    if gate.min is not None:
        threshold.value_threshold.lower_bound.value = gate.min
    if gate.max is not None:
        threshold.value_threshold.upper_bound.value = gate.max
    if gate.not_worse_than_served_by is not None:
        higher = METRICS[name].higher_is_better
        direction = config_pb2.MetricDirection
        threshold.change_threshold.direction = direction.HIGHER_IS_BETTER if higher else direction.LOWER_IS_BETTER
        threshold.change_threshold.absolute.value = (
            -gate.not_worse_than_served_by if higher else gate.not_worse_than_served_by
        )
    overall = [config_pb2.SlicingSpec()]
    return [config_pb2.PerSliceMetricThreshold(slicing_specs=overall, threshold=threshold)]
