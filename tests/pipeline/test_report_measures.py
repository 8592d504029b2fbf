"""Distances and information, against values worked out by hand."""

import math

import numpy as np
import pytest

from pipeline.examples.bins import (
    MOST_BINS,
    Bins,
    make_bins,
    nice,
    nice_seconds,
)
from pipeline.examples.information import jensen_shannon, mutual_information


def test_jensen_shannon_is_0_for_equal_and_1_for_disjoint_histograms():
    assert jensen_shannon([1, 2, 3], [10, 20, 30]) == pytest.approx(0, abs=1e-12)
    assert jensen_shannon([5, 0], [0, 7]) == 1
    assert jensen_shannon([0, 0], [1, 1]) is None


def test_jensen_shannon_by_hand():
    # p = (1/2, 1/2), q = (1, 0), m = (3/4, 1/4): H(m) - H(p)/2 = 0.811278 - 0.5
    assert jensen_shannon([1, 1], [2, 0]) == pytest.approx(0.3112781)


def test_jensen_shannon_agrees_with_kullback_leibler():
    p, q = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.25, 0.25, 0.4, 0.1])
    m = (p + q) / 2
    expected = (np.sum(p * np.log2(p / m)) + np.sum(q * np.log2(q / m))) / 2
    assert jensen_shannon(list(p), list(q)) == pytest.approx(expected)


def test_a_feature_that_is_the_label_tells_all_of_it():
    found = mutual_information([(0, 0, 75), (1, 1, 25)])
    assert found is not None
    assert found.share == 1
    # Shannon's entropy and Miller and Madow's (2 - 1) / 2n nats
    assert found.bits == pytest.approx(0.8112781 + 1 / (200 * math.log(2)))


def test_mutual_information_by_hand():
    cells = [(0, 0, 400), (0, 1, 100), (1, 0, 100), (1, 1, 400)]
    found = mutual_information(cells)
    assert found is not None
    plain = 1 - (0.8 * math.log2(1 / 0.8) + 0.2 * math.log2(1 / 0.2))
    # Roulston: (cells - bins - classes + 1) / 2n nats are bias
    assert found.bits == pytest.approx(plain - (4 - 2 - 2 + 1) / (2000 * math.log(2)))


def test_noise_tells_nothing_of_the_label():
    rng = np.random.default_rng(7)
    shares = []
    for _ in range(200):
        table = np.histogram2d(rng.integers(16, size=1000), rng.integers(2, size=1000), bins=(16, 2))[0]
        found = mutual_information([(i, j, int(table[i, j])) for i in range(16) for j in range(2) if table[i, j]])
        assert found is not None
        shares.append(found.share)
    # uncorrected it would be 15 / (2000 ln 2) = 1.1 % on average
    assert np.mean(shares) < 0.003


def test_a_label_of_one_class_has_no_information():
    assert mutual_information([(0, 1, 5), (1, 1, 7)]) is None
    assert mutual_information([]) is None


def test_few_whole_numbers_get_a_bin_each():
    assert make_bins(3, 7, whole=True) == Bins(2.5, 1.0, 5)


@pytest.mark.parametrize(
    ("low", "high", "whole"),
    [
        (0, 1, False),
        (-12, 203, True),
        (0.001, 0.0011, False),
        (-1e30, 1e30, False),
        (5, 1_000_000, True),
        (7, 7, False),
    ],
)
def test_bins_hold_both_ends(low, high, whole):
    bins = make_bins(low, high, whole=whole)
    assert bins.start <= low
    assert high < bins.end
    assert 1 <= bins.number <= MOST_BINS
    assert not whole or bins.width % 1 == 0


def test_times_are_in_steps_of_the_clock():
    assert make_bins(0, 86_400 * 50, whole=False, seconds=True).width == 86_400
    assert nice_seconds(7000) == 10_800
    assert nice_seconds(86_400 * 31) == 2 * 30 * 86_400


def test_nice_numbers():
    assert [nice(value) for value in (0.3, 1, 1.1, 2.1, 26, 0.0001)] == [0.5, 1, 2, 2.5, 50, 0.0001]
    assert [nice(value, whole=True) for value in (0.3, 2.1, 21)] == [1, 5, 25]
