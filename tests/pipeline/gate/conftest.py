"""A table of orders, sound or with faults, as examples; what the checks that need no TensorFlow say of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.discovery import discover
from pipeline.examples.load import ExamplesFolder, Label
from pipeline.gate.checks import Found, Seen
from pipeline.gate.facts import Facts
from pipeline.gate.judge import CHECKS
from pipeline.gate.measure import Question, measure
from pipeline.tables import connect

SPLITS = ("train", "eval", "test")
FEATURES = ("price", "items", "shop", "ordered")
NEED_TENSORFLOW = {"schema", "drift", "skew"}
DAYS = 40


def orders(seed: int = 0, rows: int = 6000) -> dict[str, Any]:
    """Sound orders: price goes with items, the label with the price, shops are unlike each other."""
    random = np.random.default_rng(seed)
    items = random.integers(1, 20, rows)
    price = np.round(items * random.lognormal(1, 0.3, rows), 2)
    late = random.random(rows) < 1 / (1 + np.exp(2 - price / 25))
    minutes = np.sort(random.integers(0, DAYS * 24 * 60, rows))
    ordered = np.datetime64("2024-03-01T00:00") + minutes
    return {
        "late": late.astype("int64"),
        "price": price,
        "items": items,
        "shop": np.where(items > 12, "Bern", np.where(random.random(rows) < 0.5, "Genf", "Zug")).astype(object),
        "ordered": np.array([f"{moment}:00Z" for moment in ordered.astype(str)], object),
    }


def write(folder: Path, table: dict[str, Any]) -> Path:
    """Write the table as ingestion does: 70, 20 and 10 % in the order of the rows; None and NaN are missing."""
    rows = len(next(iter(table.values())))
    ends = [0, rows * 7 // 10, rows * 9 // 10, rows]
    for split, start, end in zip(SPLITS, ends, ends[1:], strict=False):
        columns = {name: _column(values[start:end]) for name, values in table.items()}
        path = folder / f"Split-{split}"
        path.mkdir(parents=True)
        pq.write_table(pa.table(columns), path / "examples-00000-of-00001.parquet")
    return folder


def _column(values: np.ndarray) -> pa.Array:
    if values.dtype == object:
        lists = [None if value is None else [str(value).encode()] for value in values]
        return pa.array(lists, pa.large_list(pa.large_binary()))
    if values.dtype.kind == "i":
        return pa.array([[int(value)] for value in values], pa.large_list(pa.int64()))
    return pa.array([None if np.isnan(value) else [value] for value in values], pa.large_list(pa.float32()))


class Gate:
    """Measures tables, and asks the checks."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number = folder, 0

    def measure(self, table: dict[str, Any], before: Facts | None = None, **question: Any) -> Facts:
        self.number += 1
        examples = write(self.folder / str(self.number), table)
        label = question.pop("label", Label(column="late", kind="binary"))
        features = tuple(name for name in table if name != label.column)
        asked = {"features": features, "time_column": "ordered", "before": before} | question
        with connect() as connection:
            return measure(connection, Question(ExamplesFolder(examples, SPLITS, label), **asked)).facts

    def find(self, facts: Facts, before: Facts | None = None, **changes: Any) -> dict[str, list[Found]]:
        """Return what is found, by check; checks that find nothing are left out."""
        given = {
            "facts": facts,
            "before": before,
            "named": "last week",
            "schema": None,
            "is_curated": True,
            "statistics": None,
            "earlier": None,
            "serving": None,
            "anomalies": (),
            "features": tuple(name for name in facts.by_name if name != facts.label),
            "label_kind": "binary",
            "split_by": "time",
            "split_columns": ("ordered",),
        }
        seen = Seen(**(given | changes))
        found = {
            name: list(check.find(seen, check.Limits()))
            for name, check in discover(CHECKS).items()
            if name not in NEED_TENSORFLOW
        }
        return {name: findings for name, findings in found.items() if findings}

    def compare(self, table: dict[str, Any], before: Facts, **question: Any) -> dict[str, list[Found]]:
        """Measure the table beside `before` and ask the checks."""
        return self.find(self.measure(table, before, **question), before)


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return Gate(tmp_path_factory.mktemp("sound")).measure(orders())
