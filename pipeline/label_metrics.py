"""Metrics of several labels a row: labels `[rows, labels]` are 0 or 1, predictions `[rows, labels]` probabilities."""

import numpy as np

from pipeline.row_metrics import Array, Formula, RowMetric, count, mean

BINS = 1000
"""Of a probability, for the area under the curve: exact to about a thousandth."""


def _log_loss(labels: Array, predictions: Array) -> Array:
    given = np.where(labels > 0.5, predictions, 1 - predictions).clip(1e-7)
    return count(-np.log(given).mean(axis=1))


def _exact(labels: Array, predictions: Array) -> Array:
    return count(((predictions > 0.5) == (labels > 0.5)).all(axis=1))


def _decisions(labels: Array, predictions: Array) -> Array:
    """Return how many labels are told and there, told, and there."""
    told, there = predictions > 0.5, labels > 0.5
    return np.array([(told & there).sum(), told.sum(), there.sum()], "float64")


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def _histograms(labels: Array, predictions: Array) -> Array:
    """Return rows by label, class (0, 1) and bin of the probability, `[labels * 2 * BINS]`."""
    width = labels.shape[1]
    bins = (np.nan_to_num(predictions) * BINS).astype("int64").clip(0, BINS - 1)
    places = (np.arange(width) * 2 + (labels > 0.5)) * BINS + bins
    return np.bincount(places.reshape(-1), minlength=width * 2 * BINS).astype("float64")


def _mean_auc(totals: Array) -> float:
    """Return the mean over the labels with rows of both classes: the chance that a row with it has the higher one."""
    histograms = totals.reshape(-1, 2, BINS) if totals.size > 1 else np.zeros((1, 2, BINS))
    without, having = histograms[:, 0], histograms[:, 1]
    below = np.cumsum(without, axis=1) - without / 2
    pairs = without.sum(axis=1) * having.sum(axis=1)
    defined = pairs > 0
    return float(((having * below).sum(axis=1)[defined] / pairs[defined]).mean()) if defined.any() else float("nan")


class MacroAUC(RowMetric):
    """Mean over the labels of the area under the ROC curve."""

    def __init__(self, name: str = "macro_auc") -> None:
        super().__init__(name, Formula(_histograms, _mean_auc))


class MicroF1(RowMetric):
    """Harmonic mean of the two below."""

    def __init__(self, name: str = "micro_f1") -> None:
        super().__init__(name, Formula(_decisions, lambda found: _share(2 * found[0], found[1] + found[2])))


class MicroPrecision(RowMetric):
    """Share of the labels with a probability above a half that are there."""

    def __init__(self, name: str = "micro_precision") -> None:
        super().__init__(name, Formula(_decisions, lambda found: _share(found[0], found[1])))


class MicroRecall(RowMetric):
    """Share of the labels that are there with a probability above a half."""

    def __init__(self, name: str = "micro_recall") -> None:
        super().__init__(name, Formula(_decisions, lambda found: _share(found[0], found[2])))


class LabelLogLoss(RowMetric):
    """Mean negative logarithm of the probability given to each label being there or not."""

    def __init__(self, name: str = "label_log_loss") -> None:
        super().__init__(name, Formula(_log_loss, mean))


class ExactMatch(RowMetric):
    """Share of rows with all labels right, at a probability of a half."""

    def __init__(self, name: str = "exact_match") -> None:
        super().__init__(name, Formula(_exact, mean))
