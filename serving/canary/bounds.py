"""Bounds that hold at every look at once, so that looking often finds no more false alarms than looking once.

Means: the normal mixture of Robbins (1970), as sequential A/B tests use it: Johari, Koomen, Pekelis and Walsh, "Always
valid inference" (2022, https://arxiv.org/abs/1512.04922), with estimated variances: Waudby-Smith et al., "Time-uniform
central limit theory and asymptotic confidence sequences" (2024, https://arxiv.org/abs/2103.06476). Quantiles and
distribution functions: Howard and Ramdas, "Sequential estimation of quantiles with applications to A/B testing and
best-arm identification" (2022, https://arxiv.org/abs/1906.09712).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from serving.canary.sketch import Sketch, measure_distance


class Interval(NamedTuple):
    """An estimate, and bounds each of which holds at all looks but for its own chance."""

    low: float
    estimate: float
    high: float


class Chances(NamedTuple):
    """How probable it may be that the lower, and that the upper bound is ever wrong."""

    low: float
    high: float


def bound_mean(estimate: float, variance: float, scale: float, chances: Chances) -> Interval:
    """Bounds of a mean, or of a difference of two.

    Args:
        estimate: so far.
        variance: of the estimate.
        scale: the size of the differences that matter: there the bounds are tightest.
        chances: of the two bounds.
    """
    below, above = (_measure_radius(variance, scale, chance) for chance in chances)
    return Interval(estimate - below, estimate, estimate + above)


def bound_quantile(sketch: Sketch, rank: float, chances: Chances) -> Interval:
    """Bounds of a quantile, from the values whose ranks are surely below and above it."""
    variance = rank * (1 - rank) / max(sketch.size, 1)
    ranks = bound_mean(rank, variance, min(rank, 1 - rank) / 2, chances)
    return Interval(
        sketch.find_quantile(ranks.low, "low"),
        sketch.find_quantile(ranks.estimate),
        sketch.find_quantile(ranks.high, "high"),
    )


def bound_distance(first: Sketch, second: Sketch, chances: Chances) -> Interval:
    """Bounds of Kolmogorov and Smirnov's distance: each distribution function is sure within a band."""
    distance = measure_distance(first, second)
    below, above = (sum(_measure_band(each.size, chance / 2) for each in (first, second)) for chance in chances)
    return Interval(max(distance - below, 0), distance, min(distance + above, 1))


def _measure_radius(variance: float, scale: float, chance: float) -> float:
    """With information I = 1 / variance and a prior N(0, scale²) of the effect, a two-sided bound at 2 · chance."""
    information, prior = 1 / variance, scale**2
    odds = math.log1p(prior * information) / 2 - math.log(2 * chance)
    return math.sqrt(2 * (information + 1 / prior) * odds) / information


def _measure_band(size: int, chance: float) -> float:
    """Howard and Ramdas 2022, theorem 2: holds for all sizes at once."""
    if size < 1:
        return 1.0
    return 0.85 * math.sqrt((math.log(math.log(math.e * size)) + 0.8 * math.log(1612 / chance)) / size)
