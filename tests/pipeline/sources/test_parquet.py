from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import InputError
from pipeline.sources import parquet

PARAMS = parquet.Params(files="data.parquet")


def write(path: Path, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def read(connection: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
    assert parquet.look(connection, files, PARAMS, {"x": "VARCHAR"}, whole=True) == {}
    scan = parquet.scan(connection, files, PARAMS, {})
    types = {name: kind for name, kind, *_ in connection.sql(f"DESCRIBE SELECT * FROM {scan}").fetchall()}
    return types, connection.sql(f"SELECT * FROM {scan} ORDER BY ALL").fetchall()


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
        "words": pa.array([["a"], [], None, ["b", "c"], ["d"]] * 5),
    }
    types, rows = read(connection, [write(tmp_path / "a.parquet", **columns)])
    assert types == {
        "id": "BIGINT",
        "count": "INTEGER",
        "share": "DOUBLE",
        "name": "VARCHAR",
        "late": "BOOLEAN",
        "day": "DATE",
        "hour": "TIMESTAMP",
        "words": "VARCHAR[]",
    }
    assert rows == list(zip(*(column.to_pylist() for column in columns.values()), strict=True))
    assert parquet.rejects(connection) is None


def test_files_in_any_order(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    first = write(tmp_path / "a.parquet", x=[1], y=["a"])
    second = write(tmp_path / "b.parquet", y=["b"], x=[2])
    _, rows = read(connection, [first, second])
    assert rows == [(1, "a"), (2, "b")]
    types, rows = read(connection, [second, first])
    assert types == {"y": "VARCHAR", "x": "BIGINT"}
    assert rows == [("a", 1), ("b", 2)]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": [1.5], "y": ["b"]}, "column 'x': expected BIGINT as in .*a.parquet, received DOUBLE"),
        ({"x": pa.array([1], pa.int32()), "y": ["b"]}, "column 'x': expected BIGINT as in .*, received INTEGER"),
        ({"x": [1]}, "column 'y': expected VARCHAR as in .*, received no such column"),
        ({"x": [1], "y": ["b"], "z": [1]}, "column 'z': expected no such column as in .*, received BIGINT"),
        ({"x": [1], "Y": ["b"]}, "column 'Y': expected no such column as in .*, received VARCHAR"),
        ({"x": [[1]], "y": ["b"]}, r"column 'x': expected BIGINT as in .*, received BIGINT\[\]"),
    ],
)
def test_files_that_differ(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, columns: dict[str, Any], message: str
) -> None:
    files = [write(tmp_path / "a.parquet", x=[1], y=["a"]), write(tmp_path / "b.parquet", **columns)]
    with pytest.raises(InputError, match=rf"b\.parquet: {message}"):
        read(connection, files)


def test_nested_columns_count_as_one(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", l=[[1, 2]], s=[{"a": 1, "x": {"y": "b"}}], x=[3])
    types, rows = read(connection, [file, file])
    assert list(types) == ["l", "s", "x"]
    assert rows == [([1, 2], {"a": 1, "x": {"y": "b"}}, 3)] * 2


def test_names_that_differ_by_case_only(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="columns 'Id' and 'ID': expected names that differ by more than case"):
        read(connection, [write(tmp_path / "a.parquet", Id=[1], ID=[2])])
    twice = tmp_path / "b.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["z", "z"]), twice)
    with pytest.raises(InputError, match="columns 'z' and 'z'"):
        read(connection, [twice])


def test_folders_are_columns(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    root = tmp_path / "team=a" / "flights"
    files = [
        write(root / "year=2013" / "code=7" / "a.parquet", x=[1]),
        write(root / "year=2014" / "code=b%20c" / "a.parquet", x=[2]),
        write(root / "year=2014" / "code=__HIVE_DEFAULT_PARTITION__" / "a.parquet", x=[3]),
    ]
    expected = [(1, "7", 2013), (2, "b c", 2014), (3, None, 2014)]
    for order in (files, files[::-1]):
        types, rows = read(connection, order)
        assert types == {"x": "BIGINT", "year": "BIGINT", "code": "VARCHAR"}
        assert rows == expected


def test_a_leading_zero_in_a_folder_is_not_lost(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    files = [write(tmp_path / f"zip={code}" / "a.parquet", x=[1]) for code in ("01234", "56789")]
    types, rows = read(connection, files)
    assert types == {"x": "BIGINT", "zip": "VARCHAR"}
    assert rows == [(1, "01234"), (1, "56789")]


def test_columns_that_folders_repeat_are_the_files(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    types, rows = read(connection, [write(tmp_path / "year=2013" / "a.parquet", x=[1], year=["2013"])])
    assert types == {"x": "BIGINT", "year": "VARCHAR"}
    assert rows == [(1, "2013")]


def test_partitions_that_differ(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    partitioned = write(tmp_path / "year=2013" / "month=1" / "a.parquet", x=[1])
    for other in (tmp_path / "b.parquet", tmp_path / "year=2013" / "c.parquet"):
        with pytest.raises(InputError, match=r"expected the partitions year/month as .*, received (none|year)"):
            read(connection, [partitioned, write(other, x=[1])])
    with pytest.raises(InputError, match="all in the path or all in the file, received year in both"):
        read(connection, [write(tmp_path / "year=2013" / "month=2" / "a.parquet", year=[2013])])


def test_files_that_are_no_parquet(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    content = write(tmp_path / "a.parquet", x=[1]).read_bytes()
    broken = {
        "text": b"x,y\n1,2\n" * 50,
        "cut": content[:-20],
        "short": b"PAR1",
        "footer": content[:-8] + b"\xff" * 4 + b"PAR1",
    }
    for name, each in broken.items():
        file = tmp_path / f"{name}.parquet"
        file.write_bytes(each)
        with pytest.raises(InputError, match=rf"{name}\.parquet: expected a Parquet file, but it can't be read: \w"):
            read(connection, [tmp_path / "a.parquet", file])


def test_odd_names(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    types, rows = read(connection, [write(tmp_path / "it's" / "a [1].parquet", **{'q"': [1], "a.b": [2]})])
    assert types == {'q"': "BIGINT", "a.b": "BIGINT"}
    assert rows == [(1, 2)]
