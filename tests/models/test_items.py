"""A retrieval model: two towers in training, a search over all items when it is served."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

ITEMS, ROWS = 30, 4000


def make_columns(rows: int, seed: int) -> dict[str, Any]:
    """Queries are a place on a circle; the item whose place is nearest is taken. An item's feature is its place."""
    from models.items import ITEM
    from models.preprocess import LABEL, transformed_name

    random = np.random.default_rng(seed)
    angle = random.uniform(0, 2 * np.pi, rows)
    label = np.round(angle / (2 * np.pi) * ITEMS).astype("int64") % ITEMS
    place = 2 * np.pi * label / ITEMS
    return {
        transformed_name("where"): np.stack([np.cos(angle), np.sin(angle)], axis=1).astype("float32"),
        transformed_name("item_place"): np.stack([np.cos(place), np.sin(place)], axis=1).astype("float32"),
        ITEM: label,
        LABEL: label,
    }


@pytest.fixture(scope="module")
def task() -> Any:
    from models.fit.loop import Splits
    from models.preprocess import LABEL
    from models.spec import ModelSpec
    from models.targets import LabelFacts
    from models.train import Task

    spec = ModelSpec.model_validate(
        {
            "inputs": {
                "types": {"where": "float", "item_place": "float", "y": "bytes"},
                "features": {"where": {"kind": "numeric"}, "item_place": {"kind": "numeric", "tower": "item"}},
                "target": {"kind": "retrieval", "column": "y", "k": 3, "units": 8, "layers": [16]},
            },
            "model": {"family": "two_tower", "layers": [32]},
            "training": {"batch_size": 128, "epochs": 3, "learning_rate": 0.01},
        }
    )
    splits = Splits(make_columns(ROWS, 1), make_columns(500, 2), LABEL)
    counts = tuple(np.bincount(splits.train[LABEL], minlength=ITEMS).tolist())
    transform: Any = SimpleNamespace(vocabulary_file_by_name=lambda name: None)
    return Task(spec, transform, LabelFacts(tuple(f"item {each}" for each in range(ITEMS)), counts=counts), splits)


@pytest.fixture(scope="module")
def networks(task: Any) -> tuple[Any, Any]:
    """The trained network, and what is served of it."""
    from models.train import finish, train_network

    trained = train_network(task).network
    return trained, finish(trained, task)


def test_a_request_has_no_columns_of_the_items(task: Any) -> None:
    assert task.spec.inputs.columns == ["where"]


def test_the_item_that_was_taken_is_among_the_best(task: Any, networks: Any) -> None:
    from models.preprocess import LABEL, transformed_name

    column = transformed_name("where")
    found = networks[1]({column: task.splits.evaluation[column]})["ids"].numpy()
    assert found.shape == (500, 3)
    # of 30 items 3 by chance are a tenth
    assert (found == task.splits.evaluation[LABEL][:, None]).any(axis=1).mean() > 0.8


def test_the_answer_is_the_search_by_hand(task: Any, networks: Any) -> None:
    from models.items import ITEM
    from models.preprocess import transformed_name

    trained, served = networks
    where, place = transformed_name("where"), transformed_name("item_place")
    train = task.splits.train
    # the vectors of the first 7 queries, and of each item by any of its rows
    query = trained({name: column[:7] for name, column in train.items() if name in trained.input}).numpy()[:, 0]
    rows = [int(np.flatnonzero(train[ITEM] == item)[-1]) for item in range(ITEMS)]
    item = trained({where: train[where][rows], place: train[place][rows], ITEM: train[ITEM][rows]}).numpy()[:, 1]
    scores = query @ item.T
    answer = served({where: train[where][:7]})
    np.testing.assert_array_equal(answer["ids"].numpy(), np.argsort(-scores, axis=1)[:, :3])
    np.testing.assert_allclose(answer["scores"].numpy(), -np.sort(-scores, axis=1)[:, :3], rtol=1e-4, atol=1e-6)


def test_what_is_served_keeps_the_weights_of_both_towers(networks: Any) -> None:
    trained, served = networks
    kept = {variable.path for variable in served.variables}
    assert {variable.path for variable in trained.trainable_variables} <= kept
    assert len(served.variables) == len(trained.variables) + 1
    assert len(kept) == len(served.variables)


def test_an_item_is_its_embedding_where_nothing_else_is_known_of_it(task: Any) -> None:
    import tensorflow as tf

    from models.items import ITEM
    from models.network import build_network
    from models.preprocess import transformed_name

    inputs = task.spec.inputs
    alone = inputs.model_copy(
        update={
            "features": {"where": inputs.features["where"]},
            "target": inputs.target.model_copy(update={"layers": ()}),
        }
    )
    shapes = {transformed_name("where"): tf.TensorSpec((None, 2))}
    network = build_network(task.spec.model_copy(update={"inputs": alone}), shapes, {}, task.facts)
    (table,) = [each for each in network.variables if "item__" in each.path]
    vectors = network({transformed_name("where"): np.ones((3, 2), "float32"), ITEM: np.array([4, 0, 4])}).numpy()[:, 1]
    expected = table.numpy()[[4, 0, 4]]
    np.testing.assert_allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-5)


@pytest.fixture
def repeating(task: Any) -> Any:
    """An untrained network whose queries are lists of items; what is learned of repeats is set by hand."""
    import tensorflow as tf

    from models.network import build_network
    from models.preprocess import transformed_name
    from models.spec import ModelSpec

    target = {"kind": "retrieval", "column": "y", "k": 4, "units": 3, "repeats": ["had"]}
    features = {"had": {"kind": "sequence", "of": "ids", "length": 3}}
    spec = ModelSpec.model_validate(
        {
            "inputs": {"types": {"had": "bytes", "y": "bytes"}, "features": features, "target": target},
            "model": {"family": "mlp", "layers": [4]},
        }
    )
    # the list's words are item 2, one that is no item, item 0
    facts = task.facts._replace(classes=("a", "b", "c", "d"), counts=(4, 3, 2, 1), named={"had": (2, -1, 0)})
    shapes = {transformed_name("had"): tf.TensorSpec((None, 3), tf.int64)}
    network = build_network(spec, shapes, {"had": 3}, facts)
    network.get_layer("had_transformed_repeats").set_weights([np.arange(9, dtype="float32")[:, None] / 10])
    return network, spec, facts


# item 2 twice and an unknown word; item 0 and one that is no item; nothing
HAD = np.array([[2, 2, 1], [4, 3, 0], [0, 0, 0]])
AGAIN = np.array([[0, 0, 0.2, 0], [0.1, 0, 0, 0], [0, 0, 0, 0]])


def test_an_item_of_the_list_scores_higher(repeating: Any) -> None:
    from models.items import ITEM

    network, _, _ = repeating
    items = np.array([2, 0, 3])
    vectors = network({"had_transformed": HAD, ITEM: items}).numpy()
    assert vectors.shape == (3, 2, 6)
    cosines = vectors[:, 0, :3] @ vectors[:, 1, :3].T
    np.testing.assert_allclose(np.linalg.norm(vectors[:2, :, :3], axis=2), 1, rtol=1e-5)
    np.testing.assert_allclose(vectors[:, 0] @ vectors[:, 1].T, cosines + AGAIN[:, items], atol=1e-6)


def test_the_search_counts_repeats_too(repeating: Any) -> None:
    from models.items import ITEM, retriever

    network, spec, facts = repeating
    served = retriever(network, spec, facts, {ITEM: np.array([3, 0, 1, 2])})
    answer = served({"had_transformed": HAD})
    items = np.arange(3)
    found = network({"had_transformed": HAD, ITEM: items}).numpy()
    last = network({"had_transformed": HAD, ITEM: np.array([3, 3, 3])}).numpy()
    cosines = found[:, 0, :3] @ np.concatenate([found[:, 1, :3], last[:1, 1, :3]]).T
    scores = cosines + AGAIN
    np.testing.assert_array_equal(answer["ids"].numpy(), np.argsort(-scores, axis=1))
    np.testing.assert_allclose(answer["scores"].numpy(), -np.sort(-scores, axis=1), atol=1e-5)


def test_what_is_learned_of_repeats_is_that_they_happen(repeating: Any) -> None:
    from models.items import ITEM
    from models.network import compile_network

    network, spec, facts = repeating
    layer = network.get_layer("had_transformed_repeats")
    layer.set_weights([np.zeros((9, 1), "float32")])
    compile_network(network, spec, 60, facts)
    random = np.random.default_rng(0)
    items = random.choice([0, 2], 600)
    lists = np.stack([np.where(items == 2, 2, 4), np.full(600, 3), np.zeros(600, "int64")], axis=1)
    network.fit({"had_transformed": lists, ITEM: items}, items, batch_size=100, epochs=10, verbose=0)
    learned = layer.get_weights()[0][:, 0]
    assert learned[1] > learned[0] + 0.01
