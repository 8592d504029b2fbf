"""The same stage, read in parts by Beam."""

import sqlite3
from functools import partial
from pathlib import Path

import pytest

from models.discovery import discover
from pipeline.errors import InputError
from pipeline.parts import read_on_beam
from pipeline.reader import Reading
from pipeline.stage import rejected_files, rows_files, stage

pytestmark = pytest.mark.tensorflow
on_beam = partial(read_on_beam, arguments=["--runner=FnApiRunner"])


def reading(folder: Path) -> Reading:
    return Reading(discover("pipeline.sources")["csv"].Params(files="part*.csv"), folder, {}, {})


def write(folder: Path, parts: int) -> None:
    lines = [f"{index},{index / 2 if index > 150 else index},s{index % 7}\n" for index in range(300)]
    for index in range(parts):
        (folder / f"part{index}.csv").write_text("".join(["n,x,t\n", *lines[index::parts], "oops,1,a\n"]))


def test_parts_make_the_stage_that_one_reader_makes(tmp_path):
    write(tmp_path, 3)
    whole = stage(reading(tmp_path), tmp_path / "one")
    parts = stage(reading(tmp_path), tmp_path / "many", on_beam)
    assert parts == whole
    assert (whole.rows, whole.rejected) == (300, {"data": 3})
    assert len(rows_files(tmp_path / "many", parts.digest)) == 3
    assert len(rejected_files(tmp_path / "many", parts.digest)) == 3


def test_row_groups_are_parts(tmp_path, monkeypatch):
    import pyarrow as pa
    import pyarrow.parquet as pq

    parquet = discover("pipeline.sources")["parquet"]
    monkeypatch.setattr(parquet, "PART_ROWS", 60)
    for number in range(2):
        table = pa.table({"n": range(number * 100, number * 100 + 100), "t": ["a", "b"] * 50})
        pq.write_table(table, tmp_path / f"{number}.parquet", row_group_size=30)
    asked = Reading(parquet.Params(files="*.parquet"), tmp_path, {}, {})
    whole = stage(asked, tmp_path / "one")
    assert stage(asked, tmp_path / "many", on_beam) == whole
    ranges = [(params.first, params.last) for _, params in parquet.divide([tmp_path / "0.parquet"], asked.source)]
    assert ranges == [(0, 59), (60, 99)]
    assert len(rows_files(tmp_path / "many", whole.digest)) == 4


def test_ranges_of_a_key_are_parts(tmp_path):
    connection = sqlite3.connect(tmp_path / "data.sqlite")
    connection.execute("CREATE TABLE data (id INTEGER, x REAL)")
    connection.executemany("INSERT INTO data VALUES (?, ?)", [(None if n == 7 else n, n / 2) for n in range(100)])
    connection.commit()
    connection.close()
    sql = discover("pipeline.sources")["sql"]
    asked = Reading(
        sql.Params(url="sqlite:///data.sqlite", table="data", partition={"column": "id", "count": 3}), tmp_path, {}, {}
    )
    whole = stage(asked, tmp_path / "one")
    assert (whole.rows, whole.duplicates) == (100, 0)
    assert stage(asked, tmp_path / "many", on_beam).digest == whole.digest
    assert len(rows_files(tmp_path / "many", whole.digest)) == 3


def test_equal_rows_in_two_parts_are_counted(tmp_path):
    for index in range(2):
        (tmp_path / f"part{index}.csv").write_text("n\n1\n2\n")
    assert stage(reading(tmp_path), tmp_path / "stages", on_beam).duplicates == 2


def test_no_row_in_any_part(tmp_path):
    (tmp_path / "part0.csv").write_text("n\n")
    with pytest.raises(InputError, match="received no row"):
        stage(reading(tmp_path), tmp_path / "stages", on_beam)
