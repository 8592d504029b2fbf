"""docs/faults.md names tests that are there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = [line for line in (ROOT / "docs" / "faults.md").read_text("utf-8").splitlines() if re.match(r"\| \d", line)]


def names_in(file: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)}


def test_every_row_names_tests_that_are_there():
    assert len(ROWS) > 15
    for row in ROWS:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row)
        assert named, row
        for file, test in named:
            assert test in names_in(ROOT / file), f"{file}::{test}"


def test_each_fault_has_one_row_in_its_order():
    numbers = [int(row.split("|")[1]) for row in ROWS]
    assert numbers == sorted(set(numbers))
