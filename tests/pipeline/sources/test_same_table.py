"""One table in every kind of source: the same examples in the same splits, digest by digest."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from models.discovery import discover
from pipeline.ingest import Request, write_examples
from pipeline.reader import Reading
from pipeline.resolve import given_types
from pipeline.stage import stage
from schemas.store import SchemaColumn

if TYPE_CHECKING:
    from tests.pipeline.conftest import Server

ROWS = [
    {
        "id": index,
        "label": index % 2,
        "count": None if index % 7 == 0 else index * 10**15,
        "price": None if index % 5 == 0 else index / 8,
        "rain": index % 3 == 0,
        "day": f"2024-02-{index % 28 + 1:02d}",
        "moment": f"2024-02-{index % 28 + 1:02d}T18:{index % 60:02d}:00Z",
        "zip": f"{index % 100:05d}",
        "name": None if index % 11 == 0 else ["plain", 'a "quoted", comma', "Zoë 漢字 🚀", "line\nbreak"][index % 4],
    }
    for index in range(400)
]
SCHEMA = {
    column.name: column
    for column in (
        SchemaColumn("id", "int"),
        SchemaColumn("label", "int"),
        SchemaColumn("count", "int"),
        SchemaColumn("price", "float"),
        SchemaColumn("rain", "int", is_flag=True),
        SchemaColumn("day", "bytes", is_moment=True),
        SchemaColumn("moment", "bytes", is_moment=True),
        SchemaColumn("zip", "bytes"),
        SchemaColumn("name", "bytes"),
    )
}
TYPES = (
    "id BIGINT, label BIGINT, count BIGINT, price DOUBLE PRECISION, rain BOOLEAN, day DATE, moment TIMESTAMPTZ, "
    "zip VARCHAR, name VARCHAR"
)


def arrow() -> Any:
    import duckdb
    import pyarrow as pa

    rows = duckdb.from_arrow(pa.Table.from_pylist(ROWS))
    casts = "CAST(day AS DATE) AS day, timezone('UTC', CAST(moment AS TIMESTAMPTZ)) AS moment"
    return rows.query("rows", f"SELECT * REPLACE ({casts}) FROM rows").to_arrow_table()


def write_csv(folder: Path) -> dict[str, Any]:
    import duckdb
    import pyarrow as pa

    duckdb.from_arrow(pa.Table.from_pylist(ROWS)).write_csv(str(folder / "data.csv"))
    return {"kind": "csv", "files": "data.csv"}


def write_jsonl(folder: Path) -> dict[str, Any]:
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return {"kind": "jsonl", "files": "data.jsonl"}


def write_parquet(folder: Path) -> dict[str, Any]:
    import pyarrow.parquet as pq

    pq.write_table(arrow(), folder / "data.parquet")
    return {"kind": "parquet", "files": "data.parquet"}


def write_delta(folder: Path) -> dict[str, Any]:
    from deltalake import write_deltalake

    write_deltalake(str(folder / "delta"), arrow())
    return {"kind": "delta", "files": "delta"}


def write_sqlite(folder: Path) -> dict[str, Any]:
    connection = sqlite3.connect(folder / "data.sqlite")
    connection.execute(f"CREATE TABLE data ({TYPES})")
    connection.executemany(
        f"INSERT INTO data VALUES ({', '.join('?' * len(SCHEMA))})", [[*row.values()] for row in ROWS]
    )
    connection.commit()
    connection.close()
    return {"kind": "sql", "url": "sqlite:///data.sqlite", "table": "data"}


def write_tfrecord(folder: Path) -> dict[str, Any]:
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(folder / "data_tfrecord-00000-of-00001.gz"), "GZIP") as writer:
        for row in ROWS:
            example = tf.train.Example()
            for name, value in row.items():
                feature = example.features.feature[name]
                if isinstance(value, str):
                    feature.bytes_list.value.append(value.encode())
                elif isinstance(value, float):
                    feature.float_list.value.append(value)
                elif value is not None:
                    feature.int64_list.value.append(int(value))
            writer.write(example.SerializeToString())
    return {"kind": "tfrecord", "files": "data_tfrecord-*"}


def digests(folder: Path, source: dict[str, Any]) -> tuple[str, dict[str, str], dict[str, int]]:
    params = discover("pipeline.sources")[source["kind"]].Params.model_validate(source)
    staged = stage(Reading(params, folder, SCHEMA, given_types(SCHEMA)), folder / "stages" / source["kind"])
    request = Request(
        stages=(staged.digest,), folder=folder / "stages" / source["kind"], split={"by": "hash"}, label="label"
    )
    counts = write_examples(request, folder / "examples" / source["kind"])
    assert staged.rejected == {}
    return staged.digest, counts.digests, counts.rows


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("csv")
    return digests(folder, write_csv(folder))


@pytest.mark.parametrize("write", [write_jsonl, write_parquet, write_delta, write_sqlite])
def test_the_same_examples_and_splits(tmp_path: Path, expected: Any, write: Any) -> None:
    assert sum(expected[2].values()) == len(ROWS)
    assert digests(tmp_path, write(tmp_path)) == expected


def test_postgres(tmp_path: Path, expected: Any, postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def literal(value: Any) -> str:
        return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"

    values = ", ".join(f"({', '.join(map(literal, row.values()))})" for row in ROWS)
    postgres.run("DROP TABLE IF EXISTS same", f"CREATE TABLE same ({TYPES})", f"INSERT INTO same VALUES {values}")
    monkeypatch.setenv("SAME_URL", postgres.database.url)
    assert digests(tmp_path, {"kind": "sql", "url": "$SAME_URL", "table": "same"}) == expected
    partition = {"column": "id", "count": 3}
    assert digests(tmp_path, {"kind": "sql", "url": "$SAME_URL", "table": "same", "partition": partition}) == expected


@pytest.mark.tensorflow
def test_tfrecord(tmp_path: Path, expected: Any) -> None:
    assert digests(tmp_path, write_tfrecord(tmp_path)) == expected
