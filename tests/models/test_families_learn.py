"""Every family learns what no linear model can: three tables, a training each.

The seconds are measured, not asserted: benchmarks/families.py.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from models.discovery import discover

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import _family_tables as tables

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]


class Task(NamedTuple):
    """A table with the errors to beat."""

    table: Any
    constant: float
    linear: float


@pytest.fixture(scope="module", params=tables.TABLES)
def task(request: pytest.FixtureRequest) -> Task:
    table = tables.TABLES[request.param]()
    return Task(table, tables.constant(table), tables.linear(table))


def test_the_linear_model_beats_the_constant(task: Task) -> None:
    assert task.linear < 0.95 * task.constant


@pytest.mark.parametrize("family", discover("models.families"))
def test_every_family_beats_the_linear_model(task: Task, family: str) -> None:
    assert tables.train(family, task.table).error < 0.9 * task.linear
