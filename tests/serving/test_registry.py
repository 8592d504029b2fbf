"""Which version serves after pushes, failures, deletions and half copies."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass

import pytest

from serving.errors import DataLossError, InvalidArgumentError, NotFoundError
from serving.server.registry import ModelQuery, Registry

M = ModelQuery("m")


@dataclass
class Loaded:
    version: int
    signatures: dict


def load(version, path):
    if (path / "saved_model.pb").read_text() != "good":
        raise DataLossError(f"{version} is broken")
    return Loaded(version, {})


@pytest.fixture
def push(tmp_path):
    def push_version(version, content="good"):
        folder = tmp_path / str(version)
        folder.mkdir(exist_ok=True)
        (folder / "saved_model.pb").write_text(content)

    return push_version


@pytest.fixture
def registry(tmp_path):
    return Registry({"m": tmp_path}, load, poll_s=0.01)


def states(registry):
    return {status.version: (status.state.value, status.message) for status in registry.list_statuses(M)}


def test_newest_version_serves(registry, push):
    push(1)
    push(10)
    push(9)
    registry.refresh()
    assert registry.find(M).version == 10
    assert states(registry) == {10: ("AVAILABLE", "")}


def test_newer_version_takes_over(registry, push):
    push(1)
    registry.refresh()
    push(2)
    registry.refresh()
    assert registry.find(M).version == 2
    assert states(registry) == {2: ("AVAILABLE", ""), 1: ("END", "")}
    with pytest.raises(NotFoundError, match=r"Servable not found for request: Specific\(m, 1\)"):
        registry.find(ModelQuery("m", version=1))


def test_failed_version_leaves_the_old_one_and_its_reason(registry, push):
    push(1)
    registry.refresh()
    push(2, "bad")
    registry.refresh()
    assert registry.find(M).version == 1
    assert states(registry) == {2: ("END", "2 is broken"), 1: ("AVAILABLE", "")}
    assert registry.list_failures() == ["version 2 of m: 2 is broken"]


def test_newest_good_version_serves_at_the_start(registry, push):
    push(1)
    push(2, "bad")
    registry.refresh()
    assert registry.find(M).version == 1


def test_failed_version_is_tried_again_only_when_its_files_change(tmp_path, push):
    tries = []

    def count(version, path):
        tries.append(version)
        return load(version, path)

    registry = Registry({"m": tmp_path}, count)
    push(1, "half a copy")
    registry.refresh()
    registry.refresh()
    assert tries == [1]
    push(1)
    registry.refresh()
    assert registry.find(M).version == 1


def test_deleting_the_newest_version_rolls_back(registry, push, tmp_path):
    push(1)
    push(2)
    registry.refresh()
    shutil.rmtree(tmp_path / "2")
    registry.refresh()
    assert registry.find(M).version == 1
    assert states(registry) == {1: ("AVAILABLE", "")}


def test_last_version_stays_when_the_folder_goes(registry, push, tmp_path):
    push(1)
    registry.refresh()
    shutil.rmtree(tmp_path)
    registry.refresh()
    assert registry.find(M).version == 1


def test_unreadable_folder_is_survived(registry, push, monkeypatch):
    def fail(_):
        raise PermissionError("not yours")

    push(1)
    registry.refresh()
    monkeypatch.setattr("serving.artifact.locate", fail)
    registry.refresh()
    assert registry.find(M).version == 1


def test_model_without_versions(registry):
    registry.refresh()
    assert registry.list_unavailable() == ["m"]
    with pytest.raises(NotFoundError, match="Could not find any versions of model m"):
        registry.list_statuses(M)


def test_labels_are_unknown_even_of_unknown_models(registry):
    with pytest.raises(InvalidArgumentError, match="Unrecognized servable version label: stable"):
        registry.find(ModelQuery("none", label="stable"))


def test_polling_finds_a_push(registry, push):
    registry.start()
    try:
        push(1)
        deadline = time.monotonic() + 2
        while registry.list_unavailable() and time.monotonic() < deadline:
            time.sleep(0.005)
        assert registry.find(M).version == 1
    finally:
        registry.stop()
