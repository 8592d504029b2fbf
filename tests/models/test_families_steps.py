"""Families with attention, recurrence or convolutions against the same sums in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.encoded import Encoded, sequence
from models.families import ft_transformer, lstm, tcn, transformer

pytestmark = pytest.mark.tensorflow

Array = np.ndarray[Any, Any]
STEPS = np.random.default_rng(1).normal(size=(3, 4, 2)).astype("float32")
MASK = np.array([[1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0]], bool)
THERE = np.where(MASK[..., None], STEPS, 0)
NUMBERS = np.array([[0.5, -1.0, 2.0], [0.0, 3.0, -2.0], [1.0, 1.0, -1.0]], "float32")


def over(read: Any, length: int = 4, units: int = 2) -> Any:
    """The network that is `read(steps, mask)`, with random weights, biases too."""
    import keras

    steps, mask = keras.Input((length, units), name="steps"), keras.Input((length,), dtype="bool", name="mask")
    built = keras.Model({"steps": steps, "mask": mask}, read(steps, mask))
    random = np.random.default_rng(0)
    built.set_weights([random.normal(size=weight.shape) for weight in built.get_weights()])
    return built


def answer(network: Any, steps: Array = STEPS, mask: Array = MASK) -> Array:
    result: Array = network({"steps": steps, "mask": mask}, training=False).numpy()
    return result


def weights(network: Any, layer: str) -> list[Array]:
    found: list[Array] = network.get_layer(layer).get_weights()
    return found


def dense(network: Any, layer: str, signal: Array) -> Array:
    kernel, bias = weights(network, layer)
    product: Array = signal @ kernel + bias
    return product


def norms(network: Any) -> list[list[Array]]:
    return [layer.get_weights() for layer in network.layers if "normalization" in layer.name]


def layer_norm(signal: Array, scale: Array, shift: Array) -> Array:
    centered = signal - signal.mean(axis=-1, keepdims=True)
    normalized: Array = centered / np.sqrt((centered**2).mean(axis=-1, keepdims=True) + 1e-5) * scale + shift
    return normalized


def attention(network: Any, layer: str, signal: Array, mask: Array | None = None) -> Array:
    """Row by row and head by head; a row without a step is left out: any finite number will do."""
    (query, query_bias, key, key_bias, value, value_bias, out, out_bias) = weights(network, layer)
    answers = np.zeros((*signal.shape[:2], out.shape[-1]))
    for row, steps in enumerate(signal):
        seen = np.ones(len(steps), bool) if mask is None else mask[row]
        for head in range(query.shape[1]):
            asked = steps @ query[:, head] + query_bias[head]
            offered = steps[seen] @ key[:, head] + key_bias[head]
            scores = np.exp(asked @ offered.T / np.sqrt(query.shape[2]))
            found = scores / scores.sum(axis=1, keepdims=True) @ (steps[seen] @ value[:, head] + value_bias[head])
            answers[row] += found @ out[head]
    return answers + out_bias


def masked_mean(signal: Array) -> Array:
    counts = np.maximum(MASK.sum(axis=1, keepdims=True), 1)
    mean: Array = (signal * MASK[..., None]).sum(axis=1) / counts
    return mean


@pytest.mark.parametrize("dropout", [0.0, 0.5], ids=["fused attention", "attention with dropout"])
def test_attention_sees_only_steps_that_are_there(dropout: float) -> None:
    params = transformer.Params(dropout=dropout)
    built = over(lambda steps, mask: transformer.attend(steps, mask, 2, params, "attention"))
    expected = attention(built, "attention", STEPS, MASK)
    np.testing.assert_allclose(answer(built)[:2], expected[:2], rtol=1e-4, atol=1e-5)
    assert np.isfinite(answer(built)).all()


def test_transformer_is_attention_and_perceptrons_around_a_shortcut() -> None:
    params = transformer.Params(blocks=1, width=6, heads=2, feed_forward=5)
    built = over(lambda steps, mask: sequence(transformer.encoder(steps, mask, params, "x"), mask).dense)
    first, second, last = norms(built)
    signal = dense(built, "x_entrance", THERE) + transformer.sinusoids(4, 6)
    signal = signal + attention(built, "x_block_0_attention", layer_norm(signal, *first), MASK)
    inside = np.maximum(dense(built, "x_block_0_up", layer_norm(signal, *second)), 0)
    signal = layer_norm(signal + dense(built, "x_block_0_down", inside), *last)
    # steps that are not there come as 0 from `over_steps`
    np.testing.assert_allclose(answer(built, THERE), masked_mean(signal), rtol=1e-3, atol=1e-4)


def test_learned_positions_are_a_vector_a_place() -> None:
    params = transformer.Params(blocks=1, width=6, positions="learned")
    built = over(lambda steps, mask: transformer.encoder(steps, mask, params, "x"))
    (table,) = weights(built, "x_positions")
    assert table.shape == (4, 6)
    same = np.ones_like(STEPS)
    before = answer(built, same)
    assert not np.allclose(before[0, 0], before[0, 1])
    built.get_layer("x_positions").set_weights([np.tile(table[:1], (4, 1))])
    after = answer(built, same)
    np.testing.assert_allclose(after[0], np.tile(after[0, :1], (4, 1)), rtol=1e-4, atol=1e-5)


def test_sinusoids_worked_out_by_hand() -> None:
    expected = [[0, 0, 1, 1], [np.sin(1), np.sin(0.01), np.cos(1), np.cos(0.01)]]
    np.testing.assert_allclose(transformer.sinusoids(2, 4), expected, rtol=1e-6)
    assert transformer.sinusoids(2, 3).shape == (2, 3)


def test_ft_transformer_reads_the_prediction_off_its_own_token() -> None:
    import keras

    params = ft_transformer.Params(blocks=2, width=6, heads=2, feed_forward=5)
    numbers, pair = keras.Input((3,)), keras.Input((2,))
    built = keras.Model([numbers, pair], ft_transformer.build([Encoded(numbers), Encoded(pair)], params, 2))
    random = np.random.default_rng(0)
    built.set_weights([random.normal(size=weight.shape) for weight in built.get_weights()])
    start = np.tile(weights(built, "prediction_token")[0], (3, 1))
    signal = np.stack([start, dense(built, "token_0", NUMBERS), dense(built, "token_1", STEPS[:, 0])], axis=1)
    before_first, before_second, inside_second, last = norms(built)
    signal = signal + attention(built, "block_0_attention", signal)
    for index, inside in enumerate((before_first, inside_second)):
        if index:
            signal = signal + attention(built, "block_1_attention", layer_norm(signal, *before_second))
        entered = layer_norm(signal, *inside)
        gated = dense(built, f"block_{index}_up", entered) * np.maximum(dense(built, f"block_{index}_gate", entered), 0)
        signal = signal + dense(built, f"block_{index}_down", gated)
    expected = dense(built, "outputs", np.maximum(layer_norm(signal[:, 0], *last), 0))
    found = built([NUMBERS, STEPS[:, 0]], training=False)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def sigmoid(signal: Array) -> Array:
    return 1 / (1 + np.exp(-signal))


def recurrent(kernels: list[Array], steps: Array, mask: Array) -> Array:
    """The state after the last step: input, forget, candidate and output gates, in this order."""
    kernel, recurrent_kernel, bias = kernels
    cells = recurrent_kernel.shape[0]
    states = np.zeros((len(steps), cells))
    for row in range(len(steps)):
        state, memory = np.zeros(cells), np.zeros(cells)
        for step in steps[row][mask[row]]:
            enter, forget, candidate, leave = np.split(step @ kernel + state @ recurrent_kernel + bias, 4)
            memory = sigmoid(forget) * memory + sigmoid(enter) * np.tanh(candidate)
            state = sigmoid(leave) * np.tanh(memory)
        states[row] = state
    return states


def test_lstm_skips_steps_that_are_not_there() -> None:
    built = over(lambda steps, mask: lstm.last_state(steps, mask, lstm.Params(cells=[3]), "x"))
    expected = recurrent(weights(built, "x_lstm_0"), STEPS, MASK)
    np.testing.assert_allclose(answer(built), expected, rtol=1e-4, atol=1e-6)
    assert (answer(built)[2] == 0).all()


def test_lstm_in_both_directions() -> None:
    params = lstm.Params(cells=[3], direction="both")
    built = over(lambda steps, mask: lstm.last_state(steps, mask, params, "x"))
    kernels = weights(built, "x_both_0")
    expected = np.hstack(
        [recurrent(kernels[:3], STEPS, MASK), recurrent(kernels[3:], STEPS[:, ::-1], MASK[:, ::-1])],
    )
    np.testing.assert_allclose(answer(built), expected, rtol=1e-4, atol=1e-6)


def test_lstm_of_several_layers_ends_in_the_last() -> None:
    built = over(lambda steps, mask: lstm.last_state(steps, mask, lstm.Params(cells=[5, 3]), "x"))
    assert answer(built).shape == (3, 3)
    assert (answer(built)[2] == 0).all()


def test_causal_looks_back_only() -> None:
    built = over(lambda steps, mask: tcn.causal(steps, 3, 2), length=4, units=1)
    steps = np.array([[[1], [2], [3], [4]]], "float32")
    # the step itself, two before it, four before it
    expected = [[[1, 0, 0], [2, 0, 0], [3, 1, 0], [4, 2, 0]]]
    np.testing.assert_array_equal(answer(built, steps, MASK[:1]), expected)


def convolution(kernel: Array, bias: Array, steps: Array, dilation: int) -> Array:
    """A causal one of two steps: `kernel` holds the weights of the step itself, then those of the earlier one."""
    now, before = np.split(kernel, 2)
    return np.array(
        [steps[t] @ now + bias + (steps[t - dilation] @ before if t >= dilation else 0) for t in range(len(steps))]
    )


def test_tcn_is_two_convolutions_beside_a_shortcut() -> None:
    params = tcn.Params(filters=[3, 3], kernel=2)

    def read(steps: Any, mask: Any) -> Any:
        return tcn.block(tcn.block(steps, mask, params, 0, "x"), mask, params, 1, "x")

    built = over(read)
    expected = []
    for row in STEPS:
        signal = row
        for index, dilation in enumerate((1, 2)):
            inside = signal
            for half in ("first", "second"):
                sums = convolution(*weights(built, f"x_block_{index}_{half}"), inside, dilation)
                inside = np.maximum(sums, 0)
            shortcut = signal if index else dense(built, "x_block_0_shortcut", signal)
            signal = np.maximum(inside + shortcut, 0)
        expected.append(signal)
    np.testing.assert_allclose(answer(built), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", ["none", "layer"])
def test_tcn_is_causal(norm: str) -> None:
    params = tcn.Params(filters=[4, 4], norm=norm)

    def read(steps: Any, mask: Any) -> Any:
        return tcn.block(tcn.block(steps, mask, params, 0, "x"), mask, params, 1, "x")

    built = over(read)
    changed = STEPS.copy()
    changed[:, 2] += 5
    before, after = answer(built), answer(built, changed)
    np.testing.assert_array_equal(before[:, :2], after[:, :2])
    assert not np.allclose(before[:, 2:], after[:, 2:])


def test_the_last_step_is_the_last_one_that_is_there() -> None:
    built = over(tcn.last_step)
    np.testing.assert_array_equal(answer(built), [STEPS[0, 3], STEPS[1, 2], [0, 0]])


def two_sequences() -> tuple[dict[str, Any], list[Encoded]]:
    import keras

    given = {
        "steps": keras.Input((4, 2), name="steps"),
        "mask": keras.Input((4,), dtype="bool", name="mask"),
        "other": keras.Input((3, 1), name="other"),
        "other_mask": keras.Input((3,), dtype="bool", name="other_mask"),
        "numbers": keras.Input((3,), name="numbers"),
    }
    features = [
        sequence(given["steps"], given["mask"]),
        Encoded(given["numbers"]),
        sequence(given["other"], given["other_mask"]),
    ]
    return given, features


OTHER = np.arange(1, 10, dtype="float32").reshape(3, 3, 1)
OTHER_MASK = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0]], bool)


def read_of(sequences: lstm.Sequences) -> tuple[list[tuple[Any, Any, str]], list[Array]]:
    """What `read` gets and what comes out where it adds the steps up."""
    import keras

    calls: list[tuple[Any, Any, str]] = []

    def read(steps: Any, mask: Any, name: str) -> Any:
        calls.append((steps, mask, name))
        return keras.ops.sum(steps, axis=1)

    given, features = two_sequences()
    joined = lstm.over_steps(features, sequences, read)
    built = keras.Model(given, [joined, *(mask for _, mask, _ in calls)])
    rows = {"steps": STEPS, "mask": MASK, "other": OTHER, "other_mask": OTHER_MASK, "numbers": NUMBERS}
    outputs = built(rows)
    return calls, [output.numpy() for output in outputs]


@pytest.mark.parametrize("sequences", ["each", "aligned"])
def test_sequences_are_joined_with_all_other_features(sequences: lstm.Sequences) -> None:
    calls, (joined, *masks) = read_of(sequences)
    others = np.where(OTHER_MASK[..., None], OTHER, 0).sum(axis=1)
    np.testing.assert_allclose(joined, np.hstack([THERE.sum(axis=1), others, NUMBERS]), rtol=1e-5)
    if sequences == "each":
        assert [(steps.shape, name) for steps, _, name in calls] == [
            ((None, 4, 2), "sequence_0"),
            ((None, 3, 1), "sequence_1"),
        ]
    else:
        assert [(steps.shape, name) for steps, _, name in calls] == [((None, 4, 3), "sequence_0")]
        np.testing.assert_array_equal(masks[0], [[1, 1, 1, 1], [1, 1, 1, 0], [0, 0, 0, 0]])
