"""What quantizing a file for devices may touch, and what it may not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow
MEAN, DEVIATION, WIDTH = 9050.3, 22.1, 64


@pytest.fixture(scope="module")
def model() -> Any:
    """`[batch] float32` of a column of readings far from 0, to a matrix: the function and what holds its weights."""
    import tensorflow as tf

    holder = tf.Module()
    holder.weights = tf.Variable(np.random.default_rng(1).normal(size=(WIDTH, WIDTH)).astype("float32") / WIDTH)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "reading")])
    def predict(reading: tf.Tensor) -> dict[str, tf.Tensor]:
        normal = (reading[:, None] - MEAN) / DEVIATION
        return {"y": tf.tanh(normal * tf.ones([1, WIDTH]) @ holder.weights)}

    return predict.get_concrete_function(), holder


def run(content: bytes, readings: Any) -> Any:
    from models.edge import open_lite

    return open_lite(content)(reading=readings)["y"]


@pytest.mark.parametrize("quantize", ["float16", "int8"])
def test_a_column_far_from_zero_keeps_its_scale(model: Any, quantize: Any) -> None:
    from models.edge import to_lite

    readings = np.random.default_rng(2).normal(MEAN, DEVIATION, 200).astype("float32")
    function, holder = model
    whole, small = (to_lite(function, holder, each) for each in ("none", quantize))
    expected = function(readings)["y"].numpy()
    np.testing.assert_allclose(run(whole, readings), expected, atol=1e-5)
    # half the weights' 12 bits, or 8, are lost; of the mean in 16 bits 2.3 would be, a tenth of the deviation
    np.testing.assert_allclose(run(small, readings), expected, atol=0.001 if quantize == "float16" else 0.02)
    assert len(small) < len(whole) - WIDTH * WIDTH


def test_halves_are_as_exact_as_16_bits_are(model: Any) -> None:
    from models.edge import to_lite

    function, holder = model
    readings = np.linspace(MEAN - 50, MEAN + 50, 100, dtype="float32")
    exact, halved = (run(to_lite(function, holder, each), readings) for each in ("none", "float16"))
    assert 0 < np.abs(exact - halved).max() < 1e-3
