"""TFMA's results as plain numbers."""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from models.settings import Settings
from pipeline.errors import InputError
from pipeline.evaluation import CANDIDATE
from pipeline.judging import natural_order

FOLD = "fold"
"""Column of the rows that a cross-validation has judged, and its only slice; from 0."""
FOLDS_TYPE, FOLDS_FILE = "FoldMetrics", "folds.json"
"""A cross-validation's artifact, and the file with its Folds."""
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


class FoldMetric(Settings):
    """A metric over the folds of a cross-validation.

    Attributes:
        values: by fold; None where it is not defined, as the AUC of rows of one class.
        mean: of the values that there are; None without any.
        deviation: sample standard deviation (n - 1) of them; None of fewer than two.
    """

    values: tuple[float | None, ...]
    mean: float | None
    deviation: float | None


class Folds(Settings):
    """What a cross-validation came to.

    Attributes:
        trained: rows that each fold's network learned from.
        judged: rows of each fold.
        metrics: by name, those of the target.
    """

    trained: tuple[int, ...]
    judged: tuple[int, ...]
    metrics: dict[str, FoldMetric]


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
    return sorted(found, key=_order)


def _order(found: SliceMetrics) -> tuple[int, list[tuple[str, Any]]]:
    return len(found.slice), [(name, natural_order(value)) for name, value in sorted(found.slice.items())]


def _values(metrics: dict[str, Any]) -> dict[str, float]:
    named: dict[str, Any] = metrics.get("", {}).get("", {})
    return {name: float(value["doubleValue"]) for name, value in named.items() if "doubleValue" in value}


def fold_metrics(found: Sequence[SliceMetrics], names: Sequence[str]) -> dict[str, FoldMetric]:
    """Return the metrics of these names, out of those of the slices by FOLD."""
    by_fold = {int(each.slice[FOLD]): each.values for each in found if each.slice}
    return {name: _over_folds([by_fold[fold].get(name, math.nan) for fold in sorted(by_fold)]) for name in names}


def _over_folds(values: Sequence[float]) -> FoldMetric:
    defined = [value for value in values if math.isfinite(value)]
    return FoldMetric(
        values=tuple(value if math.isfinite(value) else None for value in values),
        mean=statistics.fmean(defined) if defined else None,
        deviation=statistics.stdev(defined) if len(defined) > 1 else None,
    )


def read_folds(run: Any) -> Folds | None:
    """Return what the cross-validation of a `pipeline.lineage.Run` came to; None if it had none.

    Raises:
        InputError: what it left is gone or damaged.
    """
    artifact = run.output(FOLDS_TYPE)
    if artifact is None:
        return None
    try:
        return Folds.model_validate_json(Path(artifact.uri, FOLDS_FILE).read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{artifact.uri}: expected the metrics of a cross-validation: {error}") from error
