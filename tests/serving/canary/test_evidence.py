"""Bounds and verdicts against numbers worked out by hand, and against chance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.canary.bounds import Chances, bound_distance, bound_mean, bound_quantile
from serving.canary.evidence import judge
from serving.canary.plan import Plan
from serving.canary.sketch import Sketch, measure_distance
from serving.canary.tally import Score, Sides, Tally, add_up

CHANCES = Chances(0.01, 0.05)
NONE = {"error_rate": None, "p99_ms": None, "drift": None}


def sketch(values) -> Sketch:
    made = Sketch()
    made.add(values)
    return made


def tally(requests=1000, errors=0, latency=10.0, prediction=0.5) -> Tally:
    count = requests - errors
    return Tally(requests, errors, sketch(np.full(count, latency)), sketch(np.full(count, prediction)))


def judge_rule(name, rule, stable, canary, scores=None):
    plan = Plan.model_validate({"rules": NONE | {name: rule}, "steps": [{"share": 0.5}]})
    return judge(Sides(stable, canary), scores or {}, plan)


def test_a_sketch_keeps_values_within_a_hundredth_and_their_order():
    values = np.array([-1e6, -3.7, -1e-3, 0, 1e-3, 0.5, 3.7, 1e6])
    made = sketch(np.repeat(values, 10))
    found = [made.find_quantile((place + 0.5) / 8) for place in range(8)]
    np.testing.assert_allclose(found, values, rtol=0.008)
    lows, highs = ([made.find_quantile((place + 0.5) / 8, edge) for place in range(8)] for edge in ("low", "high"))
    assert (np.float32(lows) <= np.float32(values)).all()
    assert (np.float32(highs) >= np.float32(values)).all()
    assert (made.size, made.find_quantile(0), made.find_quantile(1)) == (80, -np.inf, np.inf)


@given(st.lists(st.floats()))
def test_one_by_one_is_all_at_once(values):
    one_by_one = Sketch()
    for value in values:
        one_by_one.add_one(value)
    assert one_by_one == sketch(values)


def test_nan_is_above_all_whatever_its_sign():
    made = sketch([1.0, np.nan, np.copysign(np.nan, -1), np.inf])
    assert len(made.counts) == 3
    assert np.isnan(made.find_quantile(0.9))


def test_the_distance_is_the_largest_gap_of_the_distributions():
    assert measure_distance(sketch([1, 2, 3, 4]), sketch([3, 4, 5, 6])) == 0.5
    assert measure_distance(sketch([1, 2]), sketch([1, 2])) == 0
    assert measure_distance(sketch([1]), sketch([9])) == 1


def test_the_mixture_bound_by_hand():
    # I = 100, 1 / scale² = 4: sqrt(2 · 104 · (ln(26) / 2 + ln(1 / 0.02))) / 100
    found = bound_mean(1.0, 0.01, 0.5, CHANCES)
    assert found.low == pytest.approx(1 - math.sqrt(208 * (math.log(26) / 2 + math.log(50))) / 100)
    assert found.high == pytest.approx(1 + math.sqrt(208 * (math.log(26) / 2 + math.log(10))) / 100)


def test_a_distance_by_hand():
    found = bound_distance(sketch(np.zeros(100)), sketch(np.ones(400)), CHANCES)
    bands = [
        0.85 * math.sqrt((math.log(1 + math.log(size)) + 0.8 * math.log(1612 / 0.005)) / size) for size in (100, 400)
    ]
    assert found.low == pytest.approx(1 - sum(bands))
    assert (found.estimate, found.high) == (1, 1)


def test_few_values_say_nothing_of_a_high_quantile():
    few, many = (bound_quantile(sketch(np.arange(1.0, size)), 0.99, CHANCES) for size in (101, 5_001))
    assert few.high == np.inf
    assert many.low < many.estimate < many.high
    assert many.estimate == pytest.approx(4_950, rel=0.008)


@pytest.mark.parametrize(
    ("errors", "verdict", "difference"), [(0, "kept", ""), (100, "open", "worse"), (400, "broken", "worse")]
)
def test_error_rates(errors, verdict, difference):
    (found,) = judge_rule("error_rate", {"worse_by": 0.01}, tally(10_000), tally(10_000, errors))
    assert (found.rule, found.stable, found.canary, found.verdict) == ("error_rate", 0, errors / 10_000, verdict)
    assert found.difference == difference


@pytest.mark.parametrize(("latency", "verdict"), [(11, "kept"), (15, "open"), (21, "broken")])
@pytest.mark.parametrize("rule", ["1.5x", 5.25])
def test_latencies(latency, verdict, rule):
    random = np.random.default_rng(0)
    sides = [tally(20_000), tally(20_000)]
    for side, middle in zip(sides, (10, latency), strict=True):
        side.latency_ms = sketch(middle * random.uniform(0.95, 1.05, 20_000))
    (found,) = judge_rule("p99_ms", {"worse_by": rule}, *sides)
    assert found.verdict == verdict


@pytest.mark.parametrize(("canary", "verdict"), [(0.5, "kept"), (0.7, "broken")])
def test_drift(canary, verdict):
    (found,) = judge_rule("drift", {"at_most": 0.2}, tally(5000), tally(5000, prediction=canary))
    assert (found.stable, found.verdict) == (None, verdict)


def test_scores_with_labels():
    good, bad = Score(0.80, 1e-6, 5000), Score(0.75, 1e-6, 5000)
    cases = (("auc", bad, "broken"), ("auc", good, "kept"), ("mean_absolute_error", bad, "kept"))
    for (name, canary, verdict), difference in zip(cases, ("worse", "", "better"), strict=True):
        (found,) = judge_rule(name, {"worse_by": 0.01}, tally(), tally(), {name: (good, canary)})
        assert (found.rule, found.verdict, found.difference) == (name, verdict, difference)


def test_nothing_is_concluded_from_next_to_nothing():
    assert judge_rule("error_rate", {"worse_by": 0.01}, tally(1000), tally(49, 49)) == ()
    assert judge_rule("auc", {"worse_by": 0.01}, tally(), tally(), {"auc": (Score(1, 0.1, 9), Score(0, 0.1, 9))}) == ()


def test_what_servers_counted_adds_up():
    both = add_up([Sides(tally(10, 1), tally(5)), Sides(tally(20), tally(6, 2, latency=30.0))])
    assert (both.stable.requests, both.stable.errors, both.canary.requests, both.canary.errors) == (30, 1, 11, 2)
    assert both.canary.latency_ms.size == 9


def test_many_looks_find_no_more_false_alarms_than_promised():
    """500 canaries as good as stable, 200 looks each: at 0.05 a test made for one look would alarm in over a third."""
    random = np.random.default_rng(3)
    alarms = 0
    for _ in range(500):
        steps = np.cumsum(random.normal(0, 1, 200))
        information = np.arange(1, 201)
        alarms += any(
            bound_mean(total / size, 1 / size, 0.3, Chances(0.05, 0.05)).low > 0
            for total, size in zip(steps, information, strict=True)
        )
    assert alarms / 500 <= 0.05
