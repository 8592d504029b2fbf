"""Metrics of a probability: labels `[rows]` are 0 or 1, predictions `[rows, 1]`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pipeline.formulas import Array, Formula, Ranked, averaged, share

BINS = 10
"""Of a probability, for the calibration error."""
TENTHS = 9
"""Of what is told that must be right, for recall_at_precision_90."""


class Decisions(NamedTuple):
    """Rows by decision: true and false positives, false and true negatives."""

    tp: Array
    fp: Array
    fn: Array
    tn: Array


def log_loss() -> Formula:
    """Mean negative logarithm of the probability given to what happened."""

    def cost(labels: Array, predictions: Array) -> Any:
        probability = predictions[:, 0].clip(1e-7, 1 - 1e-7)
        return -np.where(labels > 0.5, np.log(probability), np.log1p(-probability))

    return averaged(cost)


def calibration_error() -> Formula:
    """Mean distance of probability and share in 10 bins of equal width, by their rows (Naeini et al. 2015)."""

    def rows(labels: Array, predictions: Array) -> Array:
        bins = (np.nan_to_num(predictions[:, 0]) * BINS).astype("int64").clip(0, BINS - 1)
        placed = np.zeros((len(labels), BINS, 2))
        placed[np.arange(len(labels)), bins] = np.stack([predictions[:, 0] - labels, np.ones(len(labels))], axis=1)
        return placed.reshape(len(labels), -1)

    def finish(totals: Array) -> Array:
        bins = totals.reshape(*totals.shape[:-1], BINS, 2)
        return share(np.abs(bins[..., 0]).sum(axis=-1), bins[..., 1].sum(axis=-1))

    return Formula(rows, finish)


def calibration() -> Formula:
    """Sum of the probabilities over the number of positive rows."""
    return Formula(
        lambda labels, predictions: np.stack([predictions[:, 0].astype("float64"), labels], axis=1),
        lambda totals: share(totals[..., 0], totals[..., 1]),
    )


def accuracy(threshold: float) -> Formula:
    """Share of rows on the right side of the threshold."""
    return _decided(threshold, lambda of: share(of.tp + of.tn, of.tp + of.fp + of.fn + of.tn))


def precision(threshold: float) -> Formula:
    """Share of positive rows among those above the threshold."""
    return _decided(threshold, lambda of: share(of.tp, of.tp + of.fp))


def recall(threshold: float) -> Formula:
    """Share of rows above the threshold among the positive ones."""
    return _decided(threshold, lambda of: share(of.tp, of.tp + of.fn))


def f1(threshold: float) -> Formula:
    """Harmonic mean of precision and recall."""
    return _decided(threshold, lambda of: share(2 * of.tp, 2 * of.tp + of.fp + of.fn))


def cost(threshold: float, false_positive: float, false_negative: float) -> Formula:
    """Mean cost of a row's decision."""
    return _decided(
        threshold, lambda of: share(false_positive * of.fp + false_negative * of.fn, of.tp + of.fp + of.fn + of.tn)
    )


def _decided(threshold: float, finish: Callable[[Decisions], Array]) -> Formula:
    """Return a function of the counts of true and false positives, false and true negatives."""

    def rows(labels: Array, predictions: Array) -> Array:
        told, there = predictions[:, 0] >= threshold, labels > 0.5
        return np.stack([told & there, told & ~there, ~told & there, ~told & ~there], axis=1).astype("float64")

    return Formula(rows, lambda totals: finish(Decisions(*np.moveaxis(totals, -1, 0))))


def best_threshold(labels: Array, predictions: Array, false_positive: float, false_negative: float) -> float:
    """Return the probability from which on a decision for yes costs least over these rows; ties: the largest."""
    order = np.argsort(-predictions[:, 0], kind="stable")
    scores, positive = predictions[order, 0], labels[order] > 0.5
    costs = np.concatenate([[0.0], np.cumsum(np.where(positive, -false_negative, false_positive))])
    ends = np.concatenate([[True], scores[1:] != scores[:-1], [True]])
    best = int(np.flatnonzero(ends)[np.argmin(costs[ends])])
    # between the last row that is told and the next one
    above = scores[best - 1] if best else 1.0
    below = scores[best] if best < len(scores) else 0.0
    return float((above + below) / 2)


def auc() -> Ranked:
    """Area under the ROC curve: the chance that a positive row has the higher probability, ties half (exact)."""
    return Ranked(lambda labels, predictions, weights: weighted_auc(labels, predictions[:, 0], weights))


def weighted_auc(labels: Array, scores: Array, weights: Array) -> Array:
    """Return `[resamples]` areas of rows with `weights` `[resamples, rows] uint8`; NaN without rows of both classes."""
    order = np.argsort(scores, kind="stable")
    start, end = _ties(scores[order])
    there = labels[order] > 0.5
    drawn = weights[:, order]
    negative = _running(np.where(there, 0, drawn))
    positive = drawn[:, there].astype("float32")
    below = (negative[:, start[there]] + negative[:, end[there]]) / 2
    pairs = positive.sum(axis=1, dtype="float64") * negative[:, -1]
    return share(np.einsum("ij,ij->i", positive, below, dtype="float64"), pairs)


def pr_auc() -> Ranked:
    """Area under precision over recall, as average precision: no interpolation between the rows' thresholds."""
    return Ranked(
        _by_threshold(lambda positive, told, hits: np.einsum("ij,ij->i", positive, hits / told, dtype="float64"))
    )


def recall_at_precision_90() -> Ranked:
    """Largest share of the positive rows that a threshold finds where 9 of 10 rows it tells are positive; else 0."""
    return Ranked(
        _by_threshold(
            lambda _, told, hits: np.where(10 * hits >= TENTHS * told, hits, 0).max(axis=1, initial=0).astype("float64")
        )
    )


def _by_threshold(total: Callable[[Array, Array, Array], Array]) -> Callable[[Array, Array, Array], Array]:
    """Return a score: `total` over the positive rows by falling probability, as a share of their weight.

    `total` gets `[resamples, positive rows]`: their weights, and of the threshold at each one how many rows are told
    (1 where none is) and how many of them are positive.
    """

    def score(labels: Array, predictions: Array, weights: Array) -> Array:
        order = np.argsort(-predictions[:, 0], kind="stable")
        _, end = _ties(predictions[order, 0])
        there = labels[order] > 0.5
        drawn = weights[:, order]
        told, hits = (_running(each)[:, end[there]] for each in (drawn, np.where(there, drawn, 0)))
        positive = drawn[:, there].astype("float32")
        return share(total(positive, np.maximum(told, 1), hits), positive.sum(axis=1, dtype="float64"))

    return score


def _ties(ordered: Array) -> tuple[Array, Array]:
    """Return, by row of ordered scores, where the rows of the same score start, and where they end."""
    changes = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    bounds = np.concatenate([[0], changes, [len(ordered)]])
    sizes = np.diff(bounds)
    return np.repeat(bounds[:-1], sizes), np.repeat(bounds[1:], sizes)


def _running(weights: Array) -> Array:
    """Return `[resamples, rows + 1] float32` sums of the rows before each one, exact below 2**24."""
    sums = np.zeros((len(weights), weights.shape[1] + 1), "float32")
    np.cumsum(weights, axis=1, dtype="float32", out=sums[:, 1:])
    return sums
