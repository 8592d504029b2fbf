"""Targets with many answers a row: several labels at once, and one item out of many."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from models.targets import LabelFacts, multi_label, retrieval

pytestmark = pytest.mark.tensorflow

LABELS = LabelFacts(("a", "größe", "c"), counts=(6, 3, 1))


def losses(function: Any, label: Any, prediction: Any) -> Any:
    import keras

    values = function(np.array(label), keras.ops.convert_to_tensor(np.array(prediction, "float32"))).numpy()
    assert values.shape == (len(label),)
    return values


def analyzed(target: Any, texts: list[str], analyze: Any, **settings: Any) -> tuple[Any, tuple[str, ...]]:
    """The transformed labels, and the vocabulary."""
    import tensorflow as tf

    from models.spec import InputSpec

    label = {"kind": target.__name__.rpartition(".")[2], "column": "y"} | settings
    inputs = InputSpec.model_validate(
        {"types": {"x": "float", "y": "bytes"}, "features": {"x": {"kind": "numeric"}}, "target": label}
    )
    output = analyze(inputs, {"x": [0.0] * len(texts), "y": texts}, [inputs.target])
    found = output.transform_features_layer()({"y": tf.constant(texts)})["y"].numpy()
    return found, tuple(name.decode() for name in output.vocabulary_by_name(target.VOCABULARY))


def test_a_text_with_several_labels_becomes_a_row_of_ones(analyze: Any) -> None:
    texts = ["a;größe", "a", "none", " größe ; a;a", "a", "c"]
    found, names = analyzed(multi_label, texts, analyze, min_count=2)
    assert names == ("a", "größe")
    assert (found.dtype.name, found.tolist()) == ("float32", [[1, 1], [1, 0], [0, 0], [1, 1], [1, 0], [0, 0]])
    params = multi_label.Params(column="y", min_count=2)
    assert multi_label.evaluated(np.array(texts, object), params, LabelFacts(names)).tolist() == found.tolist()


def test_labels_cost_the_mean_of_their_cross_entropies() -> None:
    label, prediction = [[1.0, 0.0, 1.0]], [[0.8, 0.3, 0.5]]
    costs = [-math.log(0.8), -math.log(0.7), -math.log(0.5)]
    params = multi_label.Params(column="y")
    assert losses(multi_label.loss(params, LABELS), label, prediction)[0] == pytest.approx(sum(costs) / 3, rel=1e-5)
    weighted = multi_label.loss(multi_label.Params(column="y", positive_weight=4), LABELS)
    by_hand = (4 * costs[0] + costs[1] + 4 * costs[2]) / 3
    assert losses(weighted, label, prediction)[0] == pytest.approx(by_hand, rel=1e-5)


def test_the_answer_names_each_label_beside_its_probability() -> None:
    import tensorflow as tf

    answers = multi_label.answers(tf.constant([[0.1, 0.9, 0.5], [0.3, 0.2, 0.6]]), LABELS)
    assert [[name.decode() for name in row] for row in answers["labels"].numpy()] == [["a", "größe", "c"]] * 2
    predicted = multi_label.predicted({name: each.numpy() for name, each in answers.items()}, LABELS)
    np.testing.assert_allclose(predicted, [[0.1, 0.9, 0.5], [0.3, 0.2, 0.6]])


def test_only_answered_items_have_an_id(analyze: Any) -> None:
    found, names = analyzed(retrieval, ["x", "x", "y", "z", "y", "x"], analyze, top_k=2)
    assert (found.tolist(), names) == ([0, 0, 1, -1, 1, 0], ("x", "y"))
    evaluated = retrieval.evaluated(np.array(["y", "z"], object), retrieval.Params(column="y"), LabelFacts(names))
    assert evaluated.tolist() == [1, -1]


# three queries, and the items of their rows: 0, 1 and 0 again
QUERIES = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
VECTORS = np.stack([QUERIES, np.array([[0.8, 0.6], [0.0, 1.0], [0.8, 0.6]])], axis=1)
IDS = [0, 1, 0]


@pytest.mark.parametrize(("popularity", "shares"), [("corrected", (0.75, 0.25)), ("as_is", (0.5, 0.5))])
def test_an_item_is_contrasted_with_the_other_items_of_the_batch(popularity: Any, shares: tuple[float, float]) -> None:
    params = retrieval.Params(column="y", temperature=0.5, popularity=popularity)
    found = losses(retrieval.loss(params, LabelFacts(("x", "y"), counts=(3, 1))), IDS, VECTORS)
    # the same item in another row is no wrong one, so each row has one right and one wrong item, or two
    right = [(0.8, 0), (1.0, 1), (0.6 * 0.8 + 0.8 * 0.6, 0)]
    wrong = [[(0.0, 1)], [(0.6, 0), (0.6, 0)], [(0.8, 1)]]

    def weight(score: tuple[float, int]) -> float:
        return math.exp(score[0] / 0.5) / shares[score[1]]

    by_hand = [
        -math.log(weight(own) / (weight(own) + sum(map(weight, others))))
        for own, others in zip(right, wrong, strict=True)
    ]
    assert found.tolist() == pytest.approx(by_hand, rel=1e-5)


def test_the_nearest_of_the_batch_are_watched() -> None:
    from models.losses import rank_in_batch

    # their own items score 0.8, 1 and 0.96, the others 0, 0.6 twice and 0.6; the other way round 0.96 beats 0.8
    assert losses(rank_in_batch(1), IDS, VECTORS).tolist() == [1, 1, 1]
    assert losses(rank_in_batch(1), [0, 1, 2], VECTORS[:, [1, 0]]).tolist() == [0, 1, 1]


@pytest.mark.parametrize("target", [multi_label, retrieval])
def test_what_is_watched_while_training_compiles(target: Any) -> None:
    import keras

    params = target.Params(column="y")
    shape = (3,) if target is multi_label else (2, params.units)
    inputs = keras.Input(shape)
    network = keras.Model(inputs, target.head(inputs, params, LABELS))
    network.compile(loss=target.loss(params, LABELS), metrics=target.watch(params))
    labels = np.eye(3)[[0, 1, 2, 0]] if target is multi_label else np.array([0, 1, 2, 0])
    values = network.evaluate(np.ones((4, *shape)), labels, verbose=0, return_dict=True)
    assert len(values) == 2
    assert all(math.isfinite(value) for value in values.values())


@pytest.mark.parametrize("target", [multi_label, retrieval])
def test_what_is_watched_is_known_before_tensorflow_is_loaded(target: Any) -> None:
    assert tuple(metric.name for metric in target.watch(target.Params(column="y"))) == target.WATCHED
