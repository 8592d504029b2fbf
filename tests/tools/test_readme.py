"""README's sections are what commands printed."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from readme import replace  # noqa: E402


def test_section_is_replaced():
    assert replace("a\n<!-- x -->\nold\n<!-- /x -->\nb", "x", "new") == ("a\n<!-- x -->\nnew\n<!-- /x -->\nb", 1)
    assert replace("<!-- x -->\n<!-- /x -->", "x", "new") == ("<!-- x -->\nnew\n<!-- /x -->", 1)
    assert replace("nothing", "x", "new") == ("nothing", 0)


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("README.md", {"demo", "problems", "stock", "serving"}),
        ("docs/measured.md", {"flights", "ingestion", "reference"}),
        ("docs/scoring.md", {"scoring"}),
    ],
)
def test_every_section_is_filled(page, names):
    text = (ROOT / page).read_text("utf-8")
    sections = re.findall(r"<!-- (\w+) -->\n(.*?)<!-- /\1 -->", text, re.DOTALL)
    assert {name for name, _ in sections} == names
    assert all(body.strip() for _, body in sections)


def test_the_page_of_the_data_gate_is_measured_and_complete(tmp_path):
    from models.discovery import discover
    from pipeline.problem import load_problem

    text = (ROOT / "docs/data-gate.md").read_text("utf-8")
    (body,) = re.findall(r"<!-- data_gate -->\n(.*?)<!-- /data_gate -->", text, re.DOTALL)
    assert "kinds of faults" in body
    for name, check in discover("pipeline.gate.checks").items():
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{name}` |")]
        limits = check.Limits().model_dump()
        assert name == "skew" or all(f"{limit}" in row for limit in limits), name
        assert all(f"{limit}: {value:g}" in row for limit, value in limits.items() if value and name != "skew"), name
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "my.yaml").write_text(
        f"name: my\nsource: {{kind: csv, files: a.csv}}\ntarget: {{column: y, kind: binary}}\n{block}"
    )
    assert load_problem(tmp_path / "my.yaml").problem.data_gate.limits["rows"] == {"train": 1000}


def test_the_page_of_killed_runs_is_measured():
    text = (ROOT / "docs/survival.md").read_text("utf-8")
    (body,) = re.findall(r"<!-- run_kills -->\n(.*?)<!-- /run_kills -->", text, re.DOTALL)
    assert "| runs killed | 150 |" in body
    assert body.count(" | 0 |") == 7


def test_the_page_of_pushed_versions_is_measured_and_its_commands_exist(tmp_path):
    from pipeline.models_commands import app
    from pipeline.problem import load_problem

    text = (ROOT / "docs/registry.md").read_text("utf-8")
    (body,) = re.findall(r"<!-- push_kills -->\n(.*?)<!-- /push_kills -->", text, re.DOTALL)
    assert "| **incomplete versions seen** | 0 |" in body
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert set(re.findall(r"^\| `penstock models (\w+)", text, re.MULTILINE)) == commands
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "my.yaml").write_text(
        f"name: my\nsource: {{kind: csv, files: a.csv}}\ntarget: {{column: y, kind: binary}}\n{block}"
    )
    assert load_problem(tmp_path / "my.yaml").problem.push.keep == 5


def test_yaml_of_readme_is_a_problem(tmp_path):
    from pipeline.problem import load_problem

    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    (tmp_path / "my.yaml").write_text(block)
    assert load_problem(tmp_path / "my.yaml").problem.name == "my"


@pytest.mark.parametrize(
    "block", re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/data.md").read_text("utf-8"), re.DOTALL)
)
def test_yaml_of_the_data_page_is_a_source(tmp_path, block):
    from pipeline.problem import load_problem

    (tmp_path / "my.yaml").write_text(f"name: my\n{block}\ntarget: {{column: y, kind: binary}}\n")
    assert f"kind: {load_problem(tmp_path / 'my.yaml').problem.source.kind}" in block


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / "README.md").read_text("utf-8")))
def test_links_of_readme_exist(target):
    assert (ROOT / target).exists()
