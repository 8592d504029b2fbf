"""docs/families.md: every family and every setting is on it, and its YAML is a problem's."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from models.discovery import discover

PAGE = (Path(__file__).parents[2] / "docs/families.md").read_text("utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
FAMILIES = discover("models.families")


def model_of(block: str, folder: Path) -> Any:
    from pipeline.problem import load_problem

    file = folder / "my.yaml"
    file.write_text(f"name: my\nsource: {{kind: csv, files: a.csv}}\ntarget: {{column: y, kind: binary}}\n{block}")
    return load_problem(file).problem.model


@pytest.mark.parametrize("block", BLOCKS)
def test_each_snippet_is_a_problem(block: str, tmp_path: Path) -> None:
    assert f"family: {model_of(block, tmp_path).family}" in block


def test_each_family_has_a_snippet(tmp_path: Path) -> None:
    assert {model_of(block, tmp_path).family for block in BLOCKS} == set(FAMILIES)


def section(name: str) -> str:
    """The part of the page below a family's heading."""
    found = re.search(rf"^(##+) {name}\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found, f"no heading {name}"
    return found[2]


@pytest.mark.parametrize(("name", "module"), FAMILIES.items())
def test_each_setting_is_on_the_page_with_its_default(name: str, module: ModuleType) -> None:
    hidden = FAMILIES["mlp"].Params()
    text = section(name) + (section("Lists and texts") if module.NEEDS_STEPS else "")
    for setting, value in module.Params():
        if setting not in ("family", "norm") and value != getattr(hidden, setting, None):
            assert f"`{setting}" in text, setting
            assert shown(value) in text, setting


def shown(default: Any) -> str:
    if isinstance(default, tuple):
        return f"`{list(default)}`" if default else "(none)"
    return f"`{default}`" if isinstance(default, str) else f"({default:g})"


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_is_in_the_table(name: str) -> None:
    assert f"| [{name}](#{name}) |" in PAGE


def test_the_page_is_measured() -> None:
    (body,) = re.findall(r"<!-- families -->\n(.*?)<!-- /families -->", PAGE, re.DOTALL)
    assert all(f"| `{name}` |" in body for name in FAMILIES)
