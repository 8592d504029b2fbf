"""models.config: what it means, what is refused and where, and that it is read again."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import pytest

from serving.errors import InvalidArgumentError
from serving.server.models_config import ModelsFile
from serving.server.registry import ModelQuery, Registry
from serving.server.versions import ModelConfig, VersionPolicy

MODEL = 'name: "{name}" base_path: "{base}" model_platform: "tensorflow"'


@pytest.fixture
def file(tmp_path):
    return tmp_path / "models.config"


def write(file, *models):
    configs = "\n".join(f"  config {{ {model} }}" for model in models)
    file.write_text(f"# ours\nmodel_config_list {{\n{configs}\n}}\n")
    # a clock of whole seconds would hide the change
    os.utime(file, ns=(0, write.now))
    write.now += 1


write.now = 1


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("", VersionPolicy(1)),
        ("latest {}", VersionPolicy(1)),
        ("latest { num_versions: 3 }", VersionPolicy(3)),
        ("all {}", VersionPolicy(sys.maxsize)),
        ("specific { versions: 42 versions: 43 }", VersionPolicy(0, frozenset({42, 43}))),
    ],
)
def test_policies(file, policy, expected):
    write(file, MODEL.format(name="m", base="/a/m") + f" model_version_policy {{ {policy} }}")
    assert ModelsFile(file).models == {"m": ModelConfig(Path("/a/m"), expected, {})}


def test_labels_and_relative_folders(file, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    labels = 'version_labels { key: "stable" value: 42 } version_labels { key: "canary" value: 43 }'
    write(file, MODEL.format(name="b", base="models/b") + labels, MODEL.format(name="a", base="/a"))
    models = ModelsFile(file).models
    assert list(models) == ["b", "a"]
    assert models["b"] == ModelConfig(tmp_path / "models/b", VersionPolicy(1), {"stable": 42, "canary": 43})


def test_the_documented_file_is_one(file):
    page = Path(__file__).parents[2] / "docs" / "serving.md"
    file.write_text(page.read_text("utf-8").split("```")[1])
    models = ModelsFile(file).models
    assert models["flights"].policy == VersionPolicy(0, frozenset({42, 43}))
    assert models["flights"].labels == {"stable": 42, "canary": 43}
    assert models["shop"].policy == VersionPolicy(2)


M = MODEL.format(name="m", base="/m")
WRONG = {
    "a model twice": ((M, M), r":4: Illegal to list model m multiple times in config list$"),
    "no folder": (('name: "m"',), r":3: Expected model m to have a folder of this machine; got base_path\(\)=$"),
    "a bucket": (('name: "m" base_path: "gs://b/m"',), r":3: .* got base_path\(\)=gs://b/m$"),
    "another platform": (
        ('name: "m" base_path: "/m" model_platform: "onnx"',),
        r':3: Model m requests unsupported platform onnx; expected model_platform: "tensorflow"$',
    ),
    "no name": (('base_path: "/m"',), r":1: Expected a name of the model with base_path: /m$"),
    "no versions": (
        (f"{M} model_version_policy {{ specific {{}} }}",),
        r":3: Expected versions in the specific policy of model m; got none$",
    ),
    "unknown field": (("nam: 1",), r':3:12 : .* has no field named "nam"'),
    "unclosed": (("name:",), r":3:18 : "),
}


@pytest.mark.parametrize(("models", "message"), WRONG.values(), ids=WRONG)
def test_mistakes_are_told_with_file_and_line(file, models, message):
    write(file, *models)
    with pytest.raises(InvalidArgumentError, match=f"^{file}{message}"):
        ModelsFile(file)


def test_a_file_that_is_no_list_of_models(file):
    with pytest.raises(InvalidArgumentError, match=f"^{file} cannot be read: .*No such file"):
        ModelsFile(file)
    for content in (b"", b"custom_model_config {}", b"# nothing"):
        file.write_bytes(content)
        with pytest.raises(InvalidArgumentError, match=f"^{file}:1: expected model_config_list"):
            ModelsFile(file)
    file.write_bytes(b"\xff")
    with pytest.raises(InvalidArgumentError, match=f"^{file} cannot be read: .*utf-8"):
        ModelsFile(file)


class Loaded:
    signatures: dict = {}  # noqa: RUF012

    def __init__(self, version, path):
        self.version = version


def test_a_changed_file_counts_and_a_faulty_one_does_not(file, tmp_path, caplog):
    for name in "abc":
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "1" / "saved_model.pb").touch()
    models = {name: MODEL.format(name=name, base=tmp_path / name) for name in "abc"}
    write(file, models["a"])
    registry = Registry(ModelsFile(file), Loaded)
    registry.refresh()
    assert list(registry.folders) == ["a"]
    kept = registry.find(ModelQuery("a"))

    write(file, models["a"], models["b"])
    registry.refresh()
    assert sorted(registry.folders) == ["a", "b"]
    assert registry.find(ModelQuery("b")).version == 1

    with caplog.at_level(logging.WARNING):
        write(file, models["c"], models["c"])
        registry.refresh()
        registry.refresh()
        file.unlink()
        registry.refresh()
    assert sorted(registry.folders) == ["a", "b"]
    first, second = caplog.messages
    assert "the models stay as they are" in first
    assert "multiple times" in first
    assert "No such file" in second

    write(file, models["a"], models["c"])
    registry.refresh()
    assert sorted(registry.folders) == ["a", "c"]
    assert registry.find(ModelQuery("a")) is kept
