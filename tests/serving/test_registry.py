"""Which version serves after pushes, failures, deletions and half copies (faults 27, 28, 30 and 38)."""

from __future__ import annotations

import gc
import shutil
import time
import weakref
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
        folder.mkdir(exist_ok=True, parents=True)
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


def test_fault_30_failed_version_leaves_the_old_one_and_its_reason(registry, push):
    push(1)
    registry.refresh()
    push(2, "bad")
    registry.refresh()
    assert registry.find(M).version == 1
    assert states(registry) == {2: ("END", "2 is broken"), 1: ("AVAILABLE", "")}
    assert registry.list_failures() == ["version 2 of m: 2 is broken"]


def test_fault_28_newest_good_version_serves_at_the_start(registry, push):
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


def test_fault_38_last_version_stays_when_the_folder_goes_and_it_shows(registry, push, tmp_path):
    push(1)
    registry.refresh()
    assert registry.list_orphaned() == []
    shutil.rmtree(tmp_path)
    registry.refresh()
    registry.refresh()
    assert registry.find(M).version == 1
    assert states(registry) == {1: ("AVAILABLE", "")}
    assert registry.list_orphaned() == ["m"]
    push(1)
    registry.refresh()
    assert registry.list_orphaned() == []


def test_fault_27_what_is_no_version_is_never_loaded_and_says_why(registry, push, tmp_path):
    push(1)
    (tmp_path / "7").write_text("a plain file")
    (tmp_path / "8" / "variables").mkdir(parents=True)
    staging = tmp_path / ".staging-x"
    staging.mkdir()
    (staging / "saved_model.pb").write_text("good")
    push(9, "half a copy")
    (tmp_path / "99999999999999999999").mkdir()
    (tmp_path / "²").mkdir()
    registry.refresh()
    assert registry.find(M).version == 1
    assert states(registry) == {
        9: ("END", "9 is broken"),
        8: ("END", f"{tmp_path / '8'} has no saved_model.pb"),
        7: ("END", f"{tmp_path / '7'} is a file, expected a folder"),
        1: ("AVAILABLE", ""),
    }
    assert [status.code.name for status in registry.list_statuses(M)] == ["DATA_LOSS", "NOT_FOUND", "NOT_FOUND", "OK"]
    assert registry.list_failures() == ["version 9 of m: 9 is broken"]
    push(8)
    (tmp_path / "7").unlink()
    registry.refresh()
    assert registry.find(M).version == 8
    assert {version: state for version, (state, _) in states(registry).items()} == {9: "END", 8: "AVAILABLE", 1: "END"}


def test_unreadable_folder_is_survived(registry, push, monkeypatch):
    def fail(_):
        raise PermissionError("not yours")

    push(1)
    registry.refresh()
    monkeypatch.setattr("serving.artifact.locate", fail)
    registry.refresh()
    assert registry.find(M).version == 1
    assert registry.list_orphaned() == ["m"]


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


def test_polling_outlives_what_nobody_thought_of(tmp_path, push, monkeypatch):
    registry = Registry({"m": tmp_path}, load, poll_s=0.005)
    failed = []

    def fail():
        failed.append(True)
        if len(failed) < 3:
            raise ZeroDivisionError

    registry.start()
    registry.subscribe(fail)
    try:
        deadline = time.monotonic() + 2
        while len(failed) < 4 and time.monotonic() < deadline:
            time.sleep(0.005)
        assert len(failed) >= 4
    finally:
        registry.stop()


def test_any_exception_of_a_load_is_that_versions_alone(tmp_path, push):
    def load_or_fail(version, path):
        return load(version, path) if version == 1 else 1 / 0

    registry = Registry({"m": tmp_path}, load_or_fail)
    push(1)
    push(2)
    registry.refresh()
    assert states(registry) == {2: ("END", "ZeroDivisionError: division by zero"), 1: ("AVAILABLE", "")}


def test_the_old_version_answers_while_the_new_one_loads_and_goes_with_its_last_request(tmp_path, push):
    asked = []

    def load_and_ask(version, path):
        asked.append(registry.find(M).version if version > 1 else None)
        return load(version, path)

    registry = Registry({"m": tmp_path}, load_and_ask)
    push(1)
    registry.refresh()
    in_flight = registry.find(M)
    gone = weakref.ref(in_flight)
    push(2)
    registry.refresh()
    assert (asked, in_flight.version, registry.find(M).version) == ([None, 1], 1, 2)
    del in_flight
    gc.collect()
    assert gone() is None
