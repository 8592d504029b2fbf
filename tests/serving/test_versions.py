"""Which versions are loaded by policy, where labels lead, and what stays while its successor is missing."""

from __future__ import annotations

import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import DataLossError, InvalidArgumentError, NotFoundError, ServingError
from serving.push import Candidate
from serving.push import push as push_model
from serving.rollout import rollback, set_label
from serving.server.registry import ModelQuery, Registry
from serving.server.served_model import ServedModel
from serving.server.versions import ModelConfig, VersionPolicy

ALL = VersionPolicy(sys.maxsize)


@dataclass
class Loaded:
    version: int
    content: str
    signatures: dict


def load(version, path):
    content = (path / "saved_model.pb").read_text()
    if content == "bad":
        raise DataLossError(f"{version} is broken")
    return Loaded(version, content, {})


def push(base, version, content="good"):
    folder = base / str(version)
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "saved_model.pb").write_text(content)


def serve(base, policy, labels):
    model = ServedModel(ModelConfig(base, policy, labels), load)
    model.refresh()
    return model


def loaded(model):
    return sorted(model.available.versions)


def latest(model):
    return model.available.latest.version


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (VersionPolicy(), [5]),
        (VersionPolicy(2), [4, 5]),
        (VersionPolicy(9), [1, 2, 4, 5]),
        (ALL, [1, 2, 4, 5]),
        (VersionPolicy(0, frozenset({2, 4})), [2, 4]),
        (VersionPolicy(0, frozenset({2, 3, 7})), [2]),
        (VersionPolicy(1, frozenset({1})), [1, 5]),
    ],
)
def test_policies(tmp_path, policy, expected):
    for version in (1, 2, 4, 5):
        push(tmp_path, version)
    push(tmp_path, 3, "bad")
    model = serve(tmp_path, policy, {})
    assert loaded(model) == expected
    assert latest(model) == max(expected)


def test_broken_versions_do_not_count(tmp_path):
    for version, content in ((1, "good"), (2, "bad"), (3, "good"), (4, "bad")):
        push(tmp_path, version, content)
    assert loaded(serve(tmp_path, VersionPolicy(2), {})) == [1, 3]


def test_versions_are_found_by_number_and_by_label(tmp_path):
    for version in (1, 2, 3):
        push(tmp_path, version)
    registry = Registry({}, load)
    registry.configure({"m": ModelConfig(tmp_path, ALL, {"stable": 1, "canary": 3})})
    queries = [ModelQuery("m"), ModelQuery("m", version=2), ModelQuery("m", label="stable")]
    assert [registry.find(query).version for query in queries] == [3, 2, 1]
    assert dict(registry.list_models()["m"].labels) == {"stable": 1, "canary": 3}
    with pytest.raises(NotFoundError, match=r"Servable not found for request: Specific\(m, 7\)"):
        registry.find(ModelQuery("m", version=7))
    for name in ("m", "unknown"):
        with pytest.raises(InvalidArgumentError, match="^Unrecognized servable version label: L$"):
            registry.find(ModelQuery(name, label="L"))


def test_a_label_moves_once_its_version_is_there(tmp_path):
    push(tmp_path, 1)
    model = serve(tmp_path, VersionPolicy(0, frozenset({1})), {"stable": 1})
    push(tmp_path, 2, "bad")
    model.config = ModelConfig(tmp_path, VersionPolicy(0, frozenset({2})), {"stable": 2, "canary": 2})
    model.refresh()
    assert (loaded(model), model.available.labels) == ([1], {"stable": 1})
    push(tmp_path, 2, "better")
    model.refresh()
    assert (loaded(model), model.available.labels) == ([2], {"stable": 2, "canary": 2})
    model.config = ModelConfig(tmp_path, VersionPolicy(0, frozenset({2})), {})
    model.refresh()
    assert model.available.labels == {}


def test_a_broken_named_version_does_not_take_the_latest_from_a_good_one(tmp_path):
    for version, content in ((1, "good"), (2, "good"), (3, "bad")):
        push(tmp_path, version, content)
    model = serve(tmp_path, VersionPolicy(0, frozenset({1, 2})), {})
    model.config = ModelConfig(tmp_path, VersionPolicy(0, frozenset({1, 3})), {})
    model.refresh()
    assert latest(model) == 2
    push(tmp_path, 3, "mended")
    model.refresh()
    assert loaded(model) == [1, 3]


@st.composite
def worlds(draw):
    """Contents by version, policy and labels."""
    contents = draw(st.dictionaries(st.integers(1, 6), st.sampled_from(["good", "bad"])))
    named = draw(st.frozensets(st.integers(1, 7), max_size=3))
    policy = VersionPolicy(draw(st.integers(0, 3)), named)
    return contents, policy, draw(st.dictionaries(st.sampled_from(["stable", "canary"]), st.integers(1, 7)))


@given(st.lists(worlds(), min_size=1, max_size=4))
def test_whatever_changes_labels_lead_to_loaded_versions_and_answers_never_stop(steps):
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        model = ServedModel(ModelConfig(base), load)
        for contents, policy, labels in steps:
            served = model.available.latest is not None
            for path in base.iterdir():
                shutil.rmtree(path)
            for version, content in contents.items():
                push(base, version, content)
            model.config = ModelConfig(base, policy, labels)
            model.refresh()
            available = model.available
            assert set(available.labels) <= set(labels)
            assert set(available.labels.values()) <= set(available.versions)
            assert (available.latest is not None) or not served
            assert available.latest is None or latest(model) == max(available.versions)
            states = {status.version for status in model.statuses if status.state == "AVAILABLE"}
            assert states == set(available.versions)


def folder_of(base):
    """A registry over a folder that was pushed to."""
    registry = Registry({"flights": base}, load)
    registry.refresh()
    return registry


def ask(registry, label=None):
    return registry.find(ModelQuery("flights", label=label)).content


def test_labels_and_rollbacks_of_the_history_are_taken_at_the_next_look(base, model):
    first, second, third = (push_model(Candidate(model(content)), base, 5).version for content in "abc")
    set_label(base, "stable", first)
    set_label(base, "canary", third)
    registry = folder_of(base)
    assert (ask(registry), ask(registry, "stable"), ask(registry, "canary")) == ("c", "a", "c")
    assert sorted(registry.list_models()["flights"].versions) == [first, third]

    set_label(base, "stable", second)
    registry.refresh()
    assert ask(registry, "stable") == "b"
    rollback(base, first)
    registry.refresh()
    assert (ask(registry), ask(registry, "stable"), ask(registry, "canary")) == ("a", "b", "a")
    set_label(base, "canary", None)
    registry.refresh()
    with pytest.raises(InvalidArgumentError, match="Unrecognized servable version label: canary"):
        ask(registry, "canary")


def test_models_config_loads_what_the_folder_does(base, model):
    """The file that `penstock models label` writes for TensorFlow Serving says what the folder itself says."""
    from google.protobuf import text_format

    from serving.protos import ModelServerConfig
    from serving.server.models_config import read_models

    versions = [push_model(Candidate(model(content)), base, 5).version for content in "abc"]
    set_label(base, "stable", versions[0])
    config = read_models(
        text_format.Parse((base / "models.config").read_text(), ModelServerConfig()).model_config_list
    )["flights"]
    by_file = serve(base, config.policy, config.labels)
    by_folder = serve(base, VersionPolicy(), None)
    assert loaded(by_file) == loaded(by_folder) == [versions[0], versions[2]]
    assert by_file.available.labels == by_folder.available.labels == {"stable": versions[0]}


def test_labels_outlive_the_folder(base, model):
    first, _ = (push_model(Candidate(model(content)), base, 5).version for content in "ab")
    set_label(base, "stable", first)
    registry = folder_of(base)
    base.rename(base.parent / "elsewhere")
    registry.refresh()
    assert (ask(registry), ask(registry, "stable")) == ("b", "a")


def test_nobody_is_refused_while_labels_move_and_models_are_rolled_back(base, model):
    versions = [push_model(Candidate(model(content)), base, 50).version for content in "ab"]
    set_label(base, "stable", versions[0])
    registry, stop = Registry({"flights": base}, load, poll_s=0.001), Event()

    def ask_for_ever():
        asked = 0
        while not stop.is_set():
            assert ask(registry) in "abcd"
            assert ask(registry, "stable") in "abcd"
            asked += 1
        return asked

    registry.start()
    try:
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(ask_for_ever)
            try:
                for content in "cd":
                    versions.append(push_model(Candidate(model(content)), base, 50).version)
                    set_label(base, "stable", versions[-1])
                    rollback(base, versions[0])
                    set_label(base, "stable", versions[0])
            finally:
                stop.set()
            assert asked.result() > 0
    finally:
        registry.stop()
    registry.refresh()
    assert (ask(registry), ask(registry, "stable")) == ("a", "a")


def test_configuring_adds_and_removes_models(tmp_path):
    push(tmp_path / "a", 1, "a")
    push(tmp_path / "b", 1, "b")
    registry = Registry({"x": tmp_path / "a"}, load)
    registry.refresh()
    registry.configure({"y": ModelConfig(tmp_path / "b", labels={})})
    assert registry.find(ModelQuery("y")).content == "b"
    assert list(registry.folders) == ["y"]
    with pytest.raises(NotFoundError, match=r"Latest\(x\)"):
        registry.find(ModelQuery("x"))


def test_another_folder_takes_over_once_it_has_something(tmp_path):
    push(tmp_path / "a", 1, "a")
    push(tmp_path / "b", 1, "bad")
    registry = Registry({"x": tmp_path / "a"}, load)
    registry.refresh()
    with pytest.raises(ServingError, match=r"1 model\(s\) did not become available: x: version 1: 1 is broken"):
        registry.configure({"x": ModelConfig(tmp_path / "b")})
    assert registry.find(ModelQuery("x")).content == "a"
    push(tmp_path / "b", 1, "mended")
    registry.refresh()
    assert registry.find(ModelQuery("x")).content == "mended"


def test_configuring_says_what_cannot_be_had_yet(tmp_path):
    push(tmp_path / "a", 1, "a")
    registry = Registry({}, load)
    with pytest.raises(ServingError, match="no version of those wanted in /nowhere$"):
        registry.configure({"x": ModelConfig(Path("/nowhere"))})
    message = "^Request to assign label to version 7 of model a, which is not currently available for inference$"
    with pytest.raises(ServingError, match=message) as caught:
        registry.configure({"a": ModelConfig(tmp_path / "a", labels={"stable": 7})})
    assert caught.value.code.name == "FAILED_PRECONDITION"
    assert registry.find(ModelQuery("a")).content == "a"
