"""Metrics as formulas: a few numbers a row, summed with the rows' weights, then one function of the sums.

So a metric needs any number of rows in any parts (TFMA's way, `pipeline.row_metrics`), and its sampling error costs one
product of weights and rows (`pipeline.bootstrap`). One file a form of label; labels are `[rows]` or `[rows, labels]`,
predictions `[rows, any]`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]


class Formula(NamedTuple):
    """A metric as sums over rows.

    Attributes:
        rows: labels and predictions to `[rows, k]`, dense or a sparse matrix.
        finish: `[..., k]` sums to `[...]` values, NaN where there is none.
    """

    rows: Callable[[Array, Array], Any]
    finish: Callable[[Array], Array]


class Ranked(NamedTuple):
    """A metric by the order of all rows.

    Attributes:
        score: labels, predictions and weights `[resamples, rows]` to `[resamples]` values.
    """

    score: Callable[[Array, Array, Array], Array]


def mean(totals: Array) -> Array:
    """Return sums over how many they are of; NaN of none."""
    return share(totals[..., 0], totals[..., 1])


def share(part: Array, whole: Array) -> Array:
    """Return part / whole, NaN where there is no whole."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def counted(values: Array) -> Array:
    """Return `[rows, 2]`: the values, and ones."""
    return np.stack([values.astype("float64"), np.ones(len(values))], axis=1)


def averaged(values: Callable[[Array, Array], Any]) -> Formula:
    """Return the mean over rows of `values`: labels and predictions to `[rows]`."""
    return Formula(lambda labels, predictions: counted(values(labels, predictions)), mean)
