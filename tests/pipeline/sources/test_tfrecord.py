from __future__ import annotations

import datetime as dt
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline.errors import InputError
from pipeline.sources import tfrecord

pytestmark = pytest.mark.tensorflow
PARAMS = tfrecord.Params(files="data_tfrecord-*")


class Read:
    """What came out of some files."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, files: Sequence[Path], **how: Any) -> None:
        types = how.get("types") or tfrecord.look(connection, files, PARAMS, how.get("given", {}), whole=True)
        scan = tfrecord.scan(connection, files, PARAMS, types)
        connection.execute(f"CREATE OR REPLACE TABLE kept AS SELECT * FROM {scan}").fetchall()
        self.types = {name: kind for name, kind, *_ in connection.sql("DESCRIBE kept").fetchall()}
        self.rows = connection.sql("SELECT * FROM kept ORDER BY ALL").fetchall()
        refused = tfrecord.rejects(connection)
        self.refused = connection.sql(
            f'SELECT line, "column", value, reason FROM ({refused}) ORDER BY file, line'
        ).fetchall()


def serialize(row: dict[str, Any]) -> bytes:
    """A tf.Example; None leaves a feature out, an empty list has no value."""
    import tensorflow as tf

    example = tf.train.Example()
    for name, value in row.items():
        values = value if isinstance(value, list) else [value]
        if value is None:
            continue
        feature = example.features.feature[name]
        if not values:
            feature.SetInParent()
        elif isinstance(values[0], (str, bytes)):
            feature.bytes_list.value.extend(each.encode() if isinstance(each, str) else each for each in values)
        elif isinstance(values[0], float):
            feature.float_list.value.extend(values)
        else:
            feature.int64_list.value.extend(values)
    return bytes(example.SerializeToString())


def write(path: Path, *rows: dict[str, Any] | bytes) -> Path:
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path), "GZIP" if path.suffix == ".gz" else "") as writer:
        for row in rows:
            writer.write(row if isinstance(row, bytes) else serialize(row))
    return path


@pytest.mark.parametrize("name", ["data_tfrecord-00000-of-00001.gz", "data.tfrecord"])
def test_reads_a_table(connection: duckdb.DuckDBPyConnection, tmp_path: Path, name: str) -> None:
    rows = [
        {
            "id": index,
            "count": None if index % 7 == 0 else index * 10**15,
            "share": index / 4,
            "name": ["plain", 'a "quoted, comma"', "Zoë 漢字 🚀", "line\nbreak", []][index % 5],
            "late": index % 2,
            "day": f"2013-01-{index + 1:02}",
            "hour": f"2013-01-01T{index % 24:02}:30:00{['Z', '+01:00', ''][index % 3]}",
            "never": [],
        }
        for index in range(25)
    ]
    given = {"day": "DATE", "hour": "TIMESTAMP", "name": "TIMESTAMP", "absent": "DATE"}
    read = Read(connection, [write(tmp_path / name, *rows)], given=given)
    assert read.types == {
        "count": "BIGINT",
        "day": "DATE",
        "hour": "TIMESTAMP",
        "id": "BIGINT",
        "late": "BIGINT",
        "name": "VARCHAR",
        "never": "VARCHAR",
        "share": "FLOAT",
    }
    expected = [
        (
            row["count"],
            dt.date(2013, 1, index + 1),
            dt.datetime(2013, 1, 1, index % 24, 30) - dt.timedelta(hours=index % 3 == 1),
            index,
            row["late"],
            row["name"] or None,
            None,
            row["share"],
        )
        for index, row in enumerate(rows)
    ]
    assert sorted(read.rows, key=lambda row: row[3]) == expected
    assert read.refused == []


def test_several_values_are_lists(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.tfrecord",
        {"n": [1, 2], "f": [0.5], "s": ["é", 'b",']},
        {"n": [], "f": [1.5, 2.5], "s": "x"},
        {"f": 3.5},
    )
    read = Read(connection, [file])
    assert read.types == {"f": "FLOAT[]", "n": "BIGINT[]", "s": "VARCHAR[]"}
    assert read.rows == [([0.5], [1, 2], ["é", 'b",']), ([1.5, 2.5], None, ["x"]), ([3.5], None, None)]


def test_bytes_that_are_no_text_are_refused(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"s": "a", "t": ["x", "y"]},
        {"s": b"\xff\xfe", "t": "z"},
        {"s": "b", "t": ["x", b"\xff"]},
    ]
    read = Read(connection, [write(tmp_path / "a.tfrecord", *rows)])
    assert read.rows == [("a", ["x", "y"])]
    assert read.refused == [
        (2, "s", "\ufffd\ufffd", "expected text in UTF-8, received other bytes"),
        (3, "t", "\ufffd", "expected text in UTF-8, received other bytes"),
    ]


def test_text_that_is_no_moment_is_refused(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rows = [*({"day": "2013-01-01"} for _ in range(150)), {"day": "soon"}]
    read = Read(connection, [write(tmp_path / "a.tfrecord", *rows)], given={"day": "DATE"})
    assert read.types == {"day": "DATE"}
    assert len(read.rows) == 150
    assert read.refused == [(151, "day", "soon", "expected a date as in 2024-05-31")]


def test_files_in_any_order(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    first = write(tmp_path / "a.tfrecord", {"n": 1}, {"n": 2, "s": "x"})
    second = write(tmp_path / "b.tfrecord.gz", {"n": 3, "f": 0.5})
    read = Read(connection, [first, second])
    assert read.rows == [(0.5, 3, None), (None, 1, None), (None, 2, "x")]
    assert Read(connection, [second, first]).rows == read.rows


@pytest.mark.parametrize("late", [{"n": 4, "more": "x"}, {"n": [4, 5]}])
def test_what_only_later_records_have_is_not_lost(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: dict[str, Any]
) -> None:
    monkeypatch.setattr(tfrecord, "SAMPLE_RECORDS", 2)
    file = write(tmp_path / "a.tfrecord", {"n": 1}, {"n": 2}, {"n": 3}, late)
    types = tfrecord.look(connection, [file], PARAMS, {}, whole=False)
    assert types == {"n": "BIGINT"}
    scan = tfrecord.scan(connection, [file], PARAMS, types)
    with pytest.raises(duckdb.InvalidInputException, match=tfrecord.NOT_WHOLE):
        connection.sql(f"SELECT * FROM {scan}").fetchall()
    assert len(Read(connection, [file]).rows) == 4


def frames(*rows: dict[str, Any]) -> bytes:
    """The bytes of a TFRecord file."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return write(Path(folder) / "a.tfrecord", *rows).read_bytes()


def test_names_the_unsound_record(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    sound = frames(*({"n": index, "s": "x" * 40} for index in range(9)))
    size = len(sound) // 9
    broken = {
        "flipped": (sound[: 4 * size + 30] + b"\0" + sound[4 * size + 31 :], 5),
        "cut": (sound[: 8 * size + 30], 9),
        "cut in the length": (sound[: 8 * size + 5], 9),
        "text": (b"a,b\n1,2\n" * 20, 1),
        "cut archive": (gzip.compress(sound)[:-9], 9),
        "other archive": (gzip.compress(b"a,b\n1,2\n" * 20), 1),
    }
    for name, (content, number) in broken.items():
        file = tmp_path / name
        file.write_bytes(content)
        with pytest.raises(InputError, match=rf"{name}: record \d+: expected a sound TFRecord") as caught:
            tfrecord.look(connection, [file], PARAMS, {}, whole=True)
        if name != "cut archive":
            assert f"record {number}:" in str(caught.value)


def test_reads_archives_behind_each_other(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file = tmp_path / "a.tfrecord.gz"
    file.write_bytes(gzip.compress(frames({"n": 1})) + gzip.compress(frames({"n": 2}, {"n": 3})))
    assert Read(connection, [file]).rows == [(1,), (2,), (3,)]


def test_no_table(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    contents: dict[str, list[dict[str, Any] | bytes]] = {
        "expected records, received none": [],
        "expected records with features, received none": [{}],
        "record 2: expected a tf.Example": [{"n": 1}, b"\xff\xff", {"n": 2}],
        "record 3: expected a tf.Example: .* wrong type": [{"n": 1}, {"n": 2}, {"n": 1.5}],
        "features 'ID' and 'Id': expected names that differ by more than case": [{"Id": 1, "ID": 2}],
    }
    for message, rows in contents.items():
        file = write(tmp_path / "a.tfrecord", *rows)
        with pytest.raises(InputError, match=message):
            Read(connection, [file])


def test_a_feature_of_two_types_in_two_files(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    files = [write(tmp_path / "a.tfrecord", {"n": 1}), write(tmp_path / "b.tfrecord", {"n": 1.5})]
    with pytest.raises(InputError, match="records 1 to 1: feature 'n': expected BIGINT as in the records before"):
        tfrecord.look(connection, files, PARAMS, {}, whole=True)


def test_nothing_is_refused_before_a_scan(connection: duckdb.DuckDBPyConnection) -> None:
    assert tfrecord.rejects(connection) is None
