"""docs/features.md: a section for each kind, and snippets that parse."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from models.discovery import discover
from pipeline.problem import load_problem

PAGE = Path(__file__).parents[2].joinpath("docs", "features.md").read_text("utf-8")
KINDS = discover("models.features")
SECTIONS = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_section_with_a_snippet_that_parses(kind: str, tmp_path: Path) -> None:
    (snippet,) = re.findall(r"```yaml\n(.*?)```", SECTIONS[kind], re.DOTALL)
    features = "".join(f"  {line}\n" for line in snippet.splitlines())
    (tmp_path / "x.yaml").write_text(
        "name: x\nsource: {kind: csv, files: x.csv}\ntarget: {column: y, kind: binary}\nfeatures:\n" + features
    )
    found = load_problem(tmp_path / "x.yaml").problem.features
    assert {params.kind for params in (found or {}).values()} == {kind}


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_is_named_in_its_section(kind: str) -> None:
    settings = set(KINDS[kind].Params.model_fields) - {"kind", "column", "columns", "embedding", "tower"}
    assert [name for name in settings if name not in SECTIONS[kind]] == []


def test_the_table_links_every_kind() -> None:
    assert set(re.findall(r"^\| \[(\w+)\]\(#\1\)", PAGE, re.MULTILINE)) == set(KINDS)


def test_the_selection_parses(tmp_path: Path) -> None:
    (snippet,) = re.findall(r"```yaml\n(.*?)```", SECTIONS["Selection"], re.DOTALL)
    (tmp_path / "x.yaml").write_text(
        f"name: x\nsource: {{kind: csv, files: x.csv}}\ntarget: {{column: y, kind: binary}}\n{snippet}"
    )
    selection = load_problem(tmp_path / "x.yaml").problem.feature_selection
    assert selection is not None
    assert (selection.keep, selection.min_bits, selection.always) == (20, 0.001, ("price",))
