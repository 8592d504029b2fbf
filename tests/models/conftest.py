"""A small training: two columns of numbers, already transformed, and a label that follows from them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from models.train import Task

ROWS = 203
EVAL_ROWS = 60


@pytest.fixture
def make_task() -> Callable[..., Task]:
    """`make_task(target={...}, model={...}, **training)`: a task for models.train.train_network."""

    def make(target: dict[str, Any] | None = None, model: dict[str, Any] | None = None, **training: Any) -> Task:
        from models.fit.loop import Splits
        from models.preprocess import LABEL
        from models.spec import ModelSpec
        from models.targets import LabelFacts
        from models.train import Task

        spec = ModelSpec.model_validate(
            {
                "inputs": {
                    "types": {"a": "float", "b": "float", "y": "float"},
                    "features": {"a": {"kind": "numeric"}, "b": {"kind": "numeric"}},
                    "target": {"kind": "binary", "column": "y"} | (target or {}),
                },
                "model": {"family": "mlp", "layers": [8], "dropout": 0.2} | (model or {}),
                "training": {"batch_size": 16, "epochs": 4, "learning_rate": 0.01} | training,
            }
        )
        splits = Splits(make_columns(ROWS, 1), make_columns(EVAL_ROWS, 2), LABEL)
        labels = splits.train[LABEL]
        transform: Any = SimpleNamespace(vocabulary_file_by_name=lambda name: None)
        return Task(spec, transform, LabelFacts((), float(labels.mean()), float(labels.std())), splits)

    return make


def make_columns(rows: int, seed: int) -> dict[str, Any]:
    from models.preprocess import LABEL, transformed_name

    random = np.random.default_rng(seed)
    a, b = random.normal(size=(2, rows, 2)).astype("float32")
    label = (a[:, 0] + b[:, 0] ** 2 + random.normal(0, 0.5, rows) > 1).astype("float32")
    return {transformed_name("a"): a, transformed_name("b"): b, LABEL: label}
