"""Two towers with a ranking head: each reads its own features, and their product is compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.encoded import Encoded
from models.families import two_tower

pytestmark = pytest.mark.tensorflow

ROWS = (
    np.random.default_rng(1).normal(size=(4, 3)).astype("float32"),
    np.random.default_rng(2).normal(size=(4, 2)).astype("float32"),
)


def build(features: list[str], **settings: Any) -> Any:
    import keras

    query, item = keras.Input((3,), name="query"), keras.Input((2,), name="item")
    inputs = {"query": query, "item": item}
    encoded = [Encoded(inputs[name], tower=name) for name in features]  # type: ignore[arg-type]
    outputs = two_tower.build(encoded, two_tower.Params(**settings), 2)
    return keras.Model({name: inputs[name] for name in features}, outputs)


def dense(network: Any, name: str, signal: Any) -> Any:
    kernel, bias = (weight.numpy() for weight in network.get_layer(name).weights)
    return signal @ kernel + bias


def test_the_ranking_head_is_the_formula() -> None:
    network = build(["item", "query"], layers=[5], units=4, head=[6])
    vectors = [
        dense(network, f"{tower}_vector", np.maximum(dense(network, f"{tower}_0", rows), 0))
        for tower, rows in zip(("query", "item"), ROWS, strict=True)
    ]
    both = np.concatenate([*vectors, vectors[0] * vectors[1]], axis=1)
    expected = dense(network, "outputs", np.maximum(dense(network, "head_0", both), 0))
    found = network({"query": ROWS[0], "item": ROWS[1]}).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("tower", "rows"), list(zip(("query", "item"), ROWS, strict=True)))
def test_one_tower_alone_ends_in_the_outputs(tower: str, rows: Any) -> None:
    network = build([tower], layers=[5])
    expected = dense(network, "outputs", np.maximum(dense(network, "hidden_0", rows), 0))
    np.testing.assert_allclose(network({tower: rows}).numpy(), expected, rtol=1e-4, atol=1e-5)
