"""What the tests of the worked problems have in common."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline.problem import Problem, load_problem

ROOT = Path(__file__).parents[2]
COLUMNS = (
    "Invoice VARCHAR, StockCode VARCHAR, Description VARCHAR, Quantity BIGINT, "
    'InvoiceDate VARCHAR, Price DOUBLE, "Customer ID" DOUBLE, Country VARCHAR'
)
"""Of Online Retail II."""


@pytest.fixture(scope="session")
def query_lines() -> Callable[[str, Iterable[tuple[object, ...]], str], list[dict[str, Any]]]:
    """`query_lines(name, lines, order)`: the rows that a problem's query makes of invoice lines, in an order."""

    def run(name: str, lines: Iterable[tuple[object, ...]], order: str) -> list[dict[str, Any]]:
        connection = duckdb.connect()
        connection.execute(f"CREATE TABLE data ({COLUMNS})")
        connection.executemany("INSERT INTO data VALUES (?, ?, ?, ?, ?, ?, ?, ?)", lines)
        query = (ROOT / "problems" / f"{name}.sql").read_text("utf-8")
        found = connection.execute(f"SELECT * FROM ({query}) ORDER BY {order}")
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    return run


@pytest.fixture
def page_problem(tmp_path: Path) -> Callable[[str], Problem]:
    """`page_problem(name)`: the YAML that a problem's page shows for a table of one's own."""

    def load(name: str) -> Problem:
        page = (ROOT / "docs" / "problems" / f"{name}.md").read_text("utf-8")
        (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
        (tmp_path / "my.yaml").write_text(f"name: my\n{block}", "utf-8")
        return load_problem(tmp_path / "my.yaml").problem

    return load


@pytest.fixture
def run_problem(tmp_path: Path) -> Callable[[str, Mapping[str, str]], dict[str, Any]]:
    """`run_problem(name, changes)`: the JSON of a run, asked for 3 rows, on the files in `tmp_path / "data"`.

    The YAML is the problem's own but for `changes`, each of which must be in it.
    """

    def run(name: str, changes: Mapping[str, str]) -> dict[str, Any]:
        for file in (f"problems/{name}.sql", f"schemas/{name}.pbtxt"):
            (tmp_path / file).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / file, tmp_path / file)
        text = (ROOT / "problems" / f"{name}.yaml").read_text("utf-8")
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "problems" / f"{name}.yaml").write_text(text, "utf-8")
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PENSTOCK_HOME": str(tmp_path / "home")}
        command = [sys.executable, "-m", "pipeline.cli", "run", f"problems/{name}.yaml", "--ask", "3", "--json"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-500:]
        result: dict[str, Any] = json.loads(done.stdout)
        assert result["pushed"]["fresh"]
        assert result["infra"]["parity"]["differences"]["rest"] < 1e-5
        return result

    return run
