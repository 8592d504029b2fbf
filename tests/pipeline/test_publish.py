"""Pushing to a folder that TensorFlow Serving watches."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pipeline import publish as module
from pipeline.publish import MANIFEST, publish, read_digest, read_manifest, versions

NOW = 1_700_000_000


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, NOW)


def set_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(module.time, "time", lambda: seconds)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "serving" / "flights"


def model(folder: Path, content: str) -> Path:
    """Something that looks like a SavedModel."""
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text(content)
    (folder / "variables" / "variables.index").write_text("weights")
    return folder


def test_first_version_is_the_time(tmp_path: Path, base: Path) -> None:
    pushed = publish(model(tmp_path / "m", "a"), base, keep=5)
    assert (pushed.path, pushed.version, pushed.fresh) == (base / str(NOW), NOW, True)
    assert (pushed.path / "saved_model.pb").read_text() == "a"
    assert (pushed.path / "variables" / "variables.index").read_text() == "weights"


def test_manifest_tells_the_truth(tmp_path: Path, base: Path) -> None:
    source = model(tmp_path / "m", "a")
    (source / "assets.extra").mkdir()
    (source / "assets.extra" / "spec.json").write_text("{}")
    pushed = publish(source, base, keep=5)
    manifest = read_manifest(pushed.path)
    assert manifest is not None
    assert (manifest.name, manifest.version) == ("flights", NOW)
    found = {str(file.relative_to(pushed.path)): file for file in pushed.path.rglob("*") if file.is_file()}
    assert set(manifest.files) == set(found) - {str(MANIFEST)}
    assert manifest.files == {name: hashlib.sha256(found[name].read_bytes()).hexdigest() for name in manifest.files}
    lines = "\n".join(f"{name} {manifest.files[name]}" for name in sorted(manifest.files))
    assert manifest.digest == hashlib.sha256(lines.encode()).hexdigest()


def test_the_same_model_is_not_pushed_twice(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = publish(model(tmp_path / "m", "a"), base, keep=5)
    set_clock(monkeypatch, NOW + 60)
    again = publish(model(tmp_path / "copy", "a"), base, keep=5)
    assert (again.path, again.version, again.fresh) == (first.path, first.version, False)
    assert versions(base) == [NOW]


@pytest.mark.parametrize("change", ["content", "name", "new file"])
def test_any_difference_makes_another_model(tmp_path: Path, base: Path, change: str) -> None:
    publish(model(tmp_path / "m", "a"), base, keep=5)
    other = model(tmp_path / "other", "b" if change == "content" else "a")
    if change == "name":
        (other / "saved_model.pb").rename(other / "saved_model.pbtxt")
    if change == "new file":
        (other / "fingerprint.pb").touch()
    assert publish(other, base, keep=5).fresh


def test_an_older_model_becomes_the_newest_again(tmp_path: Path, base: Path) -> None:
    first, second = model(tmp_path / "a", "a"), model(tmp_path / "b", "b")
    pushed = [publish(source, base, keep=5) for source in (first, second, first)]
    assert [result.fresh for result in pushed] == [True, True, True]
    assert read_digest(pushed[0].path) == read_digest(pushed[2].path)


def test_two_pushes_in_one_second_get_two_versions(tmp_path: Path, base: Path) -> None:
    for content in "ab":
        publish(model(tmp_path / content, content), base, keep=5)
    assert versions(base) == [NOW, NOW + 1]


def test_a_clock_set_back_does_not_lower_the_version(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(model(tmp_path / "a", "a"), base, keep=5)
    set_clock(monkeypatch, NOW - 1000)
    assert publish(model(tmp_path / "b", "b"), base, keep=5).version == NOW + 1


def test_a_version_that_was_removed_is_not_given_again(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed = publish(model(tmp_path / "a", "a"), base, keep=5)
    pushed.path.rename(tmp_path / "elsewhere")
    set_clock(monkeypatch, NOW - 1000)
    assert publish(model(tmp_path / "b", "b"), base, keep=5).version == NOW + 1


def test_only_the_newest_are_kept(tmp_path: Path, base: Path) -> None:
    for content in "abcd":
        publish(model(tmp_path / content, content), base, keep=2)
    assert versions(base) == [NOW + 2, NOW + 3]


def test_versions_are_ordered_as_numbers(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, 9)
    for content in "ab":
        publish(model(tmp_path / content, content), base, keep=1)
    assert versions(base) == [10]


def test_what_an_interrupted_push_left_is_removed(tmp_path: Path, base: Path) -> None:
    leftover = base / f"{module.STAGING}0123"
    model(leftover, "half")
    publish(model(tmp_path / "a", "a"), base, keep=5)
    assert not leftover.exists()
    assert sorted(path.name for path in base.iterdir() if path.is_dir()) == [str(NOW)]


def test_a_push_that_fails_shows_nothing(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_flush", fail)
    with pytest.raises(OSError, match="No space left"):
        publish(model(tmp_path / "a", "a"), base, keep=5)
    assert versions(base) == []


def test_folders_that_are_no_versions_are_left_alone(tmp_path: Path, base: Path) -> None:
    (base / "notes").mkdir(parents=True)
    (base / "7").touch()
    publish(model(tmp_path / "a", "a"), base, keep=1)
    assert versions(base) == [NOW]
    assert (base / "notes").is_dir()
    assert (base / "7").is_file()


def test_a_version_of_someone_else_counts_and_has_no_manifest(tmp_path: Path, base: Path) -> None:
    model(base / str(NOW + 5), "foreign")
    assert read_manifest(base / str(NOW + 5)) is None
    assert publish(model(tmp_path / "a", "foreign"), base, keep=5).version == NOW + 6


def test_no_folder_has_no_versions(base: Path) -> None:
    assert versions(base) == []
