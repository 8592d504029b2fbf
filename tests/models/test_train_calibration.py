"""Calibration by hand, and that it mends a network that is too sure without changing the order of rows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models.fit.calibration import isotonic, temperature

pytestmark = pytest.mark.tensorflow

RANDOM = np.random.default_rng(0)
ROWS = 20_000
TOO_SURE = 3.0


def sigmoid(values: Any) -> Any:
    return 1 / (1 + np.exp(-values))


def calibration_error(probability: Any, labels: Any) -> float:
    """The mean distance of the probability from the share of positive rows, over 20 equal bins."""
    bins = np.minimum((probability * 20).astype(int), 19)
    parts = [(probability[bins == each], labels[bins == each]) for each in range(20) if (bins == each).any()]
    return float(sum(len(guess) * abs(guess.mean() - found.mean()) for guess, found in parts) / len(labels))


def binary_rows(seed: int) -> tuple[Any, Any]:
    """True logits `[rows, 1]`, and labels that have these probabilities."""
    random = np.random.default_rng(seed)
    logits = random.normal(-1, 1.5, (ROWS, 1)).astype("float32")
    return logits, (random.random(ROWS) < sigmoid(logits[:, 0])).astype("float32")


def test_temperature_is_found() -> None:
    logits, labels = binary_rows(0)
    assert temperature(logits * TOO_SURE, labels) == pytest.approx(TOO_SURE, rel=0.05)
    assert temperature(logits / 2, labels) == pytest.approx(0.5, rel=0.05)


def test_temperature_of_classes_is_found() -> None:
    logits = RANDOM.normal(0, 1, (ROWS, 3))
    odds = np.exp(logits)
    chosen = (odds.cumsum(axis=1) < RANDOM.random((ROWS, 1)) * odds.sum(axis=1, keepdims=True)).sum(axis=1)
    assert temperature(logits * TOO_SURE, chosen) == pytest.approx(TOO_SURE, rel=0.05)


def test_temperature_minimises_the_log_loss() -> None:
    logits, labels = np.array([[2.0], [2.0], [2.0], [-1.0]]), np.array([1, 1, 0, 0])
    found = temperature(logits, labels)

    def log_loss(factor: float) -> float:
        probability = sigmoid(logits[:, 0] / factor)
        return float(-np.where(labels == 1, np.log(probability), np.log1p(-probability)).mean())

    assert log_loss(found) < min(log_loss(found * 1.01), log_loss(found * 0.99))


@pytest.mark.parametrize("label", [0, 1])
def test_temperature_of_one_class_stays_within_bounds(label: int) -> None:
    assert 0.009 < temperature(np.array([[1.0], [2.0]]), np.array([label, label])) < 101


def test_isotonic_pools_neighbours_that_fall() -> None:
    scores = np.array([1, 2, 3, 4, 5, 6], "float32")
    knots, values = isotonic(scores, np.array([0, 1, 0, 0, 1, 1]))
    # 2, 3 and 4 are one pool with a third of positives; with half a row of each class more, 1 has 0.5 of 2, and 6 has
    # 1.5 of 2, which is less than 5 has
    np.testing.assert_allclose(values, [0.25, 1 / 3, 2.5 / 3], rtol=1e-6)
    np.testing.assert_allclose(knots, [1, 3, 17 / 3], rtol=1e-6)


def test_isotonic_is_that_of_scikit_learn() -> None:
    from sklearn.isotonic import IsotonicRegression

    logits, labels = binary_rows(1)
    knots, values = isotonic(logits[:, 0], labels)
    assert (np.diff(knots) > 0).all()
    assert (np.diff(values) > 0).all()
    reference = IsotonicRegression().fit(logits[:, 0], labels)
    assert np.abs(np.interp(logits[:, 0], knots, values) - reference.predict(logits[:, 0])).mean() < 0.01


def logit_network(target: Any, params: Any) -> Any:
    """A network whose logits are its input times TOO_SURE."""
    import keras

    inputs = keras.Input((1,), name="logit")
    return keras.Model(
        {"logit": inputs}, target.head(keras.layers.Rescaling(TOO_SURE)(inputs), params, None), name="net"
    )


def calibrate(network: Any, params: Any, logits: Any, labels: Any) -> Any:
    from models.fit.calibration import calibrated
    from models.targets import LabelFacts

    spec: Any = SimpleNamespace(inputs=SimpleNamespace(target=params))
    return calibrated(network, spec, LabelFacts(), {"logit": logits, "y": labels}, "y")


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_a_network_that_is_too_sure_is_mended_and_ranks_as_before(method: str) -> None:
    from sklearn.metrics import roc_auc_score

    from models.targets import binary

    params = binary.Params(column="y", calibration=method)
    network = logit_network(binary, params)
    mended = calibrate(network, params, *binary_rows(2))
    logits, labels = binary_rows(3)
    before, after = (model({"logit": logits}).numpy()[:, 0] for model in (network, mended))
    assert calibration_error(before, labels) > 0.1
    assert calibration_error(after, labels) < 0.015
    assert roc_auc_score(labels, after) == pytest.approx(roc_auc_score(labels, before), abs=1e-5)
    rising = after[np.argsort(logits[:, 0], kind="stable")]
    assert (np.diff(rising) >= 0).all()
    assert ((after > 0) & (after < 1)).all()


def test_without_calibration_the_network_is_the_same() -> None:
    from models.targets import binary

    params = binary.Params(column="y")
    network = logit_network(binary, params)
    assert calibrate(network, params, *binary_rows(2)) is network


@pytest.mark.parametrize(("labels", "share"), [([0.0] * 5, 1 / 7), ([1.0, 1.0, 0.0, 0.0, 0.0], 3 / 7)])
def test_isotonic_of_a_single_pool_is_its_share(
    labels: list[float], share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.fit import calibration
    from models.targets import binary

    params = binary.Params(column="y", calibration="isotonic")
    monkeypatch.setattr(calibration, "GROUPS", 1)
    logits = np.arange(5, dtype="float32")[:, None]
    mended = calibrate(logit_network(binary, params), params, logits, np.array(labels))
    found = mended({"logit": np.array([[-9.0], [2.0], [9.0]], "float32")}).numpy()[:, 0]
    np.testing.assert_allclose(found, [share] * 3, atol=2e-3)
