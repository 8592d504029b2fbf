"""Conformal intervals by hand, and that the served network has them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from models.fit.conformal import distance, move, with_interval
from models.targets.quantile import Params

pytestmark = pytest.mark.tensorflow

NUMBER = Params(column="y", quantiles=(0.25, 0.5, 0.75), calibration="conformal")
AMOUNT = NUMBER.model_copy(update={"scale": "log"})


def test_the_distance_is_a_quantile_of_what_lies_outside() -> None:
    found = np.array([[0.0, 5.0, 10.0]] * 5)
    # outside of 0 to 10 by nothing whatever happens (5 is the middle), -1, 2, 3, 7: half needs rank ceil(6 / 2) = 3
    assert distance(found, np.array([5.0, 1.0, 12.0, -3.0, 17.0]), NUMBER) == 2
    assert distance(found, np.array([5.0, 5.0, 5.0, -3.0, 17.0]), NUMBER) == -np.inf
    wide = NUMBER.model_copy(update={"quantiles": (0.01, 0.99)})
    assert distance(found, np.array([5.0, 1.0, 12.0, -3.0, 17.0]), wide) == 7


def test_an_end_at_0_of_an_amount_holds_every_label() -> None:
    found = np.array([[0.0, 1.0, 3.0], [0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [0.0, 1.0, 3.0], [0.0, 1.0, 3.0]])
    # by log(1 + y): twice never outside, log(2 / 1) where the low end is not 0, log(12 / 4), log(3 / 4); third of five
    labels = np.array([0.0, 0.0, 0.0, 11.0, 2.0])
    assert distance(found, labels, AMOUNT) == pytest.approx(math.log(3 / 4))
    assert distance(found[:4], labels[:4], AMOUNT) == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("params", "outwards", "expected"),
    [
        (NUMBER, 2.0, [[-1.0, 2.0, 5.0], [-2.0, 1.0, 8.0]]),
        (NUMBER, -np.inf, [[2.0, 2.0, 2.0], [1.0, 1.0, 1.0]]),
        (NUMBER, -4.0, [[2.0, 2.0, 2.0], [1.0, 1.0, 2.0]]),
        (AMOUNT, math.log(2), [[0.0, 2.0, 7.0], [0.0, 1.0, 13.0]]),
        (AMOUNT, -np.inf, [[2.0, 2.0, 2.0], [0.0, 1.0, 1.0]]),
        (AMOUNT, -math.log(2), [[2.0, 2.0, 2.0], [0.0, 1.0, 2.5]]),
    ],
)
def test_both_ends_move_but_not_beyond_the_middle(params: Params, outwards: float, expected: Any) -> None:
    moved = move(np.array([[1.0, 2.0, 3.0], [0.0, 1.0, 6.0]], "float32"), outwards, params)
    np.testing.assert_allclose(np.asarray(moved), expected, rtol=1e-6)


def test_two_quantiles_shrink_to_their_middle() -> None:
    ends = NUMBER.model_copy(update={"quantiles": (0.25, 0.75)})
    np.testing.assert_allclose(np.asarray(move(np.array([[1.0, 3.0]], "float32"), -5.0, ends)), [[2.0, 2.0]])


def test_a_network_gets_the_coverage_that_it_should_have() -> None:
    import keras

    random = np.random.default_rng(0)
    labels = random.normal(0, 1, 4000)
    inputs = keras.Input((1,), name="x")
    network = keras.Model({"x": inputs}, inputs * 0 + np.array([[-0.1, 0.0, 0.1]], "float32"))
    found = np.tile(np.array([-0.1, 0.0, 0.1]), (len(labels), 1))
    served = with_interval(network, found, labels, NUMBER)
    low, middle, high = np.asarray(served({"x": np.zeros((1, 1), "float32")}))[0]
    assert middle == 0
    # half of a normal distribution lies within 0.6745 deviations
    assert [low, high] == pytest.approx([-0.6745, 0.6745], abs=0.03)


def test_an_interval_needs_two_quantiles() -> None:
    with pytest.raises(ValueError, match=r"needs an interval, two quantiles or more, received \[0.5\]"):
        Params(column="y", quantiles=(0.5,), calibration="conformal")
