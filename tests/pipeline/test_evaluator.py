"""What is evaluated of two models that have their classes in another order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow


def test_another_models_probabilities_stand_by_the_classes_of_the_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    from models.spec import ModelSpec
    from models.targets import LabelFacts
    from pipeline.components import evaluator

    spec = ModelSpec.model_validate(
        {
            "inputs": {
                "types": {"x": "float", "y": "bytes"},
                "features": {"x": {"kind": "numeric"}},
                "target": {"kind": "multiclass", "column": "y"},
            },
            "model": {"family": "mlp"},
        }
    )
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]], "float32")

    def load(folder: Path) -> Any:
        return lambda columns: {"label": np.array([b"b", b"c"], object), "probabilities": probabilities}

    monkeypatch.setattr(evaluator, "load_predictor", load)
    monkeypatch.setattr(evaluator, "read_classes", lambda folder: ("b", "gone", "c"))
    batches = [{"x": np.zeros(2, "float32")}]
    found = evaluator.predict_rows(Path("unused"), batches, spec, LabelFacts(("a", "b", "c")))
    np.testing.assert_allclose(found, [[0, 0.7, 0.1], [0, 0.1, 0.6]])
