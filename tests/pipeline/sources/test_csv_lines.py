"""Where a row stands in its file, whatever DuckDB counts."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.sources import csv, jsonl, parquet, read_places
from pipeline.sources.csv.lines import File, is_plain
from pipeline.tables import connect


def places(connection: duckdb.DuckDBPyConnection, kind, files: list[Path], **params) -> list[tuple]:
    """Each row's `id` with the name of its file and its line, and what was refused: id unknown."""
    connection.execute("SET preserve_insertion_order = true").fetchall()
    settings = kind.Params(files="data", **params)
    scan = kind.scan(connection, files, settings, kind.look(connection, files, settings, {"id": "BIGINT"}, whole=True))
    connection.execute(f"CREATE OR REPLACE TABLE kept AS SELECT * FROM {scan}").fetchall()
    refused = kind.rejects(connection)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE placed AS {read_places(connection)}").fetchall()
    found = connection.sql(
        "SELECT id, parse_filename(file), line FROM kept FULL JOIN placed ON kept.rowid = placed.rowid ORDER BY id"
    ).fetchall()
    if kind is not csv:
        return found
    lost = connection.sql(f"SELECT DISTINCT NULL, parse_filename(file), line, lines FROM ({refused}) ORDER BY ALL")
    return [*found, *lost.fetchall()]


def test_quoted_newlines_blank_lines_and_refused_rows(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    text = 'id,note\n1,"x\ny"\n\n2,z"q\nabc,"l1\nl2"\n3,c,d\n4,"e\n5,f\n6,"g"h\n7,i\n'
    (tmp_path / "a.csv").write_text(text)
    assert places(connection, csv, [tmp_path / "a.csv"]) == [
        (1, "a.csv", 2),
        (2, "a.csv", 5),
        (7, "a.csv", 12),
        (None, "a.csv", 6, 2),
        (None, "a.csv", 8, 1),
        (None, "a.csv", 9, 3),
    ]


def test_a_quote_that_nobody_closes_takes_all_that_follows(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rows = "".join(f"{index},{'n' * 40}\n" for index in range(3, 1003))
    (tmp_path / "a.csv").write_text(f'id,note\n1,a\n2,"b\n{rows}')
    assert places(connection, csv, [tmp_path / "a.csv"]) == [(1, "a.csv", 2), (None, "a.csv", 3, 1001)]


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_files_with_columns_in_another_order(connection: duckdb.DuckDBPyConnection, tmp_path: Path, ends: str) -> None:
    texts = {
        "a.csv": "id,note\n1,a\n2,b\n",
        "b.csv": 'note,id\n"c\nc",3\nd,4\n',
        "c.csv.gz": "id;note\n5;e\n6;f",
        "d.csv": "id,note\n7,g\n",
    }
    for name, text in texts.items():
        content = text.replace("\n", ends).encode()
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert places(connection, csv, [tmp_path / name for name in texts]) == [
        (1, "a.csv", 2),
        (2, "a.csv", 3),
        (3, "b.csv", 2),
        (4, "b.csv", 4),
        (5, "c.csv.gz", 2),
        (6, "c.csv.gz", 3),
        (7, "d.csv", 2),
    ]


def test_a_large_file_keeps_its_order(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    lines = [f'{index},"a\nb"' if index % 50_000 == 7 else f"{index},a" for index in range(300_000)]
    lines[123_456] = "odd,a"
    text = "\n".join(["id,note", *lines])
    (tmp_path / "a.csv").write_text(text)
    found = places(connection, csv, [tmp_path / "a.csv"])
    expected, line = [], 2
    for index, each in enumerate(lines):
        expected.append((None, "a.csv", line, 1) if index == 123_456 else (index, "a.csv", line))
        line += 1 + each.count("\n")
    refused = expected.pop(123_456)
    assert found == [*expected, refused]


cells = st.text(st.sampled_from('ab,"\n '), max_size=5)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=st.lists(st.tuples(cells, st.sampled_from(["1", "2", "x"])), min_size=1, max_size=12))
def test_any_cells(tmp_path: Path, table: list[tuple[str, str]]) -> None:
    """A row with `x` is refused; each other one stands where it was written."""
    import csv as python_csv
    import io

    stream = io.StringIO()
    writer = python_csv.writer(stream, lineterminator="\n")
    writer.writerow(["id", "note", "number"])
    expected = []
    for index, (cell, number) in enumerate(table):
        line = stream.getvalue().count("\n") + 1
        writer.writerow([index, cell, number])
        expected.append((line, number))
    (tmp_path / "a.csv").write_text(stream.getvalue())
    given_types = {"id": "BIGINT", "note": "VARCHAR", "number": "BIGINT"}
    with connect() as connection:
        params = csv.Params(files="a.csv")
        scan = csv.scan(connection, [tmp_path / "a.csv"], params, given_types)
        connection.execute(f"CREATE TABLE kept AS SELECT * FROM {scan}").fetchall()
        refused = connection.sql(f"SELECT line FROM ({csv.rejects(connection)}) ORDER BY line").fetchall()
        placed = connection.sql(f"SELECT line FROM ({read_places(connection)})").fetchall()
    assert placed == [(line,) for line, number in expected if number != "x"]
    assert refused == [(line,) for line, number in expected if number == "x"]


def test_what_is_plain(tmp_path: Path) -> None:
    for text, plain in {"a\n1\n2": True, "a\r\n1\r\n": True, 'a\n"1"\n': False, "a\n\n1\n": False}.items():
        (tmp_path / "a.csv").write_bytes(text.encode())
        assert is_plain(File(tmp_path / "a.csv", ",", "utf-8", single=True)) is plain


def test_lines_of_json(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rows = [f'{{"id": {index}}}' for index in range(40_000)]
    rows[3], rows[5] = "", "no JSON"
    (tmp_path / "a.jsonl").write_text("\n".join(rows))
    found = places(connection, jsonl, [tmp_path / "a.jsonl"])
    assert found == [(index, "a.jsonl", index + 1) for index in range(40_000) if index not in {3, 5}]


def test_rows_of_parquet(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    for name, start in (("b", 0), ("a", 200_000)):
        query = f"SELECT range AS id FROM range({start}, {start} + 200_000)"
        duckdb.sql(f"COPY ({query}) TO '{tmp_path / name}.parquet'")
    found = places(connection, parquet, [tmp_path / "b.parquet", tmp_path / "a.parquet"])
    assert found == [
        (index, "b.parquet" if index < 200_000 else "a.parquet", index % 200_000 + 1) for index in range(400_000)
    ]
