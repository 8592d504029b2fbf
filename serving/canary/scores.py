"""Metrics of predictions whose labels have come, each with the variance of its estimate."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from serving.canary.tally import Score

_Numbers = NDArray[np.float64]
_POSITIVE = 0.5


def score_accuracy(labels: _Numbers, predictions: _Numbers) -> Score:
    """Share of rows whose prediction is on the label's side of 0.5."""
    right = (predictions > _POSITIVE) == (labels > _POSITIVE)
    # one right and one wrong row more, or the variance would be 0 before the first wrong one
    smoothed = (right.sum() + 1) / (len(right) + 2)
    return Score(float(right.mean()), float(smoothed * (1 - smoothed) / len(right)), len(right))


def score_error(labels: _Numbers, predictions: _Numbers) -> Score:
    """Mean of the absolute differences."""
    errors = np.abs(predictions - labels)
    return Score(float(errors.mean()), float(errors.var(ddof=1) / len(errors)), len(errors))


def score_auc(labels: _Numbers, predictions: _Numbers) -> Score:
    """Area under the ROC curve, by placements: DeLong, DeLong and Clarke-Pearson 1988, https://doi.org/10.2307/2531595.

    A placement is the share of the other class that a row's prediction beats, ties by half.
    """
    positive, negative = predictions[labels > _POSITIVE], predictions[labels <= _POSITIVE]
    beaten = _place(positive, negative)
    beating = 1 - _place(negative, positive)
    variance = beaten.var(ddof=1) / len(beaten) + beating.var(ddof=1) / len(beating)
    # classes that are wholly apart have no variance to see
    return Score(float(beaten.mean()), float(max(variance, 1 / len(labels) ** 2)), len(labels))


METRICS: Mapping[str, Callable[[_Numbers, _Numbers], Score]] = {
    "accuracy": score_accuracy,
    "auc": score_auc,
    "mean_absolute_error": score_error,
}
"""By the name of their rule."""


def _place(values: _Numbers, others: _Numbers) -> _Numbers:
    ordered = np.sort(others)
    below, upto = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return (below + upto) / (2 * len(others))
