"""Pushing to a folder that TensorFlow Serving watches."""

from __future__ import annotations

import errno
import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from serving import store
from serving.artifact import EDGE_FILE
from serving.errors import DataLossError, StorageError
from serving.history import read_history
from serving.manifest import MANIFEST, Edge, Lineage, Manifest, Parity, find_faults, read_manifest
from serving.push import Candidate, Pushed, push
from serving.rollout import rollback, set_label
from serving.store import find_versions

NOW = 1_700_000_000


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, NOW)


def set_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(store.time, "time", lambda: seconds)


def publish(model: Path, base: Path, keep: int = 5) -> Pushed:
    return push(Candidate(model), base, keep)


def versions(base: Path) -> list[int]:
    return list(find_versions(base))


def actions(base: Path) -> list[tuple[str, int | None]]:
    return [(event.action, event.version) for event in read_history(base).events]


def test_a_file_for_devices_is_part_of_the_version(base, model, tmp_path) -> None:
    source, file = model("a"), tmp_path / "model.tflite"
    facts = Edge(
        quantize="int8", size_bytes=4, served_bytes=9, rows=2, difference=0.5, metric="auc", metric_rows=2, value=0.9
    )
    candidates = [Candidate(source), *(Candidate(source, edge=(file, facts)) for _ in range(3))]
    found = []
    for candidate, content in zip([*candidates, candidates[0]], ["", "lite", "lite", "other", ""], strict=True):
        file.write_text(content)
        found.append(push(candidate, base, 9))
    assert [each.fresh for each in found] == [True, True, False, True, True]
    manifests = [read_manifest(each.path) for each in found]
    assert [each.edge for each in manifests if each] == [None, facts, facts, facts, None]
    assert (found[1].path / EDGE_FILE).read_text() == "lite"
    assert [str(EDGE_FILE) in each.files for each in manifests if each] == [False, True, True, True, False]
    assert len({each.digest for each in manifests if each}) == 1
    assert not any(
        find_faults(each.path, manifest) for each, manifest in zip(found, manifests, strict=True) if manifest
    )


def test_first_version_is_the_time(base, model) -> None:
    pushed = publish(model("a"), base)
    assert (pushed.path, pushed.version, pushed.fresh) == (base / str(NOW), NOW, True)
    assert (pushed.path / "saved_model.pb").read_text() == "a"
    assert (pushed.path / "variables" / "variables.index").read_text() == "weights"


def test_manifest_tells_the_truth(base, model) -> None:
    source = model("a")
    (source / "assets.extra").mkdir()
    (source / "assets.extra" / "spec.json").write_text("{}")
    made = {
        "lineage": Lineage(run="r", data={"train": "3-ab"}, code="c", lock="l", problem={"name": "flights"}),
        "metrics": {"auc": 0.9},
        "parity": Parity(rows=10, largest=1e-7),
    }
    pushed = push(Candidate(source, lambda folder: (folder / "card.md").touch() or None, **made), base, 5)
    manifest = read_manifest(pushed.path)
    assert manifest is not None
    assert (manifest.name, manifest.version) == ("flights", NOW)
    assert {name: getattr(manifest, name) for name in made} == made
    found = {file.relative_to(pushed.path).as_posix(): file for file in pushed.path.rglob("*") if file.is_file()}
    assert set(manifest.files) == set(found) - {str(MANIFEST)}
    assert "card.md" in manifest.files
    assert manifest.files == {name: hashlib.sha256(found[name].read_bytes()).hexdigest() for name in manifest.files}
    # of the model as it was trained: what is added beside it makes no other model
    lines = "\n".join(f"{name} {manifest.files[name]}" for name in sorted(manifest.files) if name != "card.md")
    assert manifest.digest == hashlib.sha256(lines.encode()).hexdigest()


def test_manifests_of_before_are_read(tmp_path) -> None:
    (tmp_path / MANIFEST).parent.mkdir()
    old = {"name": "flights", "version": 7, "created": "2026-01-01T00:00:00Z", "digest": "d", "files": {"a": "b"}}
    (tmp_path / MANIFEST).write_text(json.dumps(old | {"of a later release": 1}))
    assert read_manifest(tmp_path) == Manifest(
        name="flights", version=7, created=datetime(2026, 1, 1, tzinfo=UTC), digest="d", files={"a": "b"}
    )


def test_the_same_model_is_not_pushed_twice(base, model, monkeypatch) -> None:
    first = publish(model("a"), base)
    set_clock(monkeypatch, NOW + 60)
    again = publish(model("a"), base)
    assert (again.path, again.version, again.fresh) == (first.path, first.version, False)
    assert actions(base) == [("push", NOW)]


@pytest.mark.parametrize("change", ["content", "name", "new file"])
def test_any_difference_makes_another_model(base, model, change) -> None:
    publish(model("a"), base)
    other = model("b" if change == "content" else "a")
    if change == "name":
        (other / "saved_model.pb").rename(other / "saved_model.pbtxt")
    if change == "new file":
        (other / "fingerprint.pb").touch()
    assert publish(other, base).fresh


def test_an_older_model_becomes_the_newest_again(base, model) -> None:
    pushed = [publish(model(content), base) for content in "aba"]
    assert [result.fresh for result in pushed] == [True, True, True]


def test_a_served_model_that_was_damaged_is_pushed_again(base, model) -> None:
    first = publish(model("a"), base)
    (first.path / "saved_model.pb").write_text("A")
    again = publish(model("a"), base)
    assert (again.version, again.fresh) == (NOW + 1, True)


def test_two_pushes_in_one_second_get_two_versions(base, model) -> None:
    for content in "ab":
        publish(model(content), base)
    assert versions(base) == [NOW, NOW + 1]


@pytest.mark.parametrize("gone", [False, True])
def test_a_clock_set_back_and_versions_removed_give_larger_numbers(base, model, monkeypatch, tmp_path, gone) -> None:
    pushed = publish(model("a"), base)
    if gone:
        pushed.path.rename(tmp_path / "elsewhere")
    set_clock(monkeypatch, NOW - 1000)
    assert publish(model("b"), base).version == NOW + 1


def test_a_base_that_was_emptied_gets_the_same_model_again(base, model) -> None:
    pushed = publish(model("a"), base)
    pushed.path.rename(base.parent / "elsewhere")
    assert publish(model("a"), base).fresh
    assert actions(base) == [("push", NOW), ("missing", NOW), ("push", NOW + 1)]


def test_a_model_that_was_rolled_back_stays_away_until_somebody_wants_it(base, model) -> None:
    publish(model("a"), base)
    publish(model("b"), base)
    rollback(base, why="too many calls")
    again = publish(model("b"), base)
    assert (again.version, again.fresh) == (NOW + 2, False)
    assert again.withdrawn is not None
    assert again.withdrawn.why == "too many calls"
    assert publish(model("c"), base).fresh
    rollback(base, NOW + 1)
    assert publish(model("b"), base)._replace(path=base) == Pushed(base, NOW + 4, fresh=False)


def test_only_the_newest_are_kept_and_where_a_rollback_would_go(base, model) -> None:
    for content in "abcd":
        publish(model(content), base, keep=2)
    assert versions(base) == [NOW + 2, NOW + 3]
    publish(model("e"), base, keep=1)
    assert versions(base) == [NOW + 3, NOW + 4]
    assert ("remove", NOW + 2) in actions(base)


def test_a_labelled_version_is_kept(base, model) -> None:
    publish(model("a"), base)
    set_label(base, "stable", NOW)
    for content in "bcd":
        publish(model(content), base, keep=2)
    assert versions(base) == [NOW, NOW + 2, NOW + 3]


def test_what_a_rollback_needs_is_kept(base, model) -> None:
    for content in "abc":
        publish(model(content), base)
    rollback(base)
    publish(model("d"), base, keep=1)
    # d is served, b (as NOW + 3) is where a rollback would go; c was taken back
    assert versions(base) == [NOW + 3, NOW + 4]
    assert rollback(base).version == NOW + 5
    assert (base / str(NOW + 5) / "saved_model.pb").read_text() == "b"


def test_versions_are_ordered_as_numbers(base, model, monkeypatch) -> None:
    set_clock(monkeypatch, 8)
    for content in "abc":
        publish(model(content), base, keep=1)
    assert versions(base) == [9, 10]


def test_what_an_interrupted_push_left_is_removed(base, model) -> None:
    for name in (".staging-01", ".removed-23"):
        (base / name / "variables").mkdir(parents=True)
    (base / ".staging-models.config").touch()
    publish(model("a"), base)
    assert sorted(path.name for path in base.iterdir()) == [".history.jsonl", ".lock", str(NOW)]


def test_a_push_that_was_killed_before_it_was_recorded_is_recorded_once(base, model, monkeypatch) -> None:
    monkeypatch.setattr("serving.bookkeeping.append_event", lambda *_: sys.exit("killed"))
    with pytest.raises(SystemExit):
        publish(model("a"), base)
    assert (versions(base), actions(base)) == ([NOW], [])
    monkeypatch.undo()
    again = publish(model("a"), base)
    assert (again.version, again.fresh) == (NOW, False)
    assert actions(base) == [("push", NOW)]


@pytest.mark.parametrize(
    "place", ["serving.store.flush", "serving.store.Path.rename", "serving.bookkeeping.append_event"]
)
def test_a_full_disk_shows_nothing_and_the_next_push_succeeds(base, model, monkeypatch, place) -> None:
    publish(model("a"), base)
    before = sorted(base.iterdir())

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "some/file")

    monkeypatch.setattr(place, fail)
    with pytest.raises(StorageError, match=r"some/file: No space left on device; [\d,]+ bytes are free in "):
        publish(model("b"), base)
    monkeypatch.undo()
    assert sorted(base.iterdir()) == before
    set_clock(monkeypatch, NOW)
    assert publish(model("b"), base).fresh
    assert read_history(base).faults == []


LIMITED = """
import resource, sys
from pathlib import Path
from serving.push import Candidate, push
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
push(Candidate(Path(sys.argv[1])), Path(sys.argv[2]), 5)
"""


def test_a_file_that_the_disk_refuses_leaves_the_base_as_it_was(base, model) -> None:
    """The operating system itself refuses: a limit on the size of files stands in for a full disk."""
    publish(model("a"), base)
    large = model("b")
    (large / "variables" / "variables.data-00000-of-00001").write_bytes(bytes(200_000))
    before = {file: file.stat().st_mtime_ns for file in base.rglob("*") if file != base / store.LOCK}
    command = [sys.executable, "-c", LIMITED, str(large), str(base)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "StorageError" in done.stderr
    assert "variables.data-00000-of-00001: File too large; " in done.stderr
    assert {file: file.stat().st_mtime_ns for file in base.rglob("*") if file != base / store.LOCK} == before
    assert publish(large, base).fresh


def test_a_base_that_cannot_be_made_is_named(tmp_path, model) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"file/flights: Not a directory; [\d,]+ bytes are free in "):
        publish(model("a"), tmp_path / "file" / "flights")


def test_a_model_that_changes_meanwhile_is_not_pushed(base, model) -> None:
    def change(folder: Path) -> None:
        (folder / "saved_model.pb").write_text("B")

    with pytest.raises(DataLossError, match=r"saved_model\.pb changed while version"):
        push(Candidate(model("a"), change), base, 5)
    assert versions(base) == []


def test_folders_that_are_no_versions_are_left_alone(base, model) -> None:
    (base / "notes").mkdir(parents=True)
    (base / "7").touch()
    (base / "models.config").write_text("somebody's own")
    publish(model("a"), base, keep=1)
    assert versions(base) == [NOW]
    assert (base / "notes").is_dir()
    assert (base / "7").is_file()
    assert (base / "models.config").read_text() == "somebody's own"


def test_a_version_of_someone_else_counts_and_has_no_manifest(base, model) -> None:
    base.mkdir(parents=True)
    model("foreign").rename(base / str(NOW + 5))
    assert read_manifest(base / str(NOW + 5)) is None
    assert publish(model("foreign"), base, keep=1).version == NOW + 6
    assert versions(base) == [NOW + 5, NOW + 6]


def test_faults_of_a_version_are_named(base, model) -> None:
    pushed = publish(model("a"), base)
    manifest = read_manifest(pushed.path)
    assert manifest is not None
    (pushed.path / "saved_model.pb").unlink()
    (pushed.path / "extra").touch()
    (pushed.path / "variables" / "variables.index").write_text("weighty")
    assert [str(fault) for fault in find_faults(pushed.path, manifest)] == [
        "extra: was not pushed",
        "saved_model.pb: missing",
        "variables/variables.index: altered",
    ]


def test_no_folder_has_no_versions(base) -> None:
    assert versions(base) == []
