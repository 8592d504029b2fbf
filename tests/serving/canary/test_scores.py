"""Metrics of labelled predictions, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from serving.canary.scores import METRICS

LABELS = np.array([0, 0, 1, 1.0])
PREDICTIONS = np.array([0.1, 0.6, 0.6, 0.9])


def test_accuracy():
    # 3 of 4 right; with one right and one wrong more 4 of 6
    assert METRICS["accuracy"](LABELS, PREDICTIONS) == (0.75, pytest.approx(4 / 6 * 2 / 6 / 4), 4)


def test_mean_absolute_error():
    # 0.1, 0.6, 0.4, 0.1
    found = METRICS["mean_absolute_error"](LABELS, PREDICTIONS)
    assert found == (pytest.approx(0.3), pytest.approx(np.var([0.1, 0.6, 0.4, 0.1], ddof=1) / 4), 4)


def test_auc():
    # of 4 pairs 3 are in order and one is tied; placements of the positives 0.75, 1, of the negatives 0, 0.25
    found = METRICS["auc"](np.tile(LABELS, 4), np.tile(PREDICTIONS, 4))
    assert found == (0.875, pytest.approx(2 * np.var([0.75, 1] * 4, ddof=1) / 8), 16)


def test_an_auc_of_one_is_not_certain():
    assert METRICS["auc"](LABELS, LABELS) == (1.0, 1 / 16, 4)


def test_the_variance_of_an_auc_is_that_of_many_draws():
    random = np.random.default_rng(2)
    labels = np.repeat([0.0, 1.0], 300)
    drawn = [METRICS["auc"](labels, random.normal(labels, 1)) for _ in range(300)]
    assert np.mean([each.variance for each in drawn]) == pytest.approx(
        np.var([each.estimate for each in drawn]), rel=0.2
    )
