"""Resamples: what the theory says of their spread, and what pairing does to a difference."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.bootstrap import Estimate, draw, estimate, resampled
from pipeline.evaluation import formula_of

ROWS, RESAMPLES = 2000, 400
RANDOM = np.random.default_rng(5)
SCORES = RANDOM.uniform(0.02, 0.98, ROWS)
LABELS = (RANDOM.uniform(size=ROWS) < SCORES).astype("float32")
WEIGHTS = np.concatenate([np.ones((1, ROWS), "uint8"), draw(ROWS, RESAMPLES)])
METRICS = {name: formula_of(name, {"threshold": 0.5}) for name in ("auc", "pr_auc", "accuracy", "log_loss", "f1")}


def test_a_row_is_drawn_as_often_as_poisson_says() -> None:
    weights = draw(5000, 40)
    assert weights.dtype == np.uint8
    found = [float((weights == count).mean()) for count in range(4)]
    assert found == pytest.approx([math.exp(-1) / math.factorial(count) for count in range(4)], abs=5e-3)
    assert (weights[0] != weights[1]).any()
    np.testing.assert_array_equal(weights, draw(5000, 40))


def test_the_first_resample_is_the_rows_as_they_are() -> None:
    from sklearn.metrics import f1_score, roc_auc_score

    found = resampled(METRICS, LABELS, SCORES[:, None], WEIGHTS)
    assert {name: len(values) for name, values in found.items()} == dict.fromkeys(METRICS, RESAMPLES + 1)
    assert found["auc"][0] == pytest.approx(roc_auc_score(LABELS, SCORES))
    assert found["f1"][0] == pytest.approx(f1_score(LABELS, SCORES > 0.5))


def test_a_share_has_the_spread_of_a_share() -> None:
    found = estimate(resampled(METRICS, LABELS, SCORES[:, None], WEIGHTS)["accuracy"])
    assert found.deviation == pytest.approx(math.sqrt(found.value * (1 - found.value) / ROWS), rel=0.15)


def test_an_area_has_the_spread_of_hanley_and_mcneil() -> None:
    found = estimate(resampled(METRICS, LABELS, SCORES[:, None], WEIGHTS)["auc"])
    area, positive = found.value, LABELS.sum()
    negative = ROWS - positive
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + (positive - 1) * (one - area**2) + (negative - 1) * (two - area**2)) / (
        positive * negative
    )
    assert found.deviation == pytest.approx(math.sqrt(variance), rel=0.15)


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline import bootstrap

    whole = resampled(METRICS, LABELS, SCORES[:, None], WEIGHTS)
    monkeypatch.setattr(bootstrap, "CHUNK", 7 * ROWS)
    for name, values in resampled(METRICS, LABELS, SCORES[:, None], WEIGHTS).items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-9)


def test_a_paired_difference_is_surer_than_its_parts() -> None:
    other = (SCORES + RANDOM.normal(0, 0.02, ROWS)).clip(0.01, 0.99)
    one, two = (resampled(METRICS, LABELS, scores[:, None], WEIGHTS)["auc"] for scores in (SCORES, other))
    assert estimate(one - two).deviation < 0.2 * estimate(one).deviation


def test_bounds_are_those_of_the_normal_distribution() -> None:
    found = Estimate(0.8, 0.01)
    assert found.below(0.975) == pytest.approx(0.8 - 1.959964 * 0.01)
    assert found.above(0.95) == pytest.approx(0.8 + 1.644854 * 0.01)
    assert found.chance_below(0.78) == pytest.approx(0.02275, abs=1e-5)


@pytest.mark.parametrize(("value", "chance"), [(0.8, 0.0), (0.7, 1.0), (math.nan, 1.0)])
def test_without_a_spread_the_value_alone_counts(value: float, chance: float) -> None:
    assert Estimate(value, 0.0).chance_below(0.75) == chance
    assert Estimate(value, math.nan).chance_below(0.75) == chance


def test_a_metric_that_most_resamples_lack_has_no_spread() -> None:
    assert math.isnan(estimate(np.array([0.5, np.nan, np.nan, np.nan, 0.5])).deviation)
