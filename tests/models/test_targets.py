"""Targets: label, prediction, answers and evaluated labels by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from models.discovery import discover
from models.raw import MISSING_INT
from models.targets import LabelFacts, binary, multiclass, quantile, regression

pytestmark = pytest.mark.tensorflow

CLASSES = LabelFacts(("a", "größe", "c"), counts=(6, 3, 1))
NUMBERS = LabelFacts((), mean=10.0, deviation=4.0)
LOGITS = np.array([[0.0], [2.0], [-50.0]], "float32")


def tensor(values: list[Any], dtype: str) -> Any:
    import tensorflow as tf

    return tf.constant(values, dtype)


def predict(target: Any, outputs: np.ndarray[Any, Any], facts: LabelFacts, **settings: Any) -> Any:
    """The head's prediction for a network's outputs."""
    import keras

    inputs = keras.Input(outputs.shape[1:])
    return keras.Model(inputs, target.head(inputs, target.Params(column="y", **settings), facts))(outputs)


def losses(target: Any, label: list[Any], prediction: list[Any], facts: LabelFacts, **settings: Any) -> Any:
    """The loss of each row, as training takes it."""
    import keras

    function = target.loss(target.Params(column="y", **settings), facts)
    labels = np.array(label, "int64" if target.VOCABULARY else "float32")
    values = function(labels, keras.ops.convert_to_tensor(np.array(prediction, "float32"))).numpy()
    assert values.shape == (len(label),)
    return values.tolist()


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


BINARY = [1.0, 0.0], [[0.8], [0.8]]


def test_binary_minimises_the_log_loss() -> None:
    assert losses(binary, *BINARY, LabelFacts()) == pytest.approx([-math.log(0.8), -math.log(0.2)], rel=1e-5)
    assert binary.units(binary.Params(column="y"), LabelFacts()) == 1


def test_focal_loss_counts_what_is_known_less() -> None:
    expected = [-math.log(0.8) * 0.2**2, -math.log(0.2) * 0.8**2]
    assert losses(binary, *BINARY, LabelFacts(), loss="focal") == pytest.approx(expected, rel=1e-5)
    known, wrong = losses(multiclass, [0, 1], [[0.9, 0.1, 0], [0.9, 0.1, 0]], CLASSES, loss="focal")
    assert (known, wrong) == pytest.approx((-math.log(0.9) * 0.1**2, -math.log(0.1) * 0.9**2), rel=1e-5)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (None, [1, 1]),
        ({"positive": 3}, [3, 1]),
        ({"negative": 0.5, "positive": 2}, [2, 0.5]),
        # a fifth is positive: both classes count half of all rows
        ("balanced", [1 / (2 * 0.2), 1 / (2 * 0.8)]),
    ],
)
def test_binary_rows_count_by_class(setting: Any, expected: list[float]) -> None:
    weighted = losses(binary, *BINARY, LabelFacts(mean=0.2), class_weights=setting)
    plain = losses(binary, *BINARY, LabelFacts())
    assert np.divide(weighted, plain).tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("setting", "expected"), [({"c": 4}, [1, 1, 4]), ("balanced", [10 / (3 * 6), 10 / (3 * 3), 10 / 3])]
)
def test_multiclass_rows_count_by_class(setting: Any, expected: list[float]) -> None:
    rows = [0, 1, 2], [[0.2, 0.3, 0.5]] * 3
    weighted = losses(multiclass, *rows, CLASSES, class_weights=setting)
    assert np.divide(weighted, losses(multiclass, *rows, CLASSES)).tolist() == pytest.approx(expected, rel=1e-5)


def test_a_weight_for_no_class_is_a_mistake() -> None:
    params = multiclass.Params(column="y", class_weights={"b": 2})
    with pytest.raises(ValueError, match=r"expected classes of the training split, a, größe, c; received \['b'\]"):
        multiclass.loss(params, CLASSES)


def test_multiclass_predicts_a_class_and_its_probabilities() -> None:
    logits = np.array([[1.0, 2.0, 0.5], [3.0, 0.0, 0.0]], "float32")
    prediction = predict(multiclass, logits, CLASSES)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(prediction, expected, rtol=1e-5)
    answers = multiclass.answers(prediction, CLASSES)
    assert answers["label"].numpy().tolist() == ["größe".encode(), b"a"]
    np.testing.assert_array_equal(answers["probabilities"], prediction)
    assert multiclass.units(multiclass.Params(column="y"), CLASSES) == 3


def test_multiclass_minimises_the_log_loss_of_ids() -> None:
    found = losses(multiclass, [1, 0], [[0.1, 0.9, 0], [0.5, 0.5, 0]], CLASSES)
    assert found == pytest.approx([-math.log(0.9), -math.log(0.5)], rel=1e-5)


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
    assert regression.units(regression.Params(column="y"), NUMBERS) == 1


def test_regression_minimises_errors_in_standard_deviations() -> None:
    rows = [8.0, 10.0, 30.0], [[10.0], [10.0], [10.0]]
    assert losses(regression, *rows, NUMBERS) == [0.25, 0, 25]
    # Huber's is half the square up to one deviation, then a line
    assert losses(regression, *rows, NUMBERS, loss="huber") == [0.125, 0, 4.5]


def test_a_log_link_predicts_positive_numbers() -> None:
    spread = math.sqrt(math.log(1 + (4 / 10) ** 2))
    prediction = predict(regression, np.array([[0.0], [1.0], [-2.0], [1e9], [-1e9]], "float32"), NUMBERS, loss="log")
    found = prediction.numpy()[:, 0].tolist()
    assert found[:3] == pytest.approx([10, 10 * math.exp(spread), 10 * math.exp(-2 * spread)], rel=1e-5)
    assert math.isfinite(found[3])
    assert found[4] > 0


def test_a_log_link_minimises_the_gamma_deviance() -> None:
    found = losses(regression, [8.0, 2.0, 5.0], [[4.0], [4.0], [5.0]], NUMBERS, loss="log")
    assert found == pytest.approx([2 - math.log(2) - 1, 0.5 - math.log(0.5) - 1, 0], abs=1e-6)


def test_the_mean_minimises_the_gamma_deviance() -> None:
    labels = [1.0, 2.0, 9.0]
    by_prediction = {
        guess: sum(losses(regression, labels, [[guess]] * 3, NUMBERS, loss="log")) for guess in (3.6, 4.0, 4.4)
    }
    assert min(by_prediction, key=by_prediction.__getitem__) == 4.0


def test_a_log_link_takes_positive_labels_only() -> None:
    params = regression.Params(column="y", loss="log")
    found = regression.transform(tensor([3, 0, -1], "int64"), params).numpy()
    assert (found[0], np.isnan(found).tolist()) == (3, [False, True, True])


def test_regression_trains_and_evaluates_the_number() -> None:
    params = regression.Params(column="y")
    assert regression.transform(tensor([3, -1], "int64"), params).numpy().tolist() == [3, -1]
    assert np.isnan(regression.transform(tensor([MISSING_INT], "int64"), params).numpy()).all()
    evaluated = regression.evaluated(np.array([3, -1]), params, NUMBERS)
    assert (evaluated.dtype.name, evaluated.tolist()) == ("float32", [3, -1])


LEVELS = (0.1, 0.5, 0.9)


def test_quantiles_rise_and_are_in_the_unit_of_the_label() -> None:
    outputs = np.array([[-1.0, 0.0, 2.0], [0.0, -50.0, -50.0]], "float32")
    prediction = predict(quantile, outputs, NUMBERS, quantiles=LEVELS).numpy()
    first = [-1.0, -1 + math.log(2), -1 + math.log(2) + math.log1p(math.exp(2))]
    np.testing.assert_allclose(prediction[0], [10 + 4 * value for value in first], rtol=1e-5)
    assert (np.diff(prediction, axis=1) >= 0).all()
    np.testing.assert_array_equal(quantile.answers(prediction, NUMBERS)["quantiles"], prediction)
    assert quantile.units(quantile.Params(column="y", quantiles=LEVELS), NUMBERS) == 3


def test_quantiles_minimise_the_pinball_loss() -> None:
    found = losses(quantile, [12.0, 4.0], [[8.0, 12.0, 16.0]] * 2, NUMBERS, quantiles=LEVELS)
    # 4 above the first, at the second, 4 below the third; then 4, 8 and 12 below them
    by_hand = [(0.1 * 4 + 0 + 0.1 * 4) / 3 / 4, (0.9 * 4 + 0.5 * 8 + 0.1 * 12) / 3 / 4]
    assert found == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("quantiles", [[0.5, 0.1], [0.5, 0.5], [0.0, 0.5], [0.5, 1.0], []])
def test_quantiles_are_rising_shares(quantiles: list[float]) -> None:
    with pytest.raises(ValueError, match="quantiles"):
        quantile.Params(column="y", quantiles=quantiles)


def test_quantiles_are_trained_and_evaluated_on_the_number() -> None:
    params = quantile.Params(column="y")
    assert quantile.transform(tensor([3, -1], "int64"), params).numpy().tolist() == [3, -1]
    evaluated = quantile.evaluated(np.array([3, -1]), params, NUMBERS)
    assert (evaluated.dtype.name, evaluated.tolist()) == ("float32", [3, -1])


def test_quantiles_of_amounts_are_never_below_0() -> None:
    spread = math.log1p((4 / 11) ** 2) ** 0.5
    middle = math.log1p(10) - spread**2 / 2
    outputs = np.array([[0.5, -1.0, 1.0], [-9.0, -50.0, -50.0]], "float32")
    prediction = predict(quantile, outputs, NUMBERS, quantiles=LEVELS, scale="log").numpy()
    first = [0.5, 0.5 + math.log1p(math.exp(-1)), 0.5 + math.log1p(math.exp(-1)) + math.log1p(math.exp(1))]
    np.testing.assert_allclose(prediction[0], [math.expm1(middle + spread * value) for value in first], rtol=1e-5)
    assert prediction[1].tolist() == [0, 0, 0]
    found = losses(quantile, [10.0], [[4.0, 10.0, 21.0]], NUMBERS, quantiles=LEVELS, scale="log")
    assert found == pytest.approx([(0.1 * math.log(11 / 5) + 0.1 * math.log(22 / 11)) / 3 / spread], rel=1e-5)
    params = quantile.Params(column="y", scale="log")
    np.testing.assert_array_equal(quantile.transform(tensor([3, -1], "int64"), params).numpy(), [3, np.nan])


def test_an_amount_of_0_can_rise_again() -> None:
    import tensorflow as tf

    params = quantile.Params(column="y", quantiles=(0.5,), scale="log")
    loss = quantile.loss(params, NUMBERS)
    outputs = tf.constant([[-9.0], [-9.0]])
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        found = tf.reduce_sum(loss(tf.constant([0.0, 5.0]), quantile.head(outputs, params, NUMBERS)))
    falling, rising = tape.gradient(found, outputs).numpy()[:, 0]
    # the label 0 wants less, the label 5 wants more
    assert rising < 0
    assert falling == pytest.approx(-rising)


def test_coverage_is_watched() -> None:
    (coverage,) = quantile.watch(quantile.Params(column="y"))
    coverage.update_state(np.array([1.0, 2.5, 3.0, 9.0]), np.array([[2.0, 2.2, 3.0]] * 4))
    assert float(coverage.result()) == 0.5


@pytest.mark.parametrize("target", [binary, multiclass, quantile, regression])
def test_what_is_watched_while_training_compiles(target: Any) -> None:
    import keras

    params = target.Params(column="y")
    units = target.units(params, CLASSES)
    inputs = keras.Input((units,))
    network = keras.Model(inputs, target.head(inputs, params, CLASSES))
    network.compile(loss=target.loss(params, CLASSES), metrics=target.watch(params))
    values = network.evaluate(np.zeros((4, units)), np.array([0, 1, 0, 1]), verbose=0, return_dict=True)
    assert len(values) == 2
    assert all(math.isfinite(value) for value in values.values())


@pytest.mark.parametrize("kind", discover("models.targets"))
def test_what_is_watched_has_the_names_that_it_says(kind: str) -> None:
    target = discover("models.targets")[kind]
    watched = target.watch(target.Params(column="y"))
    assert tuple(each if isinstance(each, str) else each.name for each in watched) == target.WATCHED
