"""docs/rollout.md: its YAML is read, its commands and rules exist, its figures were measured."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from pipeline.problem import load_problem
from pipeline.rollout_commands import app
from pipeline.yaml_file import load_as
from serving.canary.plan import Plan, Rules

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/rollout.md").read_text("utf-8")


def test_its_yaml_is_read(tmp_path):
    plan, push, test = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "plan.yaml"
    file.write_text(plan)
    read = load_as(file, Plan)
    assert [step.mode for step in read.steps] == ["shadow", "live", "live", "live"]
    assert set(re.findall(r"^(\w+):", plan, re.MULTILINE)) == set(Plan.model_fields)
    file.write_text(test)
    assert load_as(file, Plan).promotion == "by_hand"
    file.write_text(f"name: my\nsource: {{kind: csv, files: a.csv}}\ntarget: {{column: y, kind: binary}}\n{push}")
    assert load_problem(file).problem.push.rollout.rules.drift.at_most == 0.1


def test_it_names_every_command_and_rule():
    assert {command.callback.__name__ for command in app.registered_commands} == set(
        re.findall(r"^\| `penstock rollout (\w+)", PAGE, re.MULTILINE)
    )
    assert all(f"`{name}`" in PAGE for name in Rules.model_fields)


def test_its_figures_were_measured_and_are_what_was_asked_for():
    (body,) = re.findall(r"<!-- rollouts -->\n(.*?)<!-- /rollouts -->", PAGE, re.DOTALL)
    assert "1,000 histories" in body
    assert "stable at once: **0**" in body
    rows = {
        cells[1]: cells
        for cells in ([cell.strip() for cell in line.split("|")] for line in body.splitlines())
        if len(cells) > 4
    }
    for kind, cells in list(rows.items())[2:]:
        assert float(cells[4 if kind == "as good as stable" else 3].rstrip("%")) >= 98, kind


def test_a_small_edition_of_the_simulation():
    command = [sys.executable, ROOT / "benchmarks/rollouts.py", "--histories", "24", "--seed", "7", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["both stable"] == 0
    assert found["kinds"]["as good as stable"]["promoted"] == 1
    assert all(each["aborted"] == 1 for kind, each in found["kinds"].items() if kind != "as good as stable")
