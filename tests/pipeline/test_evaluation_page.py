"""docs/evaluation.md says what there is."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.judging import Bounds, Evaluation, Gate
from pipeline.problem import load_problem

PAGE = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text("utf-8")


def test_the_yaml_is_part_of_a_problem_and_names_every_setting(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "my.yaml").write_text(
        f"name: my\nsource: {{kind: csv, files: a.csv}}\ntarget: {{column: y, kind: binary}}\n{block}"
    )
    evaluation = load_problem(tmp_path / "my.yaml").problem.evaluation
    assert len(evaluation.slices) == 4
    for name in [*Evaluation.model_fields, *Gate.model_fields, *Bounds.model_fields]:
        assert name in block, name


def test_the_defaults_are_those_of_the_page() -> None:
    shown = dict(re.findall(r"^  (\w+): ([\d.]+)$", PAGE, re.MULTILINE))
    defaults = Evaluation()
    for name in ("confidence", "negligible", "resamples", "min_rows"):
        assert float(shown[name]) == getattr(defaults, name), name
