"""Every family by discovery: shapes, rows without steps, penalties, precision; those of tables against numpy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from models.discovery import discover
from models.encoded import Encoded, embed, sequence
from models.families import Choice, Range

pytestmark = pytest.mark.tensorflow

Array = np.ndarray[Any, Any]
FAMILIES = discover("models.families")
OF_TABLES = [name for name, module in FAMILIES.items() if not module.NEEDS_STEPS]
OF_STEPS = [name for name, module in FAMILIES.items() if module.NEEDS_STEPS]
LENGTH = 4

every_family = pytest.mark.parametrize("family", FAMILIES)

# the second row has a hole, the third one no step at all
ROWS: dict[str, Array] = {
    "numbers": np.array([[0.5, -1.0, 2.0], [0.0, 3.0, -2.0], [1.0, 1.0, -1.0]], "float32"),
    "id": np.array([1, 4, 0]),
    "steps": np.random.default_rng(1).normal(size=(3, LENGTH, 2)).astype("float32"),
    "mask": np.array([[1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0]], bool),
}


def inputs(length: int = LENGTH) -> dict[str, Any]:
    """Three numbers, an id below 5, a sequence of pairs."""
    import keras

    return {
        "numbers": keras.Input((3,), name="numbers"),
        "id": keras.Input((), dtype="int64", name="id"),
        "steps": keras.Input((length, 2), name="steps"),
        "mask": keras.Input((length,), dtype="bool", name="mask"),
    }


def network(family: str, units: int = 2, length: int = LENGTH, **settings: Any) -> Any:
    """A network over all kinds of features with random weights, biases too."""
    import keras

    module, given = FAMILIES[family], inputs(length)
    features = [
        Encoded(given["numbers"]),
        embed(given["id"], size=5, units=2, name="id"),
        sequence(given["steps"], given["mask"]),
    ]
    built = keras.Model(given, module.build(features, module.Params(**settings), units))
    random = np.random.default_rng(0)
    for weight in built.weights:
        values = random.normal(size=weight.shape)
        weight.assign(np.abs(values) if "variance" in weight.path else values)
    return built


def answer(network: Any, rows: Mapping[str, Array] = ROWS) -> Array:
    result: Array = network(dict(rows), training=False).numpy()
    return result


def dense(network: Any, layer: str, signal: Array) -> Array:
    kernel, *bias = network.get_layer(layer).get_weights()
    product: Array = signal @ kernel + (bias[0] if bias else 0)
    return product


def rows_of(network: Any, layer: str) -> Array:
    table: Array = network.get_layer(layer).get_weights()[0]
    return table[ROWS["id"]]


def means() -> Array:
    """The dense part of the sequence."""
    weights = ROWS["mask"][..., None].astype("float32")
    return (ROWS["steps"] * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1)


def table_of(network: Any) -> Array:
    """The dense parts of all features side by side."""
    return np.hstack([ROWS["numbers"], rows_of(network, "id_embedding"), means()])


def perceptron(network: Any, signal: Array, layers: int) -> Array:
    for index in range(layers):
        signal = np.maximum(dense(network, f"hidden_{index}", signal), 0)
    return signal


@pytest.mark.parametrize("units", [1, 3])
@every_family
def test_outputs_have_a_finite_number_per_unit_whatever_steps_there_are(family: str, units: int) -> None:
    built = network(family, units)
    assert (built.output.shape, built.output.dtype) == ((None, units), "float32")
    assert np.isfinite(answer(built)).all()


@every_family
def test_a_batch_without_a_row_has_no_answers(family: str) -> None:
    import tensorflow as tf

    built = network(family)
    signature = {name: tf.TensorSpec([None, *rows.shape[1:]], rows.dtype) for name, rows in ROWS.items()}
    traced = tf.function(lambda rows: built(rows, training=False), input_signature=[signature])
    assert traced({name: rows[:0] for name, rows in ROWS.items()}).shape == (0, 2)
    np.testing.assert_allclose(traced(ROWS), answer(built), rtol=1e-4, atol=1e-5)


@every_family
def test_steps_that_are_not_there_change_nothing(family: str) -> None:
    built = network(family)
    noise = np.where(ROWS["mask"][..., None], ROWS["steps"], 1e6).astype("float32")
    np.testing.assert_allclose(answer(built, ROWS | {"steps": noise}), answer(built), rtol=1e-5)


@pytest.mark.parametrize("family", OF_STEPS)
def test_a_longer_padding_changes_nothing(family: str) -> None:
    short, long = network(family), network(family, length=LENGTH + 3)
    long.set_weights(short.get_weights())
    padded = {
        name: np.concatenate([ROWS[name], np.zeros_like(ROWS[name][:, :3])], axis=1) for name in ("steps", "mask")
    }
    np.testing.assert_allclose(answer(long, ROWS | padded), answer(short), rtol=1e-4, atol=1e-5)


@every_family
def test_sequences_of_one_step_are_long_enough(family: str) -> None:
    shorter = {name: ROWS[name][:, :1] for name in ("steps", "mask")}
    assert np.isfinite(answer(network(family, length=1), ROWS | shorter)).all()


@pytest.mark.parametrize("family", OF_TABLES)
def test_any_kind_of_feature_alone_is_enough(family: str) -> None:
    module, given = FAMILIES[family], inputs()
    alone = (
        [Encoded(given["numbers"])],
        [embed(given["id"], 5, None, "alone")],
        [sequence(given["steps"], given["mask"])],
    )
    for features in alone:
        assert module.build(features, module.Params(), 2).shape == (None, 2)


@pytest.mark.parametrize("family", OF_STEPS)
def test_a_sequence_alone_is_enough_and_necessary(family: str) -> None:
    module, given = FAMILIES[family], inputs()
    assert module.build([sequence(given["steps"], given["mask"])], module.Params(), 2).shape == (None, 2)
    with pytest.raises(ValueError, match="expected a feature that is a sequence or a text, received none"):
        module.build([Encoded(given["numbers"])], module.Params(), 2)


def penalized(network: Any) -> list[Array]:
    """The weights that penalties are for: no biases, no embeddings, not the last layer's."""
    return [
        weight.numpy()
        for weight in network.trainable_weights
        if weight.path.endswith("kernel") and weight.path.split("/")[0] not in ("outputs", "deep", "wide")
    ]


@every_family
def test_penalties_are_a_loss(family: str) -> None:
    built = network(family, layers=[64], l1=0.25, l2=0.5)
    expected = sum(0.25 * np.abs(kernel).sum() + 0.5 * (kernel**2).sum() for kernel in penalized(built))
    np.testing.assert_allclose(sum(built.losses), expected, rtol=1e-5)
    assert network(family).losses == []


@every_family
def test_dropout_only_while_training(family: str) -> None:
    built = network(family, layers=[64], dropout=0.9)
    np.testing.assert_array_equal(answer(built), answer(built))
    assert not np.allclose(built(ROWS, training=True), answer(built))


@every_family
def test_activation_and_norm_are_settings(family: str) -> None:
    answers = [
        answer(network(family, layers=[8], activation=activation, norm=norm))
        for activation, norm in (("relu", "none"), ("gelu", "none"), ("relu", "layer"), ("relu", "batch"))
    ]
    assert np.isfinite(answers).all()
    assert not any(np.allclose(answers[0], other) for other in answers[1:])


@pytest.fixture
def bfloat16() -> Iterator[None]:
    """Mixed precision."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


@every_family
def test_mixed_precision_ends_in_float32(family: str, bfloat16: None) -> None:
    built = network(family)
    assert built.output.dtype == "float32"
    assert {weight.dtype for weight in built.trainable_weights} == {"float32"}
    assert np.isfinite(answer(built)).all()


@every_family
def test_what_a_tuner_may_try_is_a_valid_setting(family: str) -> None:
    params = FAMILIES[family].Params()
    space = FAMILIES[family].search_space(params)
    assert {"layers", "dropout"} & space.keys()
    for name, values in space.items():
        tried = values.values if isinstance(values, Choice) else (values.min, values.max)
        assert len(set(tried)) == len(tried) > 1
        for value in tried:
            assert getattr(type(params).model_validate({**params.model_dump(), name: value}), name) == value
        if isinstance(values, Choice):
            assert values.values[0] == getattr(params, name)
        else:
            assert isinstance(values, Range)
            assert values.min > 0 or not values.log


def test_a_tuner_tries_what_is_written_too() -> None:
    mlp = FAMILIES["mlp"]
    space = mlp.search_space(mlp.Params(layers=[7], dropout=0.8))
    assert (space["layers"].values[:2], space["dropout"].max) == (((7,), (64, 32)), 0.8)


def test_mlp_is_a_perceptron() -> None:
    built = network("mlp", layers=[4, 3])
    expected = dense(built, "outputs", perceptron(built, table_of(built), layers=2))
    np.testing.assert_allclose(answer(built), expected, rtol=1e-5)


def test_mlp_over_a_text_averages_its_words_and_pairs() -> None:
    import keras

    from models.features import text

    words = keras.Input((4,), dtype="int64")
    encoded = text.encode(words, text.Params(max_tokens=2, ngrams=2, embedding=3), "review", 5)
    mlp = FAMILIES["mlp"]
    built = keras.Model(words, mlp.build([encoded], mlp.Params(layers=[4]), 2))
    table = built.get_layer("review_embedding").get_weights()[0]
    # two words and their pair, one word, no word at all
    average = np.array([(table[2] + table[6] + table[4]) / 3, table[3], np.zeros(3)])
    expected = dense(built, "outputs", perceptron(built, average, layers=1))
    np.testing.assert_allclose(built(np.array([[2, 6, 4, 0], [3, 0, 0, 0], [0, 0, 0, 0]])), expected, rtol=1e-5)


def layer_norm(signal: Array) -> Array:
    """Of a layer whose scale and shift are 1 and 0."""
    centered = signal - signal.mean(axis=-1, keepdims=True)
    normalized: Array = centered / np.sqrt((centered**2).mean(axis=-1, keepdims=True) + 1e-5)
    return normalized


def norms(network: Any) -> list[list[Array]]:
    return [layer.get_weights() for layer in network.layers if "normalization" in layer.name]


def test_norm_is_between_sums_and_activation() -> None:
    built = network("mlp", layers=[4], norm="layer")
    ((scale, shift),) = norms(built)
    hidden = np.maximum(layer_norm(dense(built, "hidden_0", table_of(built))) * scale + shift, 0)
    np.testing.assert_allclose(answer(built), dense(built, "outputs", hidden), rtol=1e-4)


def test_wide_deep_is_the_sum_of_wide_and_deep() -> None:
    built = network("wide_deep", layers=[4])
    (weight_per_id,) = {layer.name for layer in built.layers if "embedding" in layer.name} - {"id_embedding"}
    wide = dense(built, "wide", np.hstack([ROWS["numbers"], means()])) + rows_of(built, weight_per_id)
    deep = dense(built, "deep", perceptron(built, table_of(built), layers=1))
    np.testing.assert_allclose(answer(built), wide + deep, rtol=1e-5)
    assert np.abs(wide).min() > 1e-3


@pytest.mark.parametrize("rank", [None, 2])
def test_dcn_multiplies_with_the_start(rank: int | None) -> None:
    built = network("dcn", layers=[4], rank=rank)
    start = signal = table_of(built)
    for index in range(2):
        inner = dense(built, f"cross_{index}_down", signal) if rank else signal
        signal = start * dense(built, f"cross_{index}", inner) + signal
    expected = dense(built, "outputs", perceptron(built, signal, layers=1))
    np.testing.assert_allclose(answer(built), expected, rtol=1e-4)


def test_a_parallel_dcn_has_the_perceptron_beside_the_crosses() -> None:
    built = network("dcn", layers=[4], cross=1, structure="parallel")
    start = table_of(built)
    crossed = start * dense(built, "cross_0", start) + start
    expected = dense(built, "outputs", np.hstack([crossed, perceptron(built, start, layers=1)]))
    np.testing.assert_allclose(answer(built), expected, rtol=1e-4)


def test_residual_adds_to_what_was_there() -> None:
    built = network("residual", layers=[4, 3], width=5)

    def norm(signal: Array, index: int) -> Array:
        scale, shift, mean, variance = norms(built)[index]
        normalized: Array = (signal - mean) / np.sqrt(variance + 1e-3) * scale + shift
        return normalized

    signal = dense(built, "entrance", table_of(built))
    for index in range(2):
        inside = np.maximum(dense(built, f"hidden_{index}", norm(signal, index)), 0)
        signal = signal + dense(built, f"back_{index}", inside)
    expected = dense(built, "outputs", np.maximum(norm(signal, 2), 0))
    np.testing.assert_allclose(answer(built), expected, rtol=1e-4)
