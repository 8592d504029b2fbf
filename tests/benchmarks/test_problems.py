"""Problems beside their references: what is printed, and that each has all its parts."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))

from references import Figure, resample  # noqa: E402

from problems import NAMES, find_run, render_all, render_problem  # noqa: E402

FOUND = {
    "rows": {"train": 8000, "eval": 1000, "test": 1000},
    "family": "dcn",
    "seconds": 61.4,
    "peak_bytes": 1.5e9,
    "rest_parity": 3e-8,
    "rest_rows": 500,
    "figures": [
        Figure("PR-AUC", 0.61237, (0.58, 0.64), {"trees": 0.6, "a rule": 0.2}, "at least 0.6", holds=True)._asdict(),
        Figure("error", 12.0, (11.0, 13.0), {"trees": 14.25}, "at most 10", holds=False)._asdict(),
        Figure("AUC", 0.9, (0.8, 0.95), {}, "", holds=True)._asdict(),
    ],
}


def test_the_page_of_a_problem_has_a_row_a_metric_and_a_column_a_reference():
    lines = render_problem(FOUND).splitlines()
    assert lines[0] == "| on the test split | the pushed `dcn` | trees | a rule | bar | holds |"
    assert lines[2:5] == [
        "| PR-AUC | **0.6124** (0.5800 to 0.6400) | 0.6000 | 0.2000 | at least 0.6 | yes |",
        "| error | **12.00** (11.00 to 13.00) | 14.25 |  | at most 10 | **no** |",
        "| AUC | **0.9000** (0.8000 to 0.9500) |  |  |  |  |",
    ]
    assert "train 8,000, eval 1,000, test 1,000" in lines[-1]
    assert "61 s, 1.5 GB" in lines[-1]
    assert "within 3e-08 of Keras's (500 rows)" in lines[-1]


def test_readme_has_a_row_a_problem_with_the_figures_that_have_a_bar():
    (row,) = [line for line in render_all({"shop": FOUND | {"seconds": None}}).splitlines() if "shop" in line]
    assert row == (
        "| [shop](docs/problems/shop.md) | 10,000 | run before | PR-AUC<br>error "
        "| **0.6124** (0.5800 to 0.6400)<br>**12.00** (11.00 to 13.00) | trees 0.6000, a rule 0.2000<br>trees 14.25 "
        "| at least 0.6<br>at most 10 | yes<br>**no** | 3e-08 |"
    )


def test_a_run_that_is_there_is_not_run_again(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "problem.json").write_text('{"process_seconds": 3.5}', "utf-8")
    assert find_run("shop", tmp_path) == {"process_seconds": 3.5}


def test_the_interval_is_that_of_the_rows():
    values = np.arange(1000.0)
    low, high = resample(lambda rows: float(values[rows].mean()), 1000)
    error = values.std() / np.sqrt(1000)
    assert low == pytest.approx(499.5 - 1.96 * error, abs=error)
    assert high == pytest.approx(499.5 + 1.96 * error, abs=error)


def test_rows_of_a_group_are_drawn_together():
    groups = np.array(["a", "b", "b", "b"])
    seen = set()

    def count(rows):
        seen.add((int((groups[rows] == "a").sum()), int((groups[rows] == "b").sum())))
        return 0.0

    resample(count, 4, groups)
    assert seen == {(2, 0), (1, 3), (0, 6)}


@pytest.mark.parametrize("name", NAMES)
def test_a_problem_has_all_its_parts(name):
    assert (ROOT / "problems" / f"{name}.yaml").exists()
    assert (ROOT / "schemas" / f"{name}.pbtxt").exists()
    page = (ROOT / "docs" / "problems" / f"{name}.md").read_text("utf-8")
    (body,) = re.findall(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", page, re.DOTALL)
    assert "on the test split" in body
