"""Metrics of an answer of items beside the one that was taken: labels `[rows]`, predictions `[rows, k]` item ids."""

import functools

import numpy as np

from pipeline.row_metrics import Array, Formula, RowMetric, count, mean

FIRST = 10


def _hits(most: int | None, labels: Array, predictions: Array) -> Array:
    return count((predictions[:, :most] == labels[:, None]).any(axis=1))


def _gains(most: int | None, labels: Array, predictions: Array) -> Array:
    hits = predictions[:, :most] == labels[:, None]
    return count((hits / np.log2(np.arange(2, hits.shape[1] + 2))).sum(axis=1))


class RecallAt10(RowMetric):
    """Share of rows whose item is among the first 10."""

    def __init__(self, name: str = "recall_at_10") -> None:
        super().__init__(name, Formula(functools.partial(_hits, FIRST), mean))


class RecallAtK(RowMetric):
    """Share of rows whose item is in the answer."""

    def __init__(self, name: str = "recall_at_k") -> None:
        super().__init__(name, Formula(functools.partial(_hits, None), mean))


class NDCGAt10(RowMetric):
    """Mean of 1 / log2(1 + place) of the row's item, 0 beyond the first 10 (Jarvelin and Kekalainen 2002)."""

    def __init__(self, name: str = "ndcg_at_10") -> None:
        super().__init__(name, Formula(functools.partial(_gains, FIRST), mean))


class NDCGAtK(RowMetric):
    """The same over the whole answer."""

    def __init__(self, name: str = "ndcg_at_k") -> None:
        super().__init__(name, Formula(functools.partial(_gains, None), mean))
