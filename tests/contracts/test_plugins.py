"""Every plug-in of every kind, by discovery: a new file is tested the day it lands."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from models.discovery import discover, union
from models.families import Family
from models.features import FeatureKind
from models.raw import MISSING
from models.targets import TargetKind
from pipeline.runners import Runner
from pipeline.sources import SourceKind

PROTOCOLS: dict[str, Any] = {
    "models.families": Family,
    "models.features": FeatureKind,
    "models.targets": TargetKind,
    "pipeline.sources": SourceKind,
    "pipeline.runners": Runner,
}
TAGS = {"models.families": "family", "models.features": "kind", "models.targets": "kind", "pipeline.sources": "kind"}
PLUGINS = [(package, name) for package in PROTOCOLS for name in discover(package)]
CONFIGURED = [(package, name) for package, name in PLUGINS if package in TAGS]

VALUES: dict[Any, Any] = {int: 2, tuple[str, ...]: ("$X", "$Y"), tuple[str, str]: ("$X", "$Y")}

every_plugin = pytest.mark.parametrize(("package", "name"), PLUGINS)
every_configured = pytest.mark.parametrize(("package", "name"), CONFIGURED)


def plugin(package: str, name: str) -> ModuleType:
    return discover(package)[name]


def parameters(function: Any) -> dict[str, Any]:
    """The names of a function's parameters with how they may be passed, without `self`."""
    signature = inspect.signature(function).parameters.values()
    return {parameter.name: parameter.kind for parameter in signature if parameter.name != "self"}


def least(params: type[BaseModel]) -> dict[str, Any]:
    """The shortest settings that `params` takes; each required text may stand for a variable."""
    required = [name for name, field in params.model_fields.items() if field.is_required() or name == "table"]
    return {name: VALUES.get(params.model_fields[name].annotation, "$X") for name in required}


def test_each_kind_has_plugins() -> None:
    assert {package for package, _ in PLUGINS} == set(PROTOCOLS)


@every_configured
def test_the_file_name_is_the_tag(package: str, name: str) -> None:
    field = plugin(package, name).Params.model_fields[TAGS[package]]
    assert field.default == name
    assert get_origin(field.annotation) is Literal
    assert get_args(field.annotation) == (name,)


@every_plugin
def test_has_each_part_of_its_protocol(package: str, name: str) -> None:
    module, protocol = plugin(package, name), PROTOCOLS[package]
    for part in protocol.__annotations__:
        assert hasattr(module, part), f"{module.__name__} lacks {part}"
    for part, described in vars(protocol).items():
        if not part.startswith("_") and callable(described):
            assert callable(getattr(module, part, None)), f"{module.__name__} lacks {part}()"
            assert parameters(getattr(module, part)) == parameters(described), part


@every_plugin
def test_is_documented(package: str, name: str) -> None:
    module = plugin(package, name)
    public = [
        (key, value)
        for key, value in vars(module).items()
        if not key.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module.__name__
    ]
    assert module.__doc__
    assert [key for key, value in public if not value.__doc__] == []


@every_configured
def test_settings_are_frozen_and_refuse_unknown_keys(package: str, name: str) -> None:
    params = plugin(package, name).Params
    settings = params(**least(params))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(settings, TAGS[package], name)
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        params(**least(params), unknown_key=1)


@every_configured
def test_settings_travel_as_json(package: str, name: str) -> None:
    params = plugin(package, name).Params
    settings = params(**least(params))
    assert params.model_validate_json(settings.model_dump_json()) == settings
    tagged = {TAGS[package]: name, **least(params)}
    assert TypeAdapter(union(package, TAGS[package])).validate_python(tagged) == settings


@pytest.mark.parametrize("kind", discover("models.features"))
def test_a_feature_kind_says_which_columns_it_takes(kind: str) -> None:
    module = plugin("models.features", kind)
    taken = module.takes(module.Params(**least(module.Params)))
    assert taken.words
    assert set(taken.raw_types) <= set(MISSING)


def test_importing_every_plugin_leaves_tensorflow_out() -> None:
    program = (
        "import json, sys\n"
        "from models.discovery import discover\n"
        f"for package in {list(PROTOCOLS)}: discover(package)\n"
        "heavy = {'tensorflow', 'keras', 'tfx', 'apache_beam', 'tensorflow_transform'}\n"
        "print(json.dumps(sorted(heavy & sys.modules.keys())))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == []
