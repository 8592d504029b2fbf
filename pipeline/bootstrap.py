"""How far a metric could be off by the choice of rows: the bootstrap, paired where two models are compared.

Each resample gives every row a weight, how often it is drawn: Poisson with mean 1, as n draws out of n rows come to
(Efron and Tibshirani 1993; Hanley and MacGibbon 2006). Both models get the same weights, so what is hard or easy about
the rows cancels in their difference.
"""

import math
from collections.abc import Iterator, Mapping
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from pipeline.formulas import Array, Formula, Ranked

CHUNK = 2_000_000
"""Weights worked on at a time: 8 MB of float32."""
BLOCK = 8192
"""Rows of all resamples that are added up at a time."""
MOST_WEIGHTS = 60_000_000
"""Weights of all resamples, a byte each: of more rows fewer resamples, whose error is the smaller."""
FEWEST = 100
LARGEST = 8
"""A row is drawn more often in one of a million resamples."""


class Estimate(NamedTuple):
    """A number with its sampling error.

    Attributes:
        value: over the rows as they are.
        deviation: standard deviation over the resamples; NaN where most have no value.
    """

    value: float
    deviation: float

    def below(self, confidence: float) -> float:
        """Return the number that it is above, with `confidence`: a one-sided bound."""
        return self.value - NormalDist().inv_cdf(confidence) * self.deviation

    def above(self, confidence: float) -> float:
        """Return the number that it is below, with `confidence`."""
        return self.value + NormalDist().inv_cdf(confidence) * self.deviation

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the two-sided interval."""
        side = (1 + confidence) / 2
        return self.below(side), self.above(side)

    def chance_below(self, bound: float) -> float:
        """Return how likely the rows would put it so far above `bound`, or farther, if it were there (one-sided p).

        Of a number whose error is not known nothing is shown.
        """
        if math.isnan(self.deviation):
            return 1.0
        if not self.deviation > 0:
            return 1.0 if not self.value > bound else 0.0
        return 1 - NormalDist().cdf((self.value - bound) / self.deviation)


def draw(rows: int, resamples: int, seed: int = 0) -> Array:
    """Return `[resamples, rows] uint8` weights."""
    shares = np.cumsum([math.exp(-1) / math.factorial(count) for count in range(LARGEST)])
    random = np.random.default_rng(seed)
    weights = np.zeros((resamples, rows), "uint8")
    for row in weights:
        drawn = random.random(rows, dtype="float32")
        for bound in shares:
            row += drawn > bound
    return weights


def weigh(rows: int, resamples: int) -> Array:
    """Return `[1 + resamples, rows] uint8` weights: the rows as they are, then resamples; of many rows fewer."""
    drawn = max(FEWEST, min(resamples, MOST_WEIGHTS // max(rows, 1)))
    return np.concatenate([np.ones((1, rows), "uint8"), draw(rows, drawn)])


def resampled(
    metrics: Mapping[str, Formula | Ranked], labels: Array, predictions: Array, weights: Array
) -> dict[str, Array]:
    """Return each metric over each resample, `[resamples]`; the first of them may be ones, for the rows as they are.

    Args:
        metrics: by name.
        labels: `[rows, ...]`.
        predictions: `[rows, any]`, one model's.
        weights: `[resamples, rows]`.
    """
    formulas = {name: metric for name, metric in metrics.items() if isinstance(metric, Formula)}
    ranked = {name: metric for name, metric in metrics.items() if isinstance(metric, Ranked)}
    rows = [formula.rows(labels, predictions) for formula in formulas.values()]
    # one product for all of them: the weights are by far the largest matrix
    matrix = np.concatenate(rows, axis=1, dtype="float64") if rows else np.zeros((len(labels), 0))
    ends = np.cumsum([each.shape[1] for each in rows])[:-1]
    sums = np.split(_add_up(weights, matrix), ends, axis=1)
    found = {name: formula.finish(totals) for (name, formula), totals in zip(formulas.items(), sums, strict=False)}
    for name, metric in ranked.items():
        found[name] = np.concatenate([metric.score(labels, predictions, chunk) for chunk in _chunks(weights)])
    return {name: found[name] for name in metrics}


def _add_up(weights: Array, matrix: Array) -> Array:
    """Return the product; by blocks of rows that a cache holds, ten times as fast as by resamples over all rows."""
    sums = np.zeros((len(weights), matrix.shape[1]))
    for start in range(0, len(matrix), BLOCK):
        block = slice(start, start + BLOCK)
        sums += weights[:, block].astype("float64") @ matrix[block]
    return sums


def _chunks(weights: Array) -> Iterator[Array]:
    step = max(1, CHUNK // max(weights.shape[1], 1))
    for start in range(0, len(weights), step):
        yield weights[start : start + step]


def estimate(values: Array) -> Estimate:
    """Return what `resampled` says of one metric, the rows as they are first."""
    drawn = values[1:][np.isfinite(values[1:])]
    is_known = 2 * len(drawn) > len(values) - 1
    return Estimate(float(values[0]), float(drawn.std(ddof=1)) if is_known and len(drawn) > 1 else float("nan"))


def gap_of(one: Estimate, other: Estimate) -> Estimate:
    """Return the distance of two values' metrics; they have no row in common: their errors are independent."""
    return Estimate(abs(one.value - other.value), math.hypot(one.deviation, other.deviation))


def farthest(found: list[Estimate], bound: float) -> tuple[int, int]:
    """Return which two are farther apart than `bound` by the most of their gap's deviations."""
    values, deviations = np.array(found).T
    best, pair = -math.inf, (0, 1)
    # a row of all pairs at a time: of thousands of values there are millions
    for one in range(len(found) - 1):
        beyond = np.abs(values[one + 1 :] - values[one]) - bound
        errors = np.hypot(deviations[one + 1 :], deviations[one])
        # without a deviation a gap is there, or it is not
        sure = np.where(np.isnan(errors), -math.inf, np.copysign(math.inf, beyond))
        scores = np.divide(beyond, errors, out=sure, where=errors > 0)
        at = int(np.argmax(scores))
        if scores[at] > best:
            best, pair = float(scores[at]), (one, one + 1 + at)
    return pair
