"""Architectures against the same sums in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.discovery import discover
from models.encoded import Encoded, embed

pytestmark = pytest.mark.tensorflow

Array = np.ndarray[Any, Any]

NUMBERS = np.array([[0.5, -1.0, 2.0], [0.0, 3.0, -2.0]], "float32")
IDS = np.array([1, 4])


@pytest.fixture
def inputs() -> tuple[Any, Any]:
    """Three numbers and an id below 5."""
    import keras

    return keras.Input((3,), name="numbers"), keras.Input((), dtype="int64", name="id")


def network(family: str, inputs: tuple[Any, Any], units: int, **settings: Any) -> Any:
    """A network with random weights, biases too."""
    import keras

    module, (numbers, ids) = discover("models.families")[family], inputs
    features = [Encoded(numbers), embed(ids, size=5, units=2, name="id")]
    built = keras.Model([numbers, ids], module.build(features, module.Params(**settings), units))
    random = np.random.default_rng(0)
    built.set_weights([random.normal(size=weight.shape) for weight in built.get_weights()])
    return built


def answer(network: Any) -> Array:
    result: Array = network([NUMBERS, IDS], training=False).numpy()
    return result


def dense(network: Any, layer: str, signal: Array) -> Array:
    kernel, *bias = network.get_layer(layer).get_weights()
    product: Array = signal @ kernel + (bias[0] if bias else 0)
    return product


def rows(network: Any, layer: str) -> Array:
    table: Array = network.get_layer(layer).get_weights()[0]
    return table[IDS]


def perceptron(network: Any, outputs: str, layers: int) -> Array:
    signal = np.hstack([NUMBERS, rows(network, "id_embedding")])
    for index in range(layers):
        signal = np.maximum(dense(network, f"hidden_{index}", signal), 0)
    return dense(network, outputs, signal)


@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize("family", discover("models.families"))
def test_outputs_have_a_number_per_unit(family: str, units: int, inputs: tuple[Any, Any]) -> None:
    outputs = network(family, inputs, units).output
    assert (outputs.shape, outputs.dtype) == ((None, units), "float32")


@pytest.mark.parametrize("family", discover("models.families"))
def test_numbers_alone_and_an_id_alone_are_enough(family: str, inputs: tuple[Any, Any]) -> None:
    module, (numbers, ids) = discover("models.families")[family], inputs
    for features in ([Encoded(numbers)], [embed(ids, 5, None, "alone")]):
        assert module.build(features, module.Params(), 2).shape == (None, 2)


def test_mlp_is_a_perceptron(inputs: tuple[Any, Any]) -> None:
    built = network("mlp", inputs, 2, layers=[4, 3])
    np.testing.assert_allclose(answer(built), perceptron(built, "outputs", layers=2), rtol=1e-5)


def test_wide_deep_is_the_sum_of_wide_and_deep(inputs: tuple[Any, Any]) -> None:
    built = network("wide_deep", inputs, 2, layers=[4])
    (weight_per_id,) = {layer.name for layer in built.layers if "embedding" in layer.name} - {"id_embedding"}
    wide = dense(built, "wide", NUMBERS) + rows(built, weight_per_id)
    deep = perceptron(built, "deep", layers=1)
    np.testing.assert_allclose(answer(built), wide + deep, rtol=1e-5)
    assert np.abs(wide).min() > 1e-3


@pytest.mark.parametrize("family", discover("models.families"))
def test_dropout_only_while_training_and_l2_as_a_loss(family: str, inputs: tuple[Any, Any]) -> None:
    built = network(family, inputs, 1, layers=[64], dropout=0.9, l2=0.5)
    np.testing.assert_array_equal(answer(built), answer(built))
    assert not np.allclose(built([NUMBERS, IDS], training=True), answer(built))
    kernel = built.get_layer("hidden_0").get_weights()[0]
    np.testing.assert_allclose(sum(built.losses), 0.5 * (kernel**2).sum(), rtol=1e-5)


@pytest.mark.parametrize("family", discover("models.families"))
def test_without_l2_there_is_no_penalty(family: str, inputs: tuple[Any, Any]) -> None:
    assert network(family, inputs, 1).losses == []
