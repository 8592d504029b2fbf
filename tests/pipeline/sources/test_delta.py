from __future__ import annotations

import datetime as dt
import json
import struct
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from pydantic import ValidationError

from pipeline.errors import InputError
from pipeline.sources import delta

Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def read(connection: duckdb.DuckDBPyConnection, folder: Path, **params: Any) -> pa.Table:
    scan = delta.scan(connection, [folder], delta.Params(files="table", **params), {})
    connection.execute(f"CREATE OR REPLACE TEMP VIEW source AS SELECT * FROM {scan}").fetchall()
    return connection.sql("SELECT * FROM source ORDER BY ALL").to_arrow_table()


def test_reads_a_table(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    hours = [dt.datetime(2013, 1, 1, index % 24, 30) for index in range(25)]
    columns = {
        "id": pa.array(range(25), pa.int64()),
        "count": pa.array([None if index % 7 == 0 else index for index in range(25)], pa.int32()),
        "share": pa.array([index / 4 for index in range(25)]),
        "name": pa.array(
            [["plain", 'a "quoted, comma"', "Zoë 漢字 🚀", "line\nbreak", None][i % 5] for i in range(25)]
        ),
        "late": pa.array([[True, False, None][index % 3] for index in range(25)]),
        "day": pa.array([dt.date(2013, 1, index + 1) for index in range(25)]),
        "hour": pa.array(hours, pa.timestamp("us")),
        "moment": pa.array(hours, pa.timestamp("us", "UTC")),
        "words": pa.array([["a"], [], None, ["b", "c"], ["d"]] * 5),
        "part": pa.array(["x/é y", "a=b", None, "x/é y", "z"] * 5),
    }
    table = pa.table(columns)
    write_deltalake(tmp_path / "table", table, partition_by=["part"])
    rows = read(connection, tmp_path / "table")
    types = {name: kind for name, kind, *_ in connection.sql("DESCRIBE source").fetchall()}
    assert types == {
        "id": "BIGINT",
        "count": "INTEGER",
        "share": "DOUBLE",
        "name": "VARCHAR",
        "late": "BOOLEAN",
        "day": "DATE",
        "hour": "TIMESTAMP",
        "moment": "TIMESTAMP WITH TIME ZONE",
        "words": "VARCHAR[]",
        "part": "VARCHAR",
    }
    assert rows.to_pylist() == table.to_pylist()
    assert delta.rejects(connection) is None


def test_reads_any_version(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    for version in range(3):
        write_deltalake(tmp_path / "table", pa.table({"x": [version]}), mode="append")
    log = tmp_path / "table" / "_delta_log"
    for version, year in enumerate((2013, 2014, 2015)):
        restamp(log / f"{version:020}.json", dt.datetime(year, 1, 1, tzinfo=dt.UTC))
    found = {
        name: read(connection, tmp_path / "table", **params)["x"].to_pylist()
        for name, params in {
            "latest": {},
            "first": {"version": 0},
            "2014, as the file's time would not say": {"timestamp": "2014-06-30"},
            "the moment itself": {"timestamp": "2014-01-01T01:00:00+01:00"},
        }.items()
    }
    assert list(found.values()) == [[0, 1, 2], [0], [0, 1], [0, 1]]
    for params in ({"version": 3}, {"timestamp": "2012-12-31"}):
        with pytest.raises(InputError, match="expected a"):
            read(connection, tmp_path / "table", **params)


def restamp(commit: Path, moment: dt.datetime) -> None:
    actions = [json.loads(line) for line in commit.read_text().splitlines()]
    for action in actions:
        if "commitInfo" in action:
            action["commitInfo"]["timestamp"] = int(moment.timestamp() * 1000)
    commit.write_text("".join(json.dumps(action) + "\n" for action in actions))


def test_settings_name_one_version() -> None:
    for params in ({"version": 1, "timestamp": "2013-01-01"}, {"version": -1}, {"timestamp": "soon"}):
        with pytest.raises(ValidationError):
            delta.Params(files="table", **params)


def craft(folder: Path, features: list[str], **added: Any) -> Path:
    """Write a table by hand: the rows 10, 11 and 12 of the column `i`, with reader features and parts of `add`."""
    (folder / "_delta_log").mkdir(parents=True)
    pq.write_table(pa.table({"i": [10, 11, 12]}), folder / "a.parquet")
    field = {"name": "i", "type": "long", "nullable": True, "metadata": {}}
    schema = json.dumps({"type": "struct", "fields": [field]})
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features}
    meta = {"id": "1", "format": {"provider": "parquet", "options": {}}, "schemaString": schema, "partitionColumns": []}
    add = {"path": "a.parquet", "partitionValues": {}, "size": (folder / "a.parquet").stat().st_size}
    add |= {"modificationTime": 0, "dataChange": True, "stats": '{"numRecords":3}'} | added
    actions = [{"protocol": protocol}, {"metaData": meta | {"configuration": {}, "createdTime": 0}}, {"add": add}]
    (folder / "_delta_log" / f"{0:020}.json").write_text("\n".join(map(json.dumps, actions)))
    return folder


def deletion_vector(row: int) -> dict[str, Any]:
    """A deletion vector of one row inside the log: a 64-bit roaring bitmap in Z85."""
    bitmap = struct.pack("<IIHHI", 12346, 1, 0, 0, 16) + struct.pack("<H", row)
    content = struct.pack("<IQI", 1681511377, 1, 0) + bitmap
    padded = content + b"\0" * (-len(content) % 4)
    text = ""
    for position in range(0, len(padded), 4):
        number = int.from_bytes(padded[position : position + 4], "big")
        text += "".join(Z85[number // 85**power % 85] for power in (4, 3, 2, 1, 0))
    return {"storageType": "i", "pathOrInlineDv": text, "sizeInBytes": len(content), "cardinality": 1}


def test_deleted_rows_are_left_out(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    folder = craft(tmp_path / "table", ["deletionVectors"], deletionVector=deletion_vector(1))
    assert read(connection, folder)["i"].to_pylist() == [10, 12]


@pytest.mark.parametrize("feature", ["typeWidening", "fromTheFuture"])
def test_unknown_features_are_named(connection: duckdb.DuckDBPyConnection, tmp_path: Path, feature: str) -> None:
    with pytest.raises(InputError, match=f"(?i){feature}"):
        read(connection, craft(tmp_path / "table", [feature]))


def test_no_table(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    for name in ("none", "empty", "file"):
        with pytest.raises(InputError, match=f"{name}: expected a Delta table"):
            read(connection, tmp_path / name)
    with pytest.raises(InputError, match="received 2 paths"):
        delta.scan(connection, [tmp_path, tmp_path], delta.Params(files="x"), {})


def test_a_data_file_that_is_gone(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    folder = craft(tmp_path / "table", [])
    (folder / "a.parquet").unlink()
    with pytest.raises(InputError, match=r"a\.parquet: no such file, but version 0"):
        read(connection, folder)


def test_two_tables_at_once(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    scans = []
    for value in (1, 2):
        folder = tmp_path / f"table {value}"
        write_deltalake(folder, pa.table({"x": [value]}))
        scans.append(delta.scan(connection, [folder], delta.Params(files="x"), {}))
    joined = connection.sql(f"SELECT a.x, b.x, c.x FROM {scans[0]} AS a, {scans[1]} AS b, {scans[0]} AS c").fetchall()
    assert joined == [(1, 2, 1)]


def test_data_files_are_those_of_the_version(tmp_path: Path) -> None:
    folder = tmp_path / "table"
    for version in range(3):
        write_deltalake(folder, pa.table({"x": [version], "p": ["é y"]}), mode="append", partition_by=["p"])
    latest, first = (delta.data_files(folder, delta.Params(files="x", **each)) for each in ({}, {"version": 0}))
    assert [len(latest), len(first)] == [6, 2]
    assert set(first) < set(latest)
    assert all(file.is_file() for file in latest)
    DeltaTable(folder).create_checkpoint()
    assert delta.data_files(folder, delta.Params(files="x")) == latest
    (folder / "_delta_log" / f"{0:020}.json").unlink()
    cleaned = delta.data_files(folder, delta.Params(files="x"))
    assert {file.name for file in cleaned} - {file.name for file in latest} == {f"{2:020}.checkpoint.parquet"}
