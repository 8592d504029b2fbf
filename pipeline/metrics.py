"""TFMA's results as plain numbers."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from models.settings import Settings
from pipeline.evaluation import CANDIDATE

LOSSES = ("log_loss", "class_log_loss", "label_log_loss", "rmse", "pinball")


class SliceMetrics(Settings):
    """Metrics of one slice.

    Attributes:
        slice: value by column, empty for all rows.
        values: metric by name.
    """

    model_config = ConfigDict(allow_inf_nan=True)

    slice: dict[str, str]
    values: dict[str, float]


def undefined(overall: SliceMetrics, gated: Collection[str]) -> list[str]:
    """Return the metrics whose NaN must stop a model: those with a gate, and the loss, which is NaN if a prediction is.

    Others may be NaN for good reason: there is no precision where nothing is predicted positive.
    """
    return [name for name, value in overall.values.items() if value != value and name in {*gated, *LOSSES}]


def read_metrics(folder: Path) -> list[SliceMetrics]:
    """Return the candidate's metrics in an Evaluator's output: all rows first, then slices by name."""
    import tensorflow_model_analysis as tfma

    named = tfma.load_eval_result(str(folder), model_name=CANDIDATE)
    # without a baseline TFMA forgets the only model's name
    result = named if named.slicing_metrics else tfma.load_eval_result(str(folder))
    found = [
        SliceMetrics(slice={name: str(value) for name, value in key}, values=_values(metrics))
        for key, metrics in result.slicing_metrics
    ]
    return sorted(found, key=lambda entry: (len(entry.slice), sorted(entry.slice.items())))


def _values(metrics: dict[str, Any]) -> dict[str, float]:
    named: dict[str, Any] = metrics.get("", {}).get("", {})
    return {name: float(value["doubleValue"]) for name, value in named.items() if "doubleValue" in value}
