"""docs/edge.md: its snippet parses, its limits and refusals are the code's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from models.discovery import discover
from pipeline.problem import Edge, load_problem

PAGE = Path(__file__).parents[3].joinpath("docs", "edge.md").read_text("utf-8")


def test_the_snippet_names_every_setting(tmp_path: Path) -> None:
    (snippet,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "x.yaml").write_text(
        "name: x\nsource: {kind: csv, files: x.csv}\ntarget: {column: y, kind: binary}\n" + snippet
    )
    assert load_problem(tmp_path / "x.yaml").problem.push.edge == Edge(quantize="int8", max_difference=0.05)


@pytest.mark.parametrize("quantize", ["none", "float16", "int8"])
def test_limits_are_those_of_the_code(quantize: str) -> None:
    (limit,) = re.findall(rf"^\| `{quantize}` \|.* ([\d.e-]+) \|$", PAGE, re.MULTILINE)
    assert float(limit) == Edge.model_validate({"quantize": quantize}).limit


def test_families_that_are_refused_are_those_of_the_code() -> None:
    told = dict(re.findall(r"^\| family `(\w+)` \| (\w+) \|$", PAGE, re.MULTILINE))
    beyond = {name: module.BEYOND_EDGE for name, module in discover("models.families").items()}
    assert told == {name: operation for name, operation in beyond.items() if operation}
