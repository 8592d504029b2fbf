"""docs/infra.md: its snippet parses, and its numbers are the code's."""

from __future__ import annotations

import re
from pathlib import Path

from models.reference import ROWS
from pipeline.infra.parity import TOLERANCE, TOLERANCE_OF_HALF
from pipeline.problem import Budget, load_problem

PAGE = Path(__file__).parents[3].joinpath("docs", "infra.md").read_text("utf-8")


def test_the_snippet_names_every_budget(tmp_path: Path) -> None:
    (snippet,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "x.yaml").write_text(
        "name: x\nsource: {kind: csv, files: x.csv}\ntarget: {column: y, kind: binary}\n" + snippet
    )
    budget = load_problem(tmp_path / "x.yaml").problem.budget
    assert budget.model_dump(exclude_none=True).keys() == Budget.model_fields.keys()


def test_numbers_are_those_of_the_code() -> None:
    assert f"asks the trained network {ROWS} rows" in PAGE
    assert f"More than {TOLERANCE:.0e}".replace("e-05", "e-5") in PAGE
    assert f"up to {TOLERANCE_OF_HALF:g}." in PAGE.replace("\n", " ")
