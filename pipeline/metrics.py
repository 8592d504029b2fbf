"""TFMA's results as plain numbers."""

from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from models.settings import Settings
from pipeline.evaluation import CANDIDATE


class SliceMetrics(Settings):
    """Metrics of one slice.

    Attributes:
        slice: value by column, empty for all rows.
        values: metric by name.
    """

    model_config = ConfigDict(allow_inf_nan=True)

    slice: dict[str, str]
    values: dict[str, float]


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
