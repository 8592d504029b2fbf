"""Rows through a version into one file, whole, and after any end of the process."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.beam_arguments import LOCAL
from pipeline.bulk.pieces import read_rows
from pipeline.bulk.scoring import Order, Scored, score
from pipeline.errors import InputError, RunError
from pipeline.problem import LoadedProblem, load_problem

pytestmark = pytest.mark.tensorflow
FEW = """{"price": 1.5, "units": 2, "shop": "ä", "seen": [5], "sold": 1}
{"price": null, "units": 3, "shop": "b", "seen": [], "sold": 0}
{"price": 2, "units": null, "shop": null, "seen": [1, 2, 3, 4], "sold": null}
{"price": "x", "units": 1, "shop": "a", "seen": [], "sold": 1}
"""
MANY = 250_000
"""Rows of three pieces."""


@pytest.fixture
def order(tmp_path: Path, version: Path) -> Callable[..., Order]:
    def make(**changes: Any) -> Order:
        made = Order(tmp_path / "new.jsonl", tmp_path / "out.parquet", version, (), "", LOCAL)
        return made._replace(**changes)

    return make


@pytest.fixture
def many(tmp_path: Path) -> list[int]:
    numbers = list(range(MANY))
    row = '{{"price": {0}, "units": {1}, "shop": "s", "seen": [], "sold": 0}}\n'
    (tmp_path / "new.jsonl").write_text("".join(row.format(number / 2, number) for number in numbers), "utf-8")
    return numbers


def run(loaded: LoadedProblem, order: Order) -> Scored:
    return score(loaded, order, lambda _parts, _staged: nullcontext())


def test_answers_stand_beside_the_rows(tmp_path, loaded, order):
    (tmp_path / "new.jsonl").write_text(FEW, "utf-8")
    done = run(loaded, order())
    assert (done.rows, done.rejected, done.version, done.scored_before) == (3, 1, 7, 0)
    found = sorted(pq.read_table(tmp_path / "out.parquet").to_pylist(), key=lambda row: row["total"])
    keys = {"sold": 0, "price": None, "units": 3, "shop": "b", "seen": []}
    assert found[0] == keys | {"total": -997.0, "places": ["b", "1"]}
    assert found[1]["total"] == -1000 + 2 + 2 + 3 + 4
    assert (found[1]["shop"], found[1]["places"], found[1]["seen"]) == (None, ["", "0"], [1, 2, 3, 4])
    assert (found[2]["total"], found[2]["places"]) == (8.5, ["ä", "2"])
    (refused,) = map(json.loads, (tmp_path / "out.rejected.jsonl").read_text("utf-8").splitlines())
    assert (refused["column"], refused["value"], refused["reason"]) == ("price", "x", "expected a number")
    assert not (tmp_path / "out.parquet.part").exists()


def test_keys_and_a_prefix(tmp_path, loaded, order):
    (tmp_path / "new.jsonl").write_text(FEW, "utf-8")
    run(loaded, order(out=tmp_path / "out.csv", keys=("shop", "price"), prefix="p_"))
    lines = (tmp_path / "out.csv").read_text("utf-8").splitlines()
    assert lines[0] == "shop,price,p_places,p_total"
    assert 'ä,1.5,"[""ä"",""2""]",8.5' in lines


def test_goes_on_after_the_parts_that_are_there(tmp_path, monkeypatch, loaded, order, many):
    from pipeline.bulk import inference

    write, parts = inference._write, tmp_path / "out.parquet.part"

    def fail(answered: Any, task: Any) -> None:
        if len(list(parts.glob("*.parquet"))) == 2:
            raise OSError("the machine was switched off")
        write(answered, task)

    def write_once(answered: Any, task: Any) -> None:
        assert not (parts / f"{answered[0].number:06d}.parquet").exists()
        write(answered, task)

    monkeypatch.setattr(inference, "_write", fail)
    with pytest.raises(Exception, match="switched off"):
        run(loaded, order())
    assert not (tmp_path / "out.parquet").exists()
    assert len(list(parts.glob("*.parquet"))) == 2
    monkeypatch.setattr(inference, "_write", write_once)
    done = run(loaded, order())
    assert done.rows == MANY
    assert 100_000 < done.scored_before < MANY
    table = pq.read_table(tmp_path / "out.parquet")
    assert sorted(table["units"].to_pylist()) == many
    assert table["total"].to_pylist() == [1.5 * units for units in table["units"].to_pylist()]


CHILD = """
import sys, time
from contextlib import nullcontext
from pathlib import Path
from pipeline.beam_arguments import LOCAL
from pipeline.bulk import inference
from pipeline.bulk.scoring import Order, score
from pipeline.problem import load_problem

write = inference._write

def linger(answered, task):
    write(answered, task)
    time.sleep(60 * answered[0].number)

inference._write = linger
problem, data, out, version = map(Path, sys.argv[1:])
score(load_problem(problem), Order(data, out, version, (), "", LOCAL), lambda *_: nullcontext())
"""


def test_kill_9_loses_and_doubles_no_row(tmp_path, loaded, order, many):
    files = [tmp_path / "sales.yaml", order().data, order().out, order().version]
    with subprocess.Popen([sys.executable, "-c", CHILD, *map(str, files)]) as child:
        while child.poll() is None and not (tmp_path / "out.parquet.part" / "000001.parquet").exists():
            time.sleep(0.05)
        child.kill()
    assert child.returncode == -signal.SIGKILL
    done = run(loaded, order())
    assert (done.rows, 2 * done.scored_before > MANY) == (MANY, True)
    assert sorted(pq.read_table(tmp_path / "out.parquet")["units"].to_pylist()) == many


def test_other_rows_are_another_job(tmp_path, loaded, order):
    (tmp_path / "new.jsonl").write_text(FEW, "utf-8")
    interrupt(loaded, order())
    (tmp_path / "new.jsonl").write_text(FEW + FEW.splitlines()[0], "utf-8")
    with pytest.raises(InputError, match="another job: the rows have changed; .* --restart begins anew"):
        run(loaded, order())
    assert run(loaded, order(restart=True)).rows == 4


def test_rows_that_the_model_can_not_read(tmp_path, loaded, order):
    (tmp_path / "new.jsonl").write_text('{"price": 1, "shop": "a"}\n', "utf-8")
    with pytest.raises(InputError, match="units: expected int, received no such column; seen: expected int"):
        run(loaded, order())


def interrupt(loaded: LoadedProblem, order: Order) -> None:
    """Begin a job that never scores a piece."""

    def stop(*_: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(loaded, order, stop)


def test_a_database_is_read_once(tmp_path, version, order):
    with sqlite3.connect(tmp_path / "sales.db") as connection:
        connection.execute("CREATE TABLE t (price REAL, units INTEGER, shop TEXT, seen INTEGER, sold INTEGER)")
        connection.execute("INSERT INTO t VALUES (1, 2, 'a', 1, 1)")
    url = f"sqlite:///{tmp_path}/sales.db"
    (tmp_path / "sales.yaml").write_text(
        f"name: sales\nsource: {{kind: sql, url: '{url}', query: q.sql}}\ntarget: {{column: sold, kind: binary}}\n",
        "utf-8",
    )
    (tmp_path / "q.sql").write_text("SELECT * FROM t", "utf-8")
    loaded = load_problem(tmp_path / "sales.yaml")
    first = read_rows(loaded, None, version, tmp_path / "rows")
    with sqlite3.connect(tmp_path / "sales.db") as connection:
        connection.execute("INSERT INTO t VALUES (5, 2, 'b', 1, 1)")
    assert read_rows(loaded, None, version, tmp_path / "rows") == first
    assert [piece.rows for piece in first.pieces] == [1]


def test_a_lost_row_is_an_error(tmp_path, monkeypatch, loaded, order):
    from pipeline.bulk import inference

    (tmp_path / "new.jsonl").write_text(FEW, "utf-8")
    read = inference.read_group
    monkeypatch.setattr(inference, "read_group", lambda piece, columns: read(piece, columns).slice(1))
    with pytest.raises(RunError, match="part 0: expected 3 rows, found 2; --restart begins anew"):
        run(loaded, order())
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keys": ("shop", "shopp")}, "--key: expected columns of price, units, shop, seen, sold; received shopp"),
        ({"prefix": "s", "keys": ("stotal",)}, "received stotal"),
    ],
)
def test_keys_that_are_no_columns(tmp_path, loaded, order, changes, message):
    (tmp_path / "new.jsonl").write_text(FEW, "utf-8")
    with pytest.raises(InputError, match=message):
        run(loaded, order(**changes))


def test_a_column_of_an_answers_name(tmp_path, loaded, order):
    (tmp_path / "new.jsonl").write_text(FEW.replace("sold", "total"), "utf-8")
    with pytest.raises(InputError, match="the rows have a column total already; --prefix"):
        run(loaded, order())
