"""How far apart two distributions are, and how much a feature tells of the label."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np


def jensen_shannon(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return the Jensen-Shannon divergence of two histograms over the same bins, in bits: 0 for equal, 1 for disjoint.

    `first` and `second` are counts or shares; None if one of them is empty. Lin, "Divergence measures based on the
    Shannon entropy" (1991); TFDV's drift and skew comparators measure numbers by it too.
    """
    import numpy as np

    counts = np.array([first, second], float)
    totals = counts.sum(axis=1, keepdims=True)
    if not totals.all():
        return None
    shares = counts / totals
    divergence = _entropy(shares.mean(axis=0)) - (_entropy(shares[0]) + _entropy(shares[1])) / 2
    return min(max(divergence, 0.0), 1.0)


def _entropy(shares: "np.ndarray[Any, Any]") -> float:
    """Return Shannon's entropy in bits."""
    import numpy as np

    positive = shares[shares > 0]
    return float(-(positive * np.log2(positive)).sum())


class Information(NamedTuple):
    """What a feature tells of the label.

    Attributes:
        bits: mutual information.
        share: of the label's entropy, 0 to 1 (Theil's uncertainty coefficient).
    """

    bits: float
    share: float


def mutual_information(cells: Sequence[tuple[int, int, int]]) -> Information | None:
    """Return the mutual information of a feature's bins and the label's, corrected for the bias of few rows.

    `cells` are (bin, class, rows). The correction is Miller-Madow's (1955) of each entropy, (cells in use - 1) / 2n
    nats, which is Roulston's (1999) of the mutual information. None if the label has one class.
    """
    import numpy as np

    if len({label for _, label, _ in cells}) < 2:
        return None
    bins, classes, rows = (np.array(part) for part in zip(*cells, strict=True))
    feature, label = (_corrected(np.unique(keys, return_inverse=True)[1], rows) for keys in (bins, classes))
    joint = _corrected(np.arange(len(rows)), rows)
    bits = min(max(feature + label - joint, 0.0), label)
    return Information(bits, bits / label)


def _corrected(keys: "np.ndarray[Any, Any]", rows: "np.ndarray[Any, Any]") -> float:
    """Return the entropy of `rows` summed by key, in bits, by Miller and Madow."""
    import numpy as np

    counts = np.bincount(keys, weights=rows)
    total = counts.sum()
    return _entropy(counts / total) + float((np.count_nonzero(counts) - 1) / (2 * total * math.log(2)))
