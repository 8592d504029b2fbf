"""The model that a candidate is compared with: the one that is served."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from serving.manifest import digest_files, digest_model

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def models(tmp_path: Path) -> list[Any]:
    """Three models, the first and the last one blessed."""
    found = []
    for number in (1, 2, 3):
        folder = tmp_path / str(number) / "Format-Serving"
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").write_bytes(bytes([number]))
        found.append(SimpleNamespace(id=number, uri=str(tmp_path / str(number))))
    return found


def digest(model: Any) -> str:
    return digest_model(digest_files(Path(model.uri) / "Format-Serving"))


def choose(served: str, candidate: Any, models: list[Any]) -> list[int]:
    from pipeline.components.baseline import ServedModel

    def properties(model: int, blessed: int) -> Any:
        return SimpleNamespace(
            get_int_custom_property={"current_model_id": model, "blessed": blessed}.__getitem__,
        )

    blessings = [properties(1, 1), properties(2, 0), properties(3, 1)]
    inputs = {"candidate": [candidate], "model": models, "model_blessing": blessings}
    found = ServedModel(served).resolve_artifacts(None, inputs)
    assert found is not None
    assert (found["candidate"], found["model_blessing"]) == ([], [])
    return [model.id for model in found["model"]]


def test_it_is_the_served_one_though_a_newer_one_is_blessed(models: list[Any]) -> None:
    candidate = SimpleNamespace(id=4, uri="/elsewhere/4")
    assert choose(digest(models[0]), candidate, models) == [1]
    assert choose(digest(models[2]), candidate, models) == [3]


def test_nothing_is_compared_while_nothing_is_served(models: list[Any]) -> None:
    candidate = SimpleNamespace(id=4, uri="/elsewhere/4")
    assert choose("", candidate, models) == []
    assert choose("of a model that is gone", candidate, models) == []


def test_a_candidate_that_is_served_keeps_what_it_was_compared_with(models: list[Any]) -> None:
    assert choose(digest(models[2]), models[2], models) == [1]
    assert choose(digest(models[0]), models[0], models) == []
