"""The YAML: what is refused, and where the message points."""

import json
import os
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, ValidationError

from pipeline.errors import InputError
from pipeline.problem import NAME, load_problem
from pipeline.workspace import Workspace

GOOD = """\
name: sales
source: {kind: csv, files: sales.csv, null: ["", NA]}
target: {column: sold, kind: binary}
features:
  price: {kind: numeric, clip: [0.05, 0.95]}
  shop: categorical
model: {family: mlp, layers: [8]}
evaluation:
  slices: [[shop]]
  gates: {auc: {min: 0.7}}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "sales.yaml"
    path.write_text(text, "utf-8")
    return path


def refuse(folder: Path, text: str) -> str:
    with pytest.raises(InputError) as raised:
        load_problem(write(folder, text))
    assert raised.value.exit_code == 2
    return str(raised.value).removeprefix(f"{folder}/")


def test_good_problem_is_typed(tmp_path):
    problem = load_problem(write(tmp_path, GOOD)).problem
    assert problem.features["price"].clip == (0.05, 0.95)
    assert problem.features["shop"].kind == "categorical"
    assert problem.source.null == ("", "NA")
    assert (problem.split.by, problem.push.keep, problem.model.layers) == ("hash", 5, (8,))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: sales", "naem: sales", "sales.yaml:1:1: naem: unknown key; did you mean 'name'?"),
        (
            "clip: [0.05, 0.95]",
            "scale: zscroe",
            "sales.yaml:5: features.price.scale: expected 'zscore', 'minmax', 'log'",
        ),
        ("shop: categorical", "shop: category", "sales.yaml:6: features.shop.kind: expected one of 'boolean'"),
        ("kind: binary", "kind: binary, column2: x", "sales.yaml:3:38: target.column2: unknown key"),
        ("layers: [8]", "layers: [8, -1]", "sales.yaml:7: model.layers.1: expected greater than 0, received '-1'"),
        ("family: mlp", "family: forest", "sales.yaml:7: model.family: expected one of 'dcn', 'ft_transformer'"),
        ("slices: [[shop]]", "folds: 1", "sales.yaml:9: evaluation.folds: expected greater than or equal to 2"),
        ("{min: 0.7}", "{min: high}", "sales.yaml:10: evaluation.gates.auc.min: expected a valid number"),
        ("evaluation:", "budget: {p99_ms: 0}\nevaluation:", "sales.yaml:8: budget.p99_ms: expected greater than 0"),
        ("name: sales", "name: ../x", "sales.yaml:1: name: String should match pattern"),
        ("target: {column: sold, kind: binary}\n", "", "sales.yaml:1: target: required, but missing"),
        ("name: sales", "name: sales\nname: shop", "sales.yaml:2:1: found duplicate key"),
        ("name: sales", "name: !!python/object/apply:os.system [id]", "sales.yaml:1:7: YAML tags are not allowed"),
        ("name: sales", "name: &a sales", "sales.yaml:1:7: YAML anchors are not allowed here"),
        ("name: sales", "name: *a", "sales.yaml:1:7: YAML anchors are not allowed here"),
        ("name: sales", "name: [", "sales.yaml:"),
        (
            "name: sales",
            "name: Serving",
            "sales.yaml:1: name: expected another name, for models are pushed to .penstock",
        ),
        ("layers: [8]", "layers: [8], layers: [4]", "sales.yaml:7:35: found duplicate key"),
        ("layers: [8]", "layers: [8], width: 4", "sales.yaml:7:35: model.width: unknown key"),
        (
            "model:",
            "training: {warm_start: no}\nmodel:",
            "sales.yaml:7: training.warm_start: expected a valid boolean, received 'no'",
        ),
        ("clip: [0.05, 0.95]", f"clip: {'[' * 5000}{']' * 5000}", "sales.yaml: expected a few levels of keys"),
        ("name: sales\n", "split: {by: hash, eval: 0.6, test: 0.5}\nname: sales\n", "eval + test must be below 1"),
    ],
)
def test_mistake_is_named_with_its_place(tmp_path, old, new, message):
    assert old in GOOD
    assert message in refuse(tmp_path, GOOD.replace(old, new, 1))


def test_all_mistakes_are_reported_at_once(tmp_path):
    text = refuse(tmp_path, GOOD.replace("shop: categorical", "shop: x").replace("[8]", "[]"))
    assert "features.shop" in text
    assert "model.layers" in text


def test_no_is_text_and_not_false(tmp_path):
    problem = load_problem(write(tmp_path, GOOD.replace("kind: binary", "kind: binary, positive: no"))).problem
    assert problem.target.positive == "no"


BOMB = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 8)}]\n"
    for before, name in zip("abcdefghijk", "bcdefghijkl", strict=True)
)


@pytest.mark.parametrize(
    ("text", "place", "received"),
    [
        (BOMB, "1:4", "anchors are not allowed here, received a"),
        ("name: !!python/name:os.system x", "1:7", "tags are not allowed here, received tag:yaml.org,2002:python/name"),
        ("name: !!python/object/new:subprocess.run [touch made]", "1:7", "tags are not allowed here"),
        ("name: x\ntarget: !run {command: touch made}", "2:9", "tags are not allowed here, received !run"),
        ('? !!python/object/apply:os.system ["touch made"]\n: x', "1:3", "tags are not allowed here"),
    ],
    ids=["alias bomb", "name", "new", "own tag", "in a key"],
)
def test_nothing_in_the_file_is_executed_or_multiplied(tmp_path, monkeypatch, text, place, received):
    monkeypatch.chdir(tmp_path)
    told = refuse(tmp_path, text)
    assert told.startswith(f"sales.yaml:{place}: YAML ")
    assert received in told
    assert [path.name for path in tmp_path.iterdir()] == ["sales.yaml"]


BAD_NAMES = ["../x", "..", ".", ".hidden", "/etc", "a/b", "a\\b", "-rf", "a b", "", "é", "n" * 129, "n" * 300, "x\n"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_no_name_of_a_folder_is_refused(tmp_path, name):
    told = refuse(tmp_path, GOOD.replace("name: sales", f"name: {json.dumps(name)}"))
    assert told.startswith("sales.yaml:1: name: String should match pattern '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$'")


def test_a_name_with_nul_is_refused(tmp_path):
    assert "sales.yaml" in refuse(tmp_path, GOOD.replace("name: sales", "name: a\0b"))
    assert "String should match pattern" in refuse(tmp_path, GOOD.replace("name: sales", 'name: "a\\0b"'))


@given(st.text(max_size=140))
def test_every_name_that_is_taken_stays_in_the_workspace(name):
    try:
        taken = TypeAdapter(Annotated[str, Field(pattern=NAME)]).validate_python(name)
    except ValidationError:
        return
    home = Path("/home/.penstock")
    for folder in (Workspace(home, taken).folder, Workspace(home, taken).serving):
        assert os.path.normpath(folder) == str(folder)
        assert len(folder.name) <= 128
        assert folder.is_relative_to(home)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="none.yaml: can't be read: No such file"):
        load_problem(tmp_path / "none.yaml")


def test_empty_file_is_refused(tmp_path):
    assert "expected keys such as name:" in refuse(tmp_path, "")


def test_paths_are_relative_to_the_folder_above_problems(tmp_path):
    (tmp_path / "problems").mkdir()
    assert load_problem(write(tmp_path / "problems", GOOD)).root == tmp_path.resolve()
    assert load_problem(write(tmp_path, GOOD)).root == tmp_path.resolve()
