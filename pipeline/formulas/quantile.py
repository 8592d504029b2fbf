"""Metrics of quantiles: labels `[rows]`, predictions `[rows, quantiles]`, rising, in the label's unit."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.formulas import Array, Formula, averaged


def pinball(quantiles: Sequence[float]) -> Formula:
    """Mean cost of quantiles: q a unit above the quantile q, 1 - q a unit below (Koenker and Bassett 1978)."""
    levels = np.asarray(quantiles)

    def cost(labels: Array, predictions: Array) -> Any:
        above = labels[:, None].astype("float64") - predictions
        return np.maximum(levels * above, (levels - 1) * above).mean(axis=1)

    return averaged(cost)


def coverage() -> Formula:
    """Share of labels from the first to the last quantile."""
    return averaged(lambda labels, predictions: (predictions[:, 0] <= labels) & (labels <= predictions[:, -1]))


def interval_width() -> Formula:
    """Mean distance of the first and the last quantile."""
    return averaged(lambda _, predictions: predictions[:, -1] - predictions[:, 0])
