"""One small model, trained and exported as the Trainer does, with the rows that it is asked about."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from models.spec import InputSpec, ModelSpec

ROWS = 240
INPUTS = {
    "types": {"mass": "float", "species": "bytes", "age": "int", "sales": "float", "late": "int"},
    "features": {
        "mass": {"kind": "numeric"},
        "species": {"kind": "categorical"},
        "age": {"kind": "numeric"},
        "sales": {"kind": "sequence", "length": 3},
    },
    "target": {"kind": "binary", "column": "late"},
}


class Exported(NamedTuple):
    """What the Trainer leaves, and the rows.

    Attributes:
        spec: the model.
        folder: the SavedModel.
        files: the examples of the eval split.
    """

    spec: ModelSpec
    folder: Path
    files: list[Path]


def table() -> dict[str, list[Any]]:
    """Birds; the heavier, the later. Every column has missing values."""
    random.seed(3)
    mass = [random.gauss(4000, 800) for _ in range(ROWS)]
    return {
        "mass": [None if index % 11 == 0 else each for index, each in enumerate(mass)],
        "species": [None if index % 13 == 0 else random.choice("abcdef") for index in range(ROWS)],
        "age": [None if index % 17 == 0 else random.randrange(9) for index in range(ROWS)],
        "sales": [None if index % 7 == 0 else [random.random()] * (index % 5) for index in range(ROWS)],
        "late": [int(each > 4000) for each in mass],
    }


@pytest.fixture(scope="session")
def exported(analyze: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The model of the rows above, by the Trainer's run_fn."""
    from models.train import run_fn

    model = {"family": "mlp", "layers": [8]}
    training = {"epochs": 2, "batch_size": 32}
    spec = ModelSpec.model_validate({"inputs": INPUTS, "model": model, "training": training})
    transform = analyze(InputSpec.model_validate(INPUTS), table())
    root = Path(transform._transform_output_dir).parent
    files = sorted((root / "examples" / "Split-train").iterdir())
    out = tmp_path_factory.mktemp("trainer")
    run_fn(
        SimpleNamespace(
            custom_config={"spec": spec.model_dump_json(), "code": json.dumps(1)},
            transform_output=str(root / "graph"),
            train_files=[str(file) for file in files],
            eval_files=[str(file) for file in files],
            model_run_dir=str(out / "logs"),
            serving_model_dir=str(out / "Format-Serving"),
            base_model=None,
        )
    )
    return Exported(spec, out / "Format-Serving", files)
