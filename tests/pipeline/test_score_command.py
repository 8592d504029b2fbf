"""`penstock score`: which version, what it says, and what it does not import before it must."""

import json
import sys
from types import SimpleNamespace

import pytest

from pipeline.bulk.scoring import Scored
from pipeline.cli import main
from pipeline.workspace import open_workspace

DONE = Scored("out.parquet", rows=1000, scored_before=400, rejected=2, version=3, read_s=0.5, seconds=2.0)


@pytest.fixture
def call(tmp_path, monkeypatch, capfd):
    """`penstock score sales.yaml ...` with one version there; returns exit code, output and what was ordered."""
    (tmp_path / "sales.yaml").write_text(
        "name: sales\nsource: {kind: csv, files: sales.csv}\ntarget: {column: sold, kind: binary}\n", "utf-8"
    )
    base = open_workspace(tmp_path, "sales").serving
    (base / "3").mkdir(parents=True)
    (base / "3" / "saved_model.pb").touch()
    orders = []
    monkeypatch.setattr("serving.rollout.read_sound", lambda base, version: SimpleNamespace(version=version))
    monkeypatch.setattr("pipeline.bulk.scoring.score", lambda loaded, order, watch: orders.append(order) or DONE)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["penstock", "score", str(tmp_path / "sales.yaml"), *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capfd.readouterr(), orders

    return run


def test_says_what_was_done(call):
    code, out, err, (order,) = call("--out", "out.parquet", "--key", "id", "--key", "day", "--version", "live")
    assert code == 0
    assert out == "wrote out.parquet: 1,000 rows by version 3 of sales, 400 of them by an earlier run\n"
    assert "2.0 s (0.5 s of them reading), 300 rows/s" in err
    assert "2 rows were not readable, with the reason: out.rejected.jsonl" in err
    assert (order.version.name, order.keys, order.data) == ("3", ("id", "day"), None)


def test_prints_json(call):
    code, out, _, _ = call("new.csv", "--out", "out.csv", "--beam=--runner=FlinkRunner", "--json")
    assert (code, json.loads(out)) == (0, DONE._asdict())


def test_a_runner_takes_the_place_of_this_machine(call):
    _, _, _, (order,) = call("--out", "out.csv", "--beam=--runner=FlinkRunner", "--beam=--parallelism=8")
    assert order.beam == ("--runner=FlinkRunner", "--parallelism=8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "out.xlsx"], "out.xlsx: expected a suffix of .csv, .parquet"),
        (["--out", "out.csv", "--version", "canary"], "VERSION: expected a number, live; received 'canary'"),
        ([], "Missing option '--out'"),
    ],
)
def test_refuses(call, arguments, message):
    code, _, err, orders = call(*arguments)
    assert (code, orders) == (2, [])
    assert message in err
