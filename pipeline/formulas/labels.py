"""Metrics of several labels a row: labels `[rows, labels]` are 0 or 1, predictions `[rows, labels]` probabilities."""

from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.formulas import Array, Formula, Ranked, averaged, share
from pipeline.formulas.binary import weighted_auc


def label_log_loss() -> Formula:
    """Mean negative logarithm of the probability given to each label being there or not."""

    def cost(labels: Array, predictions: Array) -> Any:
        given = np.where(labels > 0.5, predictions, 1 - predictions).clip(1e-7)
        return -np.log(given).mean(axis=1)

    return averaged(cost)


def exact_match() -> Formula:
    """Share of rows with all labels right, at a probability of a half."""
    return averaged(lambda labels, predictions: ((predictions > 0.5) == (labels > 0.5)).all(axis=1))


def micro_precision() -> Formula:
    """Share of the labels with a probability above a half that are there."""
    return _decided(lambda of: share(of[0], of[1]))


def micro_recall() -> Formula:
    """Share of the labels that are there with a probability above a half."""
    return _decided(lambda of: share(of[0], of[2]))


def micro_f1() -> Formula:
    """Harmonic mean of the two."""
    return _decided(lambda of: share(2 * of[0], of[1] + of[2]))


def _decided(finish: Callable[[Array], Array]) -> Formula:
    """Return a function of how many labels are told and there, told, and there."""

    def rows(labels: Array, predictions: Array) -> Array:
        told, there = predictions > 0.5, labels > 0.5
        return np.stack([(told & there).sum(axis=1), told.sum(axis=1), there.sum(axis=1)], axis=1).astype("float64")

    return Formula(rows, lambda totals: finish(np.moveaxis(totals, -1, 0)))


def macro_auc() -> Ranked:
    """Mean area under the ROC curve of the labels that have rows of both kinds."""

    def score(labels: Array, predictions: Array, weights: Array) -> Array:
        each = np.stack([weighted_auc(*pair, weights) for pair in zip(labels.T, predictions.T, strict=True)])
        defined = ~np.isnan(each)
        return share(np.where(defined, each, 0).sum(axis=0), defined.sum(axis=0))

    return Ranked(score)
