"""Targets: label, prediction, answers and evaluated labels by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from models.raw import MISSING_INT
from models.targets import LabelFacts, binary, multiclass, regression

pytestmark = pytest.mark.tensorflow

CLASSES = LabelFacts(("a", "größe", "c"))
NUMBERS = LabelFacts((), mean=10.0, deviation=4.0)
LOGITS = np.array([[0.0], [2.0], [-50.0]], "float32")


def tensor(values: list[Any], dtype: str) -> Any:
    import tensorflow as tf

    return tf.constant(values, dtype)


def predict(target: Any, outputs: np.ndarray[Any, Any], facts: LabelFacts) -> Any:
    """The head's prediction for a network's outputs."""
    import keras

    inputs = keras.Input(outputs.shape[1:])
    return keras.Model(inputs, target.head(inputs, facts))(outputs)


def loss(target: Any, label: list[Any], prediction: list[Any]) -> float:
    import keras

    return float(np.mean(keras.losses.get(target.loss())(np.array(label), np.array(prediction, "float32"))))


@pytest.mark.parametrize(
    ("positive", "dtype", "values", "expected"),
    [
        (None, "int64", [0, 1, 1], [0, 1, 1]),
        (None, "float32", [0.0, 1.0, 0.4], [0, 1, 0]),
        (None, "string", ["0", "1", "1.0"], [0, 1, 1]),
        ("yes", "string", ["yes", "no", "Yes"], [1, 0, 0]),
        ("2", "int64", [1, 2, 3], [0, 1, 0]),
        ("2", "float32", [1.0, 2.0, 2.5], [0, 1, 0]),
    ],
)
def test_binary_trains_and_evaluates_the_same_label(
    positive: str | None, dtype: str, values: list[Any], expected: list[float]
) -> None:
    params = binary.Params(column="y", positive=positive)
    trained = binary.transform(tensor(values, dtype), params)
    evaluated = binary.evaluated(np.array(values, object if dtype == "string" else dtype), params, LabelFacts())
    assert (trained.dtype.name, evaluated.dtype.name) == ("float32", "float32")
    assert trained.numpy().tolist() == evaluated.tolist() == expected


def test_binary_predicts_a_probability() -> None:
    prediction = predict(binary, LOGITS, LabelFacts())
    np.testing.assert_allclose(prediction, 1 / (1 + np.exp(-LOGITS)), rtol=1e-5)
    probability = binary.answers(prediction, LabelFacts())["probability"].numpy()
    assert probability.shape == (3,)
    np.testing.assert_allclose(probability[:2], [0.5, 1 / (1 + math.exp(-2))], rtol=1e-6)
    # never so sure that being wrong costs infinitely much
    assert probability[2] == np.float32(1e-6)


def test_binary_minimises_the_log_loss() -> None:
    assert loss(binary, [[1.0], [0.0]], [[0.8], [0.8]]) == pytest.approx(-(math.log(0.8) + math.log(0.2)) / 2)
    assert binary.units(LabelFacts()) == 1


def test_multiclass_predicts_a_class_and_its_probabilities() -> None:
    logits = np.array([[1.0, 2.0, 0.5], [3.0, 0.0, 0.0]], "float32")
    prediction = predict(multiclass, logits, CLASSES)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(prediction, expected, rtol=1e-5)
    answers = multiclass.answers(prediction, CLASSES)
    assert answers["label"].numpy().tolist() == ["größe".encode(), b"a"]
    np.testing.assert_array_equal(answers["probabilities"], prediction)
    assert multiclass.units(CLASSES) == 3


def test_multiclass_minimises_the_log_loss_of_ids() -> None:
    assert loss(multiclass, [1, 0], [[0.1, 0.9, 0], [0.5, 0.5, 0]]) == pytest.approx(
        -(math.log(0.9) + math.log(0.5)) / 2, rel=1e-5
    )


@pytest.mark.parametrize(
    ("labels", "classes", "expected"),
    [
        (np.array(["größe", "new", "a"], object), CLASSES, [1, -1, 0]),
        (np.array([7, 5, 9]), LabelFacts(("5", "7")), [1, 0, -1]),
    ],
)
def test_multiclass_evaluates_ids(labels: Any, classes: LabelFacts, expected: list[int]) -> None:
    assert multiclass.evaluated(labels, multiclass.Params(column="y"), classes).tolist() == expected


def test_regression_predicts_in_the_unit_of_the_label() -> None:
    prediction = predict(regression, np.array([[0.0], [1.0], [-2.0]], "float32"), NUMBERS)
    assert regression.answers(prediction, NUMBERS)["value"].numpy().tolist() == [10, 14, 2]
    assert regression.units(NUMBERS) == 1
    assert loss(regression, [[1.0], [2.0]], [[3.0], [2.0]]) == 2


def test_regression_trains_and_evaluates_the_number() -> None:
    params = regression.Params(column="y")
    assert regression.transform(tensor([3, -1], "int64"), params).numpy().tolist() == [3, -1]
    assert np.isnan(regression.transform(tensor([MISSING_INT], "int64"), params).numpy()).all()
    evaluated = regression.evaluated(np.array([3, -1]), params, NUMBERS)
    assert (evaluated.dtype.name, evaluated.tolist()) == ("float32", [3, -1])


@pytest.mark.parametrize("target", [binary, multiclass, regression])
def test_what_is_watched_while_training_compiles(target: Any) -> None:
    import keras

    units = target.units(CLASSES)
    inputs = keras.Input((units,))
    network = keras.Model(inputs, target.head(inputs, CLASSES))
    network.compile(loss=target.loss(), metrics=target.watch())
    values = network.evaluate(np.zeros((4, units)), np.array([0, 1, 0, 1]), verbose=0, return_dict=True)
    assert len(values) == 2
    assert all(math.isfinite(value) for value in values.values())
