"""What a model's predictions are like beside the labels: the numbers of each curve, worked out from the judged rows.

Labels and predictions are as in pipeline.formulas: labels `[rows]` or `[rows, labels]`, predictions `[rows, any]`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.settings import Settings
from pipeline.formulas import Array
from pipeline.formulas.binary import weighted_auc

POINTS = 120
"""Of a curve, about."""
BINS = 10
SCORE_BINS = 40
CELLS = 30
"""Of predicted and of actual numbers, each way."""
GROUPS = 20
"""Of rows by their prediction."""
BAND = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles of what a group's rows are off by."""
SHOWN_CLASSES = 12
EDGE = 0.005
"""Share of numbers left out at either side of a drawing."""


class Curve(Settings):
    """Points (across, up) in their order."""

    points: tuple[tuple[float, float], ...]


class CalibrationBin(Settings):
    """Rows whose probability lies in a tenth: their mean probability, their share of yes, how many."""

    predicted: float
    observed: float
    rows: int


class Decided(Settings):
    """Rows by what was decided and what is true."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int


class Density(Settings):
    """Rows by predicted (across) and actual number (up) in cells of equal size between `low` and `high`."""

    low: float
    high: float
    rows: tuple[tuple[int, ...], ...]


class Residuals(Settings):
    """What rows of about the same prediction are off by, actual less predicted: at the quantiles BAND."""

    predicted: float
    quantiles: tuple[float, ...]


class Level(Settings):
    """A quantile that is predicted, and the share of labels that do not exceed it."""

    level: float
    share: float


class ClassRow(Settings):
    """A class or label: its rows, and how well it is told; None where it is not defined."""

    name: str
    rows: int
    precision: float | None
    recall: float | None
    auc: float | None = None


def roc(labels: Array, scores: Array) -> Curve:
    """Return the share of positive rows told, by the share of negative rows told by mistake; labels of both kinds."""
    told, hits = _told(labels, scores)
    across, up = (told - hits) / max(told[-1] - hits[-1], 1), hits / max(hits[-1], 1)
    return _thinned(np.append(0.0, across), np.append(0.0, up), across + up)


def precision_recall(labels: Array, scores: Array) -> Curve:
    """Return the share of the told rows that are positive, by the share of positive rows told."""
    told, hits = _told(labels, scores)
    across, up = hits / max(hits[-1], 1), hits / told
    return _thinned(np.append(0.0, across), np.append(up[0], up), across)


def _told(labels: Array, scores: Array) -> tuple[Array, Array]:
    """Return how many rows are told at each threshold from the highest score on, and how many of them are positive."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    return ends + 1, np.cumsum(labels[order] > 0.5)[ends]


def _thinned(across: Array, up: Array, by: Array) -> Curve:
    """Return the points next to POINTS places along `by`, which rises; the first and the last are among them."""
    places = np.searchsorted(by, np.linspace(0, by[-1], POINTS)) + 1
    kept = np.unique(np.concatenate([[0], np.minimum(places, len(across) - 1), [len(across) - 1]]))
    return Curve(points=tuple((round(float(across[i]), 5), round(float(up[i]), 5)) for i in kept))


def calibration(labels: Array, scores: Array) -> tuple[CalibrationBin, ...]:
    """Return the tenths that have rows."""
    places = (scores * BINS).astype("int64").clip(0, BINS - 1)
    found = []
    for place in np.unique(places):
        inside = places == place
        predicted, observed = float(scores[inside].mean()), float(labels[inside].mean())
        found.append(CalibrationBin(predicted=predicted, observed=observed, rows=int(inside.sum())))
    return tuple(found)


def decided(labels: Array, scores: Array, threshold: float) -> Decided:
    """Return the rows by decision: yes from the threshold on."""
    told, there = scores >= threshold, labels > 0.5
    return Decided(
        true_positives=int((told & there).sum()),
        false_positives=int((told & ~there).sum()),
        false_negatives=int((~told & there).sum()),
        true_negatives=int((~told & ~there).sum()),
    )


def score_rows(labels: Array, scores: Array) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the negative and the positive rows by their probability, in bins of equal width."""
    no, yes = (np.histogram(scores[picked], SCORE_BINS, (0, 1))[0].tolist() for picked in (labels <= 0.5, labels > 0.5))
    return tuple(no), tuple(yes)


def confusion(labels: Array, predictions: Array) -> tuple[tuple[int, ...], ...]:
    """Return rows by true class (down) and likeliest class (across): the first classes, then the others as one."""
    size = predictions.shape[1]
    shown = size if size <= SHOWN_CLASSES + 1 else SHOWN_CLASSES
    # a class that the training split does not have is one of the others
    true = np.where((labels < 0) | (labels >= shown), shown, labels)
    told = np.minimum(predictions.argmax(axis=1), shown)
    rest = int(size > shown or bool((labels < 0).any()))
    counts = np.zeros((shown + 1, shown + 1), "int64")
    np.add.at(counts, (true, told), 1)
    return tuple(map(tuple, counts[: shown + rest, : shown + rest].tolist()))


def classes(labels: Array, predictions: Array, names: Sequence[str]) -> tuple[ClassRow, ...]:
    """Return how well each class is told, by the likeliest one."""
    told, size = predictions.argmax(axis=1), predictions.shape[1]
    rows, said = np.bincount(labels[labels >= 0], minlength=size), np.bincount(told, minlength=size)
    hits = np.bincount(told[told == labels], minlength=size)
    return tuple(
        ClassRow(name=names[i], rows=int(rows[i]), precision=_share(hits[i], said[i]), recall=_share(hits[i], rows[i]))
        for i in range(size)
    )


def label_rows(labels: Array, predictions: Array, names: Sequence[str]) -> tuple[ClassRow, ...]:
    """Return how well each label is told, at a probability of a half."""
    told, there = predictions > 0.5, labels > 0.5
    hits, weights = (told & there).sum(axis=0), np.ones((1, len(labels)), "uint8")
    return tuple(
        ClassRow(
            name=name,
            rows=int(there[:, i].sum()),
            precision=_share(hits[i], told[:, i].sum()),
            recall=_share(hits[i], there[:, i].sum()),
            auc=_number(weighted_auc(labels[:, i], predictions[:, i], weights)[0]),
        )
        for i, name in enumerate(names)
    )


def density(labels: Array, predicted: Array) -> Density:
    """Return the rows by predicted and actual number; those far outside are left out."""
    both = np.concatenate([labels, predicted])
    low, high = (float(bound) for bound in np.quantile(both, (EDGE, 1 - EDGE)))
    if low == high:
        low, high = low - 0.5, high + 0.5
    rows = np.histogram2d(predicted, labels, CELLS, ((low, high), (low, high)))[0].astype("int64")
    return Density(low=low, high=high, rows=tuple(map(tuple, rows.tolist())))


def residuals(labels: Array, predicted: Array) -> tuple[Residuals, ...]:
    """Return what groups of about as many rows each, by their prediction, are off by."""
    order = np.argsort(predicted, kind="stable")
    groups = [group for group in np.array_split(order, GROUPS) if len(group)]
    return tuple(
        Residuals(
            predicted=float(predicted[group].mean()),
            quantiles=tuple(map(float, np.quantile(labels[group] - predicted[group], BAND))),
        )
        for group in groups
    )


def coverage(labels: Array, predictions: Array, levels: Sequence[float]) -> tuple[Level, ...]:
    """Return, by predicted quantile, the share of labels that do not exceed it; its level, if all is well."""
    shares = (labels[:, None] <= predictions).mean(axis=0)
    return tuple(Level(level=level, share=float(share)) for level, share in zip(levels, shares, strict=True))


def recall_by_k(labels: Array, predictions: Array) -> Curve:
    """Return the share of rows whose item is among the first k of the answer, by k."""
    hits = (predictions == labels[:, None]) & (labels[:, None] >= 0)
    shares = np.maximum.accumulate(hits, axis=1).mean(axis=0)
    return Curve(points=tuple((float(k), round(float(share), 5)) for k, share in enumerate(shares, 1)))


def _share(part: Any, whole: Any) -> float | None:
    return float(part / whole) if whole else None


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
