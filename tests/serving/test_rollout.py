"""Rolling back, labels, and what was served when."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest

from serving.audit import verify
from serving.errors import DataLossError, NotFoundError
from serving.history import read_history
from serving.manifest import Lineage, read_manifest
from serving.model_config import FILE
from serving.push import Candidate, push
from serving.rollout import find_live, rollback, set_label
from serving.store import find_versions


@pytest.fixture
def pushed(base, model):
    """The versions of models a, b, c."""
    lineages = {content: Lineage(data={"train": f"rows of {content}"}) for content in "abc"}
    return [push(Candidate(model(content), lineage=lineages[content]), base, 5).version for content in "abc"]


def served(base) -> str:
    return (find_versions(base)[max(find_versions(base))] / "saved_model.pb").read_text()


def test_a_rollback_serves_the_model_before_under_a_new_number(base, pushed):
    first = rollback(base, why="too many calls")
    assert first.fresh
    assert first.version == max(pushed) + 1
    assert served(base) == "b"
    manifest = read_manifest(first.path)
    assert (manifest.origin, manifest.why, manifest.lineage.data) == (
        pushed[1],
        "too many calls",
        {"train": "rows of b"},
    )
    assert verify(base) == []


def test_each_further_rollback_goes_one_model_further(base, pushed):
    rollback(base)
    rollback(base)
    assert served(base) == "a"
    with pytest.raises(NotFoundError, match="no other model to roll back to"):
        rollback(base)


def test_a_named_version_is_served_whichever_it_is_and_once(base, pushed):
    assert rollback(base, pushed[0]).fresh
    again = rollback(base, pushed[0])
    assert (again.fresh, served(base)) == (False, "a")
    assert rollback(base, pushed[2]).fresh
    assert served(base) == "c"
    assert len(find_versions(base)) == 5


def test_files_are_shared_but_for_the_manifest(base, pushed):
    path = rollback(base, pushed[0]).path
    origin = base / str(pushed[0])
    assert (path / "saved_model.pb").samefile(origin / "saved_model.pb")
    assert read_manifest(origin).origin is None


def test_without_hard_links_files_are_copied(base, pushed, monkeypatch):
    def refuse(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    path = rollback(base, pushed[0]).path
    assert not (path / "saved_model.pb").samefile(base / str(pushed[0]) / "saved_model.pb")
    assert verify(base) == []


def test_a_damaged_version_is_not_served_again(base, pushed):
    (base / str(pushed[0]) / "saved_model.pb").write_text("A")
    with pytest.raises(DataLossError, match=r"saved_model\.pb: altered"):
        rollback(base, pushed[0])
    assert served(base) == "c"


def test_a_damaged_served_version_is_replaced_by_a_sound_one_of_the_same_model(base, pushed):
    again = rollback(base, pushed[0])
    (again.path / "saved_model.pb").unlink()
    (again.path / "saved_model.pb").write_text("A")
    assert rollback(base, pushed[0]).fresh
    assert served(base) == "a"


@pytest.mark.parametrize("version", [None, 7])
def test_versions_that_are_not_there(base, model, version):
    with pytest.raises(NotFoundError, match="expected versions, received none"):
        rollback(base, version)
    push(Candidate(model("a")), base, 5)
    with pytest.raises(NotFoundError, match="no other model to roll back to" if version is None else r"received 7$"):
        rollback(base, version)


def test_a_rollback_killed_before_its_record_is_not_made_twice(base, pushed, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("serving.bookkeeping.append_event", die)
    with pytest.raises(KeyboardInterrupt):
        rollback(base, why="reason")
    monkeypatch.undo()
    again = rollback(base)
    assert (again.fresh, again.version, served(base)) == (True, max(pushed) + 1, "b")
    (event,) = [event for event in read_history(base).events if event.action == "rollback"]
    assert (event.why, event.origin, event.replaced) == ("reason", pushed[1], pushed[2])


def test_labels_stay_or_follow_a_rollback(base, pushed):
    set_label(base, "stable", pushed[1])
    set_label(base, "canary", pushed[2], why="5 % of the calls")
    new = rollback(base).version
    text = (base / FILE).read_text()
    assert f'version_labels {{ key: "stable" value: {pushed[1]} }}' in text
    assert f'version_labels {{ key: "canary" value: {new} }}' in text
    assert f"specific {{ versions: {pushed[1]} versions: {new} }}" in text
    set_label(base, "canary", None)
    assert "canary" not in (base / FILE).read_text()
    set_label(base, "stable", None)
    assert not (base / FILE).exists()


def test_the_same_label_once_more_is_no_event(base, pushed):
    set_label(base, "stable", pushed[0])
    before = read_history(base).events
    set_label(base, "stable", pushed[0])
    assert read_history(base).events == before


def test_a_label_of_a_version_that_is_not_there(base, pushed):
    with pytest.raises(NotFoundError, match=r"there \(the newest are \d+, \d+, \d+\), received 7"):
        set_label(base, "stable", 7)


def test_a_push_keeps_the_configuration_of_labels_up_to_date(base, model, pushed):
    set_label(base, "stable", pushed[0])
    new = push(Candidate(model("d")), base, 5).version
    assert f"specific {{ versions: {pushed[0]} versions: {new} }}" in (base / FILE).read_text()


@pytest.mark.tensorflow
def test_tensorflow_serving_reads_the_configuration(base, pushed):
    from google.protobuf import text_format
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    set_label(base, "stable", pushed[0])
    config = text_format.Parse((base / FILE).read_text(), ModelServerConfig()).model_config_list.config[0]
    assert (config.name, config.base_path, config.model_platform) == ("flights", "/models/flights", "tensorflow")
    assert dict(config.version_labels) == {"stable": pushed[0]}
    assert list(config.model_version_policy.specific.versions) == [pushed[0], pushed[2]]


def test_what_was_served_when(base, pushed):
    events = read_history(base).events
    before, second = events[0].at - timedelta(seconds=1), events[1]
    assert find_live(base, before) == (None, None)
    assert find_live(base, second.at) == (pushed[1], second)
    assert find_live(base).version == pushed[2]
    assert find_live(base, second.at).since.lineage.data == {"train": "rows of b"}
    new = rollback(base, pushed[0]).version
    assert find_live(base, datetime.now(UTC)).version == new
    assert find_live(base, datetime.now(UTC)).since.lineage.data == {"train": "rows of a"}


def test_what_was_served_is_known_when_it_is_gone(base, model, pushed):
    moment = read_history(base).events[0].at
    for content in "defgh":
        push(Candidate(model(content)), base, 2)
    assert pushed[0] not in find_versions(base)
    assert find_live(base, moment).since.lineage.data == {"train": "rows of a"}


def test_every_flipped_bit_of_every_file_is_found_and_named(base, pushed):
    set_label(base, "stable", pushed[1])
    rollback(base, pushed[0])
    files = [file for file in base.rglob("*") if file.is_file() and file.stat().st_size]
    assert len(files) == 4 * 3 + 2
    for file in files:
        sound = file.read_bytes()
        for place in {0, len(sound) // 2, len(sound) - 1}:
            altered = bytearray(sound)
            altered[place] ^= 1
            file.write_bytes(altered)
            found = [fault.file.partition(":")[0] for fault in verify(base)]
            assert file.relative_to(base).as_posix() in found, (file, place, found)
        file.write_bytes(sound)
        assert verify(base) == []


def test_one_version_alone_is_verified(base, pushed):
    (base / str(pushed[0]) / "saved_model.pb").write_text("A")
    assert verify(base, pushed[1]) == []
    assert list(map(str, verify(base, pushed[0]))) == [f"{pushed[0]}/saved_model.pb: altered"]


def test_versions_that_came_or_went_without_the_history_are_told(base, model, pushed):
    model("x").rename(base / "7")
    (base / str(pushed[0])).rename(base.parent / "elsewhere")
    assert list(map(str, verify(base))) == ["7: was not pushed by penstock", f"{pushed[0]}: missing"]
    (base / str(pushed[1]) / "assets.extra/manifest.json").unlink()
    assert f"{pushed[1]}/assets.extra/manifest.json: missing" in map(str, verify(base))
