from __future__ import annotations

import datetime as dt
import gzip
import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from pipeline.errors import InputError
from pipeline.sources import jsonl

PARAMS = jsonl.Params(files="data.jsonl")


class Read:
    """What came out of some files."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, files: list[Path], **how: Any) -> None:
        given, whole = how.get("given", {}), how.get("whole", True)
        types = how.get("types") or jsonl.look(connection, files, PARAMS, given, whole=whole)
        scan = jsonl.scan(connection, files, PARAMS, types)
        connection.execute(f"CREATE OR REPLACE TABLE kept AS SELECT * FROM {scan}").fetchall()
        refused = jsonl.rejects(connection)
        self.types = {name: kind for name, kind, *_ in connection.sql("DESCRIBE kept").fetchall()}
        self.rows = connection.sql("SELECT * FROM kept ORDER BY ALL").fetchall()
        self.refused = connection.sql(
            f'SELECT line, "column", value, reason FROM ({refused}) ORDER BY file, line, "column"'
        ).fetchall()
        assert not set(types.items()) - set(self.types.items())


def write(path: Path, *rows: Any) -> Path:
    """Text is a line as it stands, bytes too, anything else becomes JSON."""
    lines = [
        row if isinstance(row, bytes) else (row if isinstance(row, str) else json.dumps(row)).encode() for row in rows
    ]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def numbers(count: int, **others: Any) -> list[dict[str, Any]]:
    return [{"n": index, **others} for index in range(count)]


def test_reads_a_table(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rows = [
        {
            "id": index,
            "count": None if index % 7 == 0 else index * 10**15,
            "share": index / 4,
            "name": ["plain", 'a "quoted, comma"', "Zoë 漢字 🚀", "line\nbreak", None][index % 5],
            "late": [True, False, None][index % 3],
            "day": f"2013-01-{index + 1:02}",
            "hour": f"2013-01-01T{index % 24:02}:30:00{['Z', '+01:00', ''][index % 3]}",
        }
        for index in range(25)
    ]
    del rows[3]["name"]
    read = Read(connection, [write(tmp_path / "a.jsonl", *rows)])
    assert read.types == {
        "id": "BIGINT",
        "count": "BIGINT",
        "share": "DOUBLE",
        "name": "VARCHAR",
        "late": "BOOLEAN",
        "day": "DATE",
        "hour": "TIMESTAMP",
    }
    expected = [
        (
            row["id"],
            row["count"],
            row["share"],
            row.get("name"),
            row["late"],
            dt.date(2013, 1, index + 1),
            dt.datetime(2013, 1, 1, index % 24, 30) - dt.timedelta(hours=index % 3 == 1),
        )
        for index, row in enumerate(rows)
    ]
    assert read.rows == expected
    assert read.refused == []


def test_flattens_objects_and_keeps_lists(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.jsonl",
        {"a": {"b": {"c": 1}, "d": "x"}, "seq": [1, 2], "words": ["a", 'b",'], "mixed": [1, "a"], "deep": [{"x": 1}]},
        {"a": None, "seq": [], "words": None, "mixed": [], "deep": [[1]]},
        {"a": {"b": None}, "seq": [3.5, -1], "words": ["é", None], "mixed": 5},
    )
    read = Read(connection, [file])
    assert read.types == {
        "seq": "DOUBLE[]",
        "words": "VARCHAR[]",
        "mixed": "VARCHAR",
        "deep": "VARCHAR",
        "a.d": "VARCHAR",
        "a.b.c": "BIGINT",
    }
    assert sorted(read.rows, key=str) == [
        ([1.0, 2.0], ["a", 'b",'], '[1,"a"]', '[{"x":1}]', "x", 1),
        ([3.5, -1.0], ["é", None], "5", None, None, None),
        ([], None, "[]", "[[1]]", None, None),
    ]


def test_a_scalar_where_others_have_an_object_is_a_column_too(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    read = Read(connection, [write(tmp_path / "a.jsonl", {"a": 5}, {"a": {"b": 1}}, {"a": {}})])
    assert read.types == {"a": "BIGINT", "a.b": "BIGINT"}
    assert read.rows == [(5, None), (None, 1), (None, None)]


LINES: list[tuple[Any, str]] = [
    ('{"n": 1', "expected a JSON object, received no valid JSON"),
    ("n,x", "expected a JSON object, received no valid JSON"),
    ("[1, 2]", "expected a JSON object, received array"),
    ("null", "expected a JSON object, received null"),
    ('{"n": 1, "n": 2}', "expected each key once in its object"),
    ('{"n": 1, "o": {"x": 1, "x": 1}}', "expected each key once in its object"),
    ('{"n": 1, "": 2}', "expected keys with a name"),
    (b'{"n": 1, "s": "\xff"}', "expected text in UTF-8, received other bytes"),
    ('{"s": "' + "x" * 2_100_000 + '"}', "expected a line of up to 2 MB, received a longer one"),
    ('{"s": "' + "x" * 9_000_000 + '"}', "expected a line of up to 2 MB, received a longer one"),
]


@pytest.mark.parametrize("whole", [True, False])
def test_refuses_lines(connection: duckdb.DuckDBPyConnection, tmp_path: Path, whole: bool) -> None:
    good = numbers(2, s="a", o={"x": 1})
    file = write(tmp_path / "a.jsonl", good[0], "", *(line for line, _ in LINES), good[1])
    read = Read(connection, [file], whole=whole)
    assert read.rows == [(0, "a", 1), (1, "a", 1)]
    expected = [(number, None, reason) for number, (_, reason) in enumerate(LINES, 3)]
    assert [(line, column, reason) for line, column, _, reason in read.refused] == expected
    assert max(len(value) for _, _, value, _ in read.refused) <= 200


def test_refuses_the_odd_value_and_keeps_the_type(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    odd = ["abc", True, 2**63, -(2**63) - 1, 10**30, 1.5, [1]]
    file = write(tmp_path / "a.jsonl", *numbers(1000), *({"n": value} for value in odd), {"n": "1000"}, {"n": 1001.0})
    read = Read(connection, [file], types={"n": "BIGINT"})
    assert read.rows == [(index,) for index in range(1002)]
    shown = [value if isinstance(value, str) else json.dumps(value) for value in odd]
    reason = "expected a whole number of 64 bits"
    assert read.refused == [(line, "n", value, reason) for line, value in enumerate(shown, 1001)]


def columns(path: Path, *values: list[Any]) -> Path:
    """Write columns c0, c1 ... of different lengths."""
    rows = [{f"c{index}": each[row] for index, each in enumerate(values) if row < len(each)} for row in range(200)]
    return write(path, *rows)


def test_finds_types(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    cases: list[tuple[list[Any], str]] = [
        ([*range(199), "abc"], "BIGINT"),
        ([*range(90), "abc"], "VARCHAR"),
        ([*range(199), 0.5], "DOUBLE"),
        ([1.0, 2.0], "DOUBLE"),
        ([1, float("nan")], "BIGINT"),
        ([2**63 + 1, 2**63], "VARCHAR"),
        ([10**25, 0.5], "DOUBLE"),
        ([True, 1], "VARCHAR"),
        (["2013-01-01", "2013-01-01T05:00:00Z"], "TIMESTAMP"),
        (["2013-01-01", "2013-02-30"], "VARCHAR"),
        (["2013-01-01"] * 199 + ["unknown"], "DATE"),
        (["1", "2"], "VARCHAR"),
        ([None, None], "VARCHAR"),
        ([{}, {}], "VARCHAR"),
        ([[], [1]], "BIGINT[]"),
        ([[1, -1], None], "BIGINT[]"),
        ([[1], [0.5]], "DOUBLE[]"),
        ([[True], [False]], "BOOLEAN[]"),
        ([[1, "a"]], "VARCHAR"),
    ]
    file = columns(tmp_path / "a.jsonl", *(values for values, _ in cases))
    found = jsonl.look(connection, [file], PARAMS, {}, whole=True)
    assert [found[f"c{index}"] for index in range(len(cases))] == [sql_type for _, sql_type in cases]


def test_the_schema_wins_where_the_values_allow(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    cases: list[tuple[list[Any], str, str]] = [
        ([1, 2], "VARCHAR", "VARCHAR"),
        ([1, 2], "DOUBLE", "DOUBLE"),
        ([1.0, 2.0], "BIGINT", "BIGINT"),
        ([1.0, 2.5], "BIGINT", "DOUBLE"),
        (["1", "2"], "BIGINT", "BIGINT"),
        (["1.5", "2e3"], "DOUBLE", "DOUBLE"),
        (["true", "False"], "BOOLEAN", "BOOLEAN"),
        ([0, 1], "BOOLEAN", "BOOLEAN"),
        ([True, False], "BIGINT", "BOOLEAN"),
        (["2013-01-01"], "TIMESTAMP", "DATE"),
        (["2013-01-01"], "VARCHAR", "VARCHAR"),
        (["abc", "d"], "BIGINT", "VARCHAR"),
        ([None, None], "DOUBLE", "DOUBLE"),
        ([[1], [2]], "DOUBLE", "DOUBLE[]"),
        ([["a"], ["b"]], "BIGINT", "VARCHAR[]"),
        ([["a"], ["b"]], "VARCHAR", "VARCHAR[]"),
    ]
    file = columns(tmp_path / "a.jsonl", *(values for values, *_ in cases))
    given = {f"c{index}": sql_type for index, (_, sql_type, _) in enumerate(cases)}
    read = Read(connection, [file], given={**given, "absent": "BIGINT"})
    assert read.types == {f"c{index}": sql_type for index, (*_, sql_type) in enumerate(cases)}
    assert read.refused == []
    assert [len([row for row in read.rows if row[index] is not None]) for index in range(len(cases))] == [
        len([value for value in values if value is not None]) for values, *_ in cases
    ]


def test_missing_values(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", {"n": 1, "s": "NaN", "f": 0.5}, {"n": None, "s": None}, '{"n": NaN, "s": NaN}')
    read = Read(connection, [file])
    assert read.types == {"n": "BIGINT", "s": "VARCHAR", "f": "DOUBLE"}
    assert read.rows == [(1, "NaN", 0.5), (None, None, None), (None, None, None)]


def test_large_numbers_stay_exact_in_text(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    read = Read(connection, [write(tmp_path / "a.jsonl", {"id": 10**25 + 1}, {"id": 2**64 - 1})])
    assert read.rows == [(str(10**25 + 1),), (str(2**64 - 1),)]


def test_infinity_is_no_number(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    read = Read(connection, [write(tmp_path / "a.jsonl", {"x": 0.5}, '{"x": Infinity}', '{"x": 1e400}')])
    assert read.rows == [(0.5,)]
    assert [(line, reason) for line, _, _, reason in read.refused] == [
        (2, "expected a number"),
        (3, "expected a number"),
    ]


def test_several_odd_values_in_a_row(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", {"a": 1, "b": "2013-01-01"}, {"a": "x", "b": "y"})
    read = Read(connection, [file], types={"a": "BIGINT", "b": "DATE"})
    assert read.rows == [(1, dt.date(2013, 1, 1))]
    assert [(line, column, value) for line, column, value, _ in read.refused] == [(2, "a", "x"), (2, "b", "y")]


def test_a_key_that_only_later_lines_have_is_not_lost(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "SAMPLE_LINES", 2)
    file = write(tmp_path / "a.jsonl", *numbers(3), {"n": 3, "late": {"x": 1}})
    types = jsonl.look(connection, [file], PARAMS, {}, whole=False)
    assert types == {"n": "BIGINT"}
    scan = jsonl.scan(connection, [file], PARAMS, types)
    with pytest.raises(duckdb.InvalidInputException, match=jsonl.NOT_WHOLE):
        connection.sql(f"SELECT * FROM {scan}").fetchall()
    read = Read(connection, [file], whole=True)
    assert read.types == {"n": "BIGINT", "late.x": "BIGINT"}
    assert read.rows == [(0, None), (1, None), (2, None), (3, 1)]


def test_a_scalar_that_only_later_lines_have_is_not_lost(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "SAMPLE_LINES", 1)
    file = write(tmp_path / "a.jsonl", {"a": {"b": 1}}, {"a": 5})
    scan = jsonl.scan(connection, [file], PARAMS, jsonl.look(connection, [file], PARAMS, {}, whole=False))
    with pytest.raises(duckdb.InvalidInputException, match=jsonl.NOT_WHOLE):
        connection.sql(f"SELECT * FROM {scan}").fetchall()
    assert Read(connection, [file], whole=True).rows == [(5, None), (None, 1)]


def test_odd_keys(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    row = {'q"': 1, "b\\": 2, "*": 3, "a.b": 4, "é/~": 5, "o": {"0": 6, "x*": 7}, "'": 8, "[0]": 9}
    read = Read(connection, [write(tmp_path / "a.jsonl", row)])
    assert read.types == dict.fromkeys(['q"', "b\\", "*", "a.b", "é/~", "'", "[0]", "o.0", "o.x*"], "BIGINT")
    assert read.rows == [(1, 2, 3, 4, 5, 8, 9, 6, 7)]


@pytest.mark.parametrize("row", [{"a.b": 1, "a": {"b": 2}}, {"Id": 1, "ID": 2}])
def test_two_keys_for_one_column(connection: duckdb.DuckDBPyConnection, tmp_path: Path, row: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="expected one key for it"):
        Read(connection, [write(tmp_path / "a.jsonl", row)])


@pytest.mark.parametrize("content", [b"", b"\n\n", b"{}\n{}\n", b"[\n", b"id,name\n1,a\n"])
def test_no_table(connection: duckdb.DuckDBPyConnection, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.jsonl:?1?: expected a JSON object"):
        Read(connection, [file])


def test_lines_of_packed_files(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    text = b'\xef\xbb\xbf{"n": 1}\r\n{"n": 2}'
    plain, packed, other = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz", tmp_path / "c.jsonl.zst"
    plain.write_bytes(text)
    packed.write_bytes(gzip.compress(text[:10]) + gzip.compress(text[10:]))
    other.write_bytes(pa.compress(text, codec="zstd", asbytes=True))
    read = Read(connection, [plain, packed, other])
    assert read.rows == [(1,), (1,), (1,), (2,), (2,), (2,)]
    assert Read(connection, [other, plain, packed]).rows == read.rows


def test_a_truncated_archive_is_named(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl.gz"
    file.write_bytes(gzip.compress(b'{"n": 1}\n' * 100_000)[:-40])
    with pytest.raises((InputError, duckdb.Error), match=r"a\.jsonl\.gz: can't be read"):
        Read(connection, [file])


def test_an_archive_that_fills_the_disk_is_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl.lines, "UNSUSPECTED", 1000)
    file = tmp_path / "a.jsonl.gz"
    file.write_bytes(gzip.compress(b'{"n": 1}\n' * 1_000_000))
    with pytest.raises((InputError, duckdb.Error), match="unpacks to more than 300 times"):
        Read(connection, [file])


def test_lines_are_numbered_over_chunks(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl.lines, "CHUNK", 64)
    rows: list[Any] = numbers(300)
    rows[150] = "broken"
    rows[151] = ""
    rows[299] = {"n": "odd"}
    read = Read(connection, [write(tmp_path / "a.jsonl", *rows)])
    assert len(read.rows) == 297
    assert [(line, column) for line, column, *_ in read.refused] == [(151, None), (300, "n")]


def test_nothing_is_refused_before_a_scan(connection: duckdb.DuckDBPyConnection) -> None:
    assert jsonl.rejects(connection) is None
