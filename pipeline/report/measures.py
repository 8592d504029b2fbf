"""How far apart two distributions are, how much a feature tells of the label, and bins that a person likes to read."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

MOST_BINS = 60
NICE = (1.0, 2.0, 2.5, 5.0, 10.0)
DAY_S = 86_400
NICE_S = (1, 5, 15, 60, 300, 900, 3600, 10_800, 21_600, 43_200, DAY_S, 2 * DAY_S, 7 * DAY_S, 14 * DAY_S, 30 * DAY_S)
"""Steps of time in seconds; longer ones are nice numbers of 30 days."""


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


class Bins(NamedTuple):
    """Bins of equal width: bin i holds `start + i * width <= value < start + (i + 1) * width`.

    Attributes:
        start: lower end of the first one.
        width: of each.
        number: how many.
    """

    start: float
    width: float
    number: int

    @property
    def end(self) -> float:
        """Upper end of the last one."""
        return self.start + self.width * self.number


def make_bins(low: float, high: float, *, whole: bool, seconds: bool = False) -> Bins:
    """Return at most MOST_BINS bins that hold `low` and `high`, with ends that are easy to read.

    `whole`: the values are whole numbers; few of them get a bin each, with the number in its middle. `seconds`: they
    are times.
    """
    if whole and not seconds and high - low < MOST_BINS:
        return Bins(low - 0.5, 1.0, round(high - low) + 1)
    if low == high:
        width = abs(low) * 0.1 or 1.0
        return Bins(low - width / 2, width, 1)
    least = (high - low) / (MOST_BINS - 2)
    width = nice_seconds(least) if seconds else nice(least, whole=whole)
    start = math.floor(low / width) * width
    return Bins(start, width, math.floor((high - start) / width + 1e-9) + 1)


def nice(least: float, *, whole: bool = False) -> float:
    """Return the smallest of 1, 2, 2.5, 5 times a power of ten that is not below `least`; a `whole` one if asked."""
    least = max(least, 1.0) if whole else least
    power = math.floor(math.log10(least))
    candidates = [step * 10.0**exponent for exponent in (power, power + 1) for step in NICE]
    return next(found for found in candidates if found >= least * (1 - 1e-9) and (not whole or found % 1 == 0))


def nice_seconds(least: float) -> float:
    """Return a step of time that is not below `least`, in seconds."""
    month = 30 * DAY_S
    return next((float(step) for step in NICE_S if step >= least), nice(least / month, whole=True) * month)
