"""Step sizes and optimizers by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from models.spec import Schedule, Training

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({"shape": "constant"}, {0: 0.2, 50: 0.2, 99: 0.2}),
        ({"shape": "cosine"}, {0: 0.2, 50: 0.1, 100: 0.0, 25: 0.1 * (1 + math.cos(math.pi / 4))}),
        ({"shape": "cosine", "end": 0.5}, {0: 0.2, 50: 0.15, 100: 0.1}),
        ({"shape": "linear"}, {0: 0.2, 25: 0.15, 100: 0.0, 200: 0.0}),
        ({"shape": "linear", "end": 0.1}, {100: 0.02}),
        ({"shape": "exponential"}, {0: 0.2, 50: 0.02, 100: 0.002}),
        # ten steps to the largest, then ninety of the shape
        ({"shape": "linear", "warmup": 0.1}, {0: 0.02, 4: 0.1, 9: 0.2, 10: 0.2, 55: 0.1, 100: 0.0}),
        ({"shape": "constant", "warmup": 0.1}, {0: 0.02, 9: 0.2, 10: 0.2, 99: 0.2}),
    ],
)
def test_step_sizes(schedule: dict[str, Any], expected: dict[int, float]) -> None:
    from models.optimizer import step_sizes

    sizes = step_sizes(Schedule.model_validate(schedule), 0.2, 100)
    assert {step: float(sizes(step)) for step in expected} == pytest.approx(expected, abs=1e-6)


def test_a_shape_alone_is_a_schedule() -> None:
    assert Training.model_validate({"schedule": "linear"}).schedule == Schedule(shape="linear")
    with pytest.raises(ValidationError, match="'cosine', 'constant', 'linear' or 'exponential'"):
        Training.model_validate({"schedule": "square"})
    training = Training.model_validate({"schedule": {"warmup": 0.1}})
    assert Training.model_validate_json(training.model_dump_json()) == training


@pytest.mark.parametrize(
    ("settings", "kind", "decay"),
    [
        ({}, "Adam", None),
        ({"optimizer": "adamw"}, "Adam", 0.004),
        ({"optimizer": "adamw", "weight_decay": 0.1}, "Adam", 0.1),
        ({"optimizer": "sgd", "weight_decay": 0.1, "clip_norm": 2}, "SGD", 0.1),
    ],
)
def test_optimizers(settings: dict[str, Any], kind: str, decay: float | None) -> None:
    from models.optimizer import build_optimizer

    built = build_optimizer(Training.model_validate(settings), 10)
    assert (type(built).__name__, built.weight_decay, built.global_clipnorm) == (kind, decay, settings.get("clip_norm"))
