"""docs/training.md says what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from models.discovery import discover
from models.spec import Schedule, Training

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text("utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_yaml_is_part_of_a_problem(block: str, tmp_path: Path) -> None:
    from pipeline.problem import load_problem

    rest = "" if "target:" in block else "target: {column: y, kind: binary}\n"
    (tmp_path / "my.yaml").write_text(f"name: my\nsource: {{kind: csv, files: a.csv}}\n{block}{rest}")
    load_problem(tmp_path / "my.yaml")


def test_every_setting_is_named() -> None:
    for name in [*Training.model_fields, *Schedule.model_fields]:
        assert name in PAGE, name


@pytest.mark.parametrize("kind", discover("models.targets"))
def test_every_target_is_named_with_its_settings_and_metrics(kind: str) -> None:
    module = discover("models.targets")[kind]
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{kind}` |")]
    for metric in module.METRICS:
        assert metric == "example_count" or f"`{metric}`" in row, metric
    for field in module.Params.model_fields:
        assert field in PAGE, field


def test_the_defaults_are_those_of_the_page() -> None:
    assert re.search(r"learning_rate: (\S+)", PAGE)[1] == f"{Training().learning_rate}"  # type: ignore[index]
    assert re.search(r"epochs: (\d+)", PAGE)[1] == f"{Training().epochs}"  # type: ignore[index]
