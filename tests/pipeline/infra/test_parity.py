"""The parity certificate, with differences worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.infra.parity import Parity, largest_difference, to_answers

TOLERANCE = 1e-5


def difference(expected, found, relative=False):
    arrays = [{name: np.array(values) for name, values in each.items()} for each in (expected, found)]
    return largest_difference(*arrays, TOLERANCE, relative=relative)


def test_probabilities_differ_by_the_largest_gap():
    assert difference({"p": [0.25, 0.5]}, {"p": [0.25, 0.4375]}) == 0.0625


def test_values_with_a_unit_differ_by_a_share_of_the_largest():
    assert difference({"value": [-400.0, 100.0]}, {"value": [-400.0, 104.0]}, relative=True) == 0.01


def test_answers_that_are_all_zero_have_no_share():
    assert difference({"value": [0.0, 0.0]}, {"value": [0.0, 0.5]}, relative=True) == 0.5


@pytest.mark.parametrize("found", [[0.5], [[0.5], [0.5]], [0.5, float("nan")]])
def test_another_shape_and_nan_are_as_far_as_can_be(found):
    assert difference({"p": [0.5, 0.5]}, {"p": found}) == 1.0


def test_nan_of_the_network_itself_is_never_equal():
    assert difference({"p": [float("nan")]}, {"p": [0.5]}) == 1.0


PROBABILITIES = [[0.1, 0.9], [0.500002, 0.499998]]


def test_another_class_counts_unless_the_two_likeliest_are_alike():
    wanted = {"label": ["b", "a"], "probabilities": PROBABILITIES}
    assert difference(wanted, {**wanted, "label": ["b", "b"]}) == 0.0
    assert difference(wanted, {**wanted, "label": ["a", "a"]}) == 1.0


def test_items_may_swap_where_their_scores_are_alike():
    wanted = {"items": [["a", "b", "c", "d"]], "scores": [[0.9, 0.5000001, 0.5, 0.1]]}
    assert difference(wanted, {**wanted, "items": [["a", "c", "b", "d"]]}) == 0.0
    assert difference(wanted, {**wanted, "items": [["b", "a", "c", "d"]]}) == 1.0
    # what comes after the last one is not known
    assert difference(wanted, {**wanted, "items": [["a", "b", "c", "e"]]}) == 0.0


def test_texts_without_numbers_must_be_equal():
    assert difference({"label": ["a", "b"]}, {"label": ["a", "c"]}) == 1.0


def test_a_clients_predictions_become_arrays():
    assert to_answers([0.5, 0.25], ["p"])["p"].tolist() == [0.5, 0.25]
    several = to_answers([{"a": "x", "b": [1.0, 2.0]}, {"a": "y", "b": [3.0, 4.0]}], ["a", "b"])
    assert (several["a"].tolist(), several["b"].shape) == (["x", "y"], (2, 2))


def test_each_way_above_the_tolerance_is_told():
    certificate = Parity(
        rows=500, tolerance=1e-5, relative=True, differences={"examples": 1e-6, "rest": 0.5, "x": None}
    )
    (line,) = certificate.refusals()
    assert line.startswith("parity: asked by rest it answers up to 0.5 of the largest answer other than the network")
