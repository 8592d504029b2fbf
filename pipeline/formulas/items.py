"""Metrics of an answer of items beside the one that was taken: labels `[rows]`, predictions `[rows, k]` item ids."""

from typing import Any

import numpy as np

from pipeline.formulas import Array, Formula, averaged

FIRST = 10


def recall_at_10() -> Formula:
    """Share of rows whose item is among the first 10."""
    return _recall(FIRST)


def recall_at_k() -> Formula:
    """Share of rows whose item is in the answer."""
    return _recall(None)


def ndcg_at_10() -> Formula:
    """Mean of 1 / log2(1 + place) of the row's item, 0 beyond the first 10 (Jarvelin and Kekalainen 2002)."""
    return _gain(FIRST)


def ndcg_at_k() -> Formula:
    """The same over the whole answer."""
    return _gain(None)


def _hits(labels: Array, predictions: Array, most: int | None) -> Any:
    # -1 is an item that is never answered
    return (predictions[:, :most] == labels[:, None]) & (labels[:, None] >= 0)


def _recall(most: int | None) -> Formula:
    return averaged(lambda labels, predictions: _hits(labels, predictions, most).any(axis=1))


def _gain(most: int | None) -> Formula:
    def gains(labels: Array, predictions: Array) -> Any:
        hits = _hits(labels, predictions, most)
        return (hits / np.log2(np.arange(2, hits.shape[1] + 2))).sum(axis=1)

    return averaged(gains)
