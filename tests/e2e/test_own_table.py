"""The first day with a table of one's own: `penstock init`, then `penstock run` without an edit."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def penguins() -> tuple[str, list[list[object]]]:
    """Return 344 birds of three species with missing values."""
    rows: list[list[object]] = []
    for index in range(344):
        species = ("Adelie", "Chinstrap", "Gentoo")[index % 3]
        bill, flipper, mass = {"Adelie": (39, 190, 3700), "Chinstrap": (49, 196, 3730), "Gentoo": (47, 217, 5070)}[
            species
        ]
        numbers = [random.gauss(bill, 2), random.gauss(flipper, 6), random.gauss(mass, 350)]
        cells: list[object] = ["NA" if random.random() < 0.02 else f"{number:.1f}" for number in numbers]
        rows.append(
            [
                species,
                random.choice(["Biscoe", "Dream"]),
                *cells,
                random.choice(["male", "female", "NA"]),
                2007 + index % 3,
            ]
        )
    return "species,island,bill_length_mm,flipper_length_mm,body_mass_g,sex,year", rows


def houses() -> tuple[str, list[list[object]]]:
    """Return a regression table."""
    rows = []
    for _ in range(1500):
        size, rooms = random.uniform(30, 200), random.randint(1, 6)
        rows.append(
            [f"{size * 3000 + rooms * 9000 + random.gauss(0, 9000):.0f}", f"{size:.1f}", rooms, random.choice("NSWE")]
        )
    return "price,size,rooms,side", rows


def orders() -> tuple[str, list[list[object]]]:
    """Return text ids, dates and booleans."""
    rows = []
    for index in range(1200):
        express, days = random.random() < 0.5, random.randint(1, 30)
        late = random.random() < (0.7 if express and days > 15 else 0.2)
        rows.append(
            [
                f"ORD-{index:06d}",
                f"2024-03-{days:02d}",
                f"2024-04-{days:02d} 12:30:00",
                express,
                "late" if late else "on time",
            ]
        )
    return "order_id,ordered,shipped,express,outcome", [
        [str(cell).lower() if isinstance(cell, bool) else cell for cell in row] for row in rows
    ]


def wide() -> tuple[str, list[list[object]]]:
    """Return 200 number columns."""
    rows = []
    for _ in range(2500):
        numbers = [random.gauss(0, 1) for _ in range(200)]
        rows.append([int(numbers[0] + numbers[1] > 0), *(f"{number:.4f}" for number in numbers)])
    return "y," + ",".join(f"x{index}" for index in range(200)), rows


def names() -> tuple[str, list[list[object]]]:
    """Return column names that are no identifiers."""
    rows = []
    for _ in range(900):
        mass, color = random.gauss(50, 10), random.choice(["röd", "blå"])
        rows.append(
            [
                "ja" if random.random() < (0.9 if mass > 50 else 0.1) else "nej",
                f"{mass:.2f}",
                color,
                random.randint(0, 9),
            ]
        )
    return 'köpt?,body mass (g),färg.nr 1,"a, b: #c"', rows


@pytest.mark.parametrize(
    ("table", "label", "metric", "least"),
    [
        (penguins, "species", "class_accuracy", 0.8),
        (houses, "price", "r2", 0.8),
        (orders, "outcome", "auc", 0.6),
        (wide, "y", "auc", 0.8),
        (names, "köpt?", "auc", 0.75),
    ],
)
def test_own_table_works_without_an_edit(tmp_path, table, label, metric, least):
    random.seed(7)
    header, rows = table()
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "my.csv").write_text("\n".join(lines) + "\n", "utf-8")
    penstock(tmp_path, "init", "my.csv", "--label", label)
    penstock(tmp_path, "check", "problems/my.yaml")
    result = json.loads(penstock(tmp_path, "run", "problems/my.yaml", "--ask", "3", "--json"))
    assert result["metrics"][0]["values"][metric] > least
    assert len(result["asked"]["answers"]) == 3
    report = json.loads(penstock(tmp_path, "validate", "--problem", "problems/my.yaml", "--json"))
    assert report["anomalies"] == []


def penstock(folder: Path, *arguments: str) -> str:
    """Run the command line in `folder` and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "pipeline.cli", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-1000:]
    return done.stdout
