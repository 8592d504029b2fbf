"""Which columns go together: Spearman's correlation of numbers, and of the indicators of frequent texts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

BLOCKS = 8


def ranks(values: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Return average ranks, `[rows] float64` from 1; a missing value (NaN) has the mean of the others."""
    import numpy as np

    present = ~np.isnan(values)
    _, places, counts = np.unique(values[present], return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    found = np.full(len(values), (present.sum() + 1) / 2)
    found[present] = ((ends - counts + 1 + ends) / 2)[places]
    return found


def correlate(columns: Sequence["np.ndarray[Any, Any]"]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return Pearson's correlation of each pair below the diagonal, 0 for a column that does not vary; its error.

    The standard error is that of the mean of BLOCKS blocks of consecutive rows: where a week's weather is the same
    for thousands of rows, the number of rows says little.
    """
    import numpy as np

    if len(columns) < 2 or len(columns[0]) < 2 * BLOCKS:
        return (), ()
    matrix = np.stack(columns).astype("float32")
    whole = _correlations(matrix)
    blocks = np.stack([_correlations(block) for block in np.array_split(matrix, BLOCKS, axis=1)])
    errors = blocks.std(axis=0, ddof=1) / np.sqrt(BLOCKS)
    return _rounded(whole), _rounded(errors)


def _rounded(values: "np.ndarray[Any, Any]") -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in values)


def _correlations(matrix: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Return Pearson's correlation of each pair of rows below the diagonal, `[pairs] float32`."""
    import numpy as np

    centered = matrix - matrix.mean(axis=1, keepdims=True)
    norms = np.sqrt(np.square(centered).sum(axis=1, keepdims=True))
    centered /= np.where(norms > 0, norms, 1)
    found: np.ndarray[Any, Any] = (centered @ centered.T)[np.tril_indices(len(matrix), -1)]
    return found


def rank_auc(values: "np.ndarray[Any, Any]", label: "np.ndarray[Any, Any]") -> float | None:
    """Return the area under the ROC curve of a number for a label of 0 and 1, by Mann and Whitney (1947)."""
    known = ~(values != values) & ~(label != label)
    positive = label[known] > 0
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return None
    area = (ranks(values[known])[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros)
    return float(max(area, 1 - area))


def binned_auc(cells: Sequence[tuple[int, int, int]]) -> float | None:
    """Return the area under the ROC curve of bins in the order of their share of ones: (bin, class, rows)."""
    bins: dict[int, list[int]] = {}
    for place, label, rows in cells:
        bins.setdefault(place, [0, 0])[min(label, 1)] += rows
    ordered = sorted(bins.values(), key=lambda counts: counts[1] / sum(counts))
    zeros, ones = (sum(counts[label] for counts in ordered) for label in (0, 1))
    if not ones or not zeros:
        return None
    below, area = 0, 0.0
    for zero, one in ordered:
        area += one * (below + zero / 2)
        below += zero
    return area / (ones * zeros)
