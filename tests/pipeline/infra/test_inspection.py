"""What is found in the signatures of a SavedModel without loading it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.reference import read_reference
from pipeline.infra.inspection import inspect

pytestmark = pytest.mark.tensorflow


def remove(signatures: Any) -> None:
    del signatures["classify"]


def rename_input(signatures: Any) -> None:
    inputs = signatures["classify"].inputs
    inputs["examples"].CopyFrom(inputs.pop("inputs"))


def drop_scores(signatures: Any) -> None:
    del signatures["classify"].outputs["scores"]


GIVEN = {
    "no signature": (
        remove,
        [
            "wrong signature: classify has the inputs none, expected inputs (string [-1])",
            "wrong signature: classify has the outputs none, expected classes, scores",
        ],
    ),
    "another input": (
        rename_input,
        ["wrong signature: classify has the inputs examples, expected inputs (string [-1])"],
    ),
    "no scores": (drop_scores, ["wrong signature: classify has the outputs classes, expected classes, scores"]),
}


@pytest.mark.parametrize(("change", "lines"), GIVEN.values(), ids=GIVEN)
def test_classify_is_held_to_what_tensorflow_serving_asks_for(
    exported: Any, tmp_path: Path, change: Callable[[Any], None], lines: list[str]
) -> None:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    folder = tmp_path / "changed"
    shutil.copytree(exported.folder, folder)
    file = folder / "saved_model.pb"
    message = SavedModel.FromString(file.read_bytes())
    change(message.meta_graphs[0].signature_def)
    file.write_bytes(message.SerializeToString())
    reference = read_reference(exported.folder)
    assert inspect(folder, exported.spec, reference) == lines
    assert inspect(exported.folder, exported.spec, reference) == []
