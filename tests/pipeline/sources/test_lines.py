"""Files of text: rows are lines, numbered as an editor does."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb

from pipeline.reader import Reading, read_source
from pipeline.sources import lines, read_places


def test_a_row_is_a_line_with_its_file_and_number(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    files = [tmp_path / "a.txt", tmp_path / "b.log.gz"]
    files[0].write_bytes(b'1 2.5  \r\n\n"3,4\n\xff5\nZo\xc3\xab')
    files[1].write_bytes(gzip.compress(b"6\n"))
    params = lines.Params(files="*")
    assert lines.look(connection, files, params, {}, whole=True) == {}
    scan = lines.scan(connection, files, params, {})
    assert connection.sql(f"SELECT * FROM {scan} ORDER BY ALL").fetchall() == [
        ("a.txt", 1, "1 2.5  "),
        ("a.txt", 3, '"3,4'),
        ("a.txt", 5, "Zoë"),
        ("b.log.gz", 1, "6"),
    ]
    refused = connection.sql(f"SELECT file, line, reason FROM ({lines.rejects(connection)})").fetchall()
    assert refused == [(str(files[0]), 4, "expected text in UTF-8, received other bytes")]
    places = connection.sql(f"SELECT parse_filename(file), line FROM ({read_places(connection)})").fetchall()
    assert sorted(places) == [("a.txt", 1), ("a.txt", 3), ("a.txt", 5), ("b.log.gz", 1)]


def test_a_query_makes_columns_of_several_tables(tmp_path: Path) -> None:
    (tmp_path / "cycles.txt").write_text("1 1 0.5 \n1 2 0.75 \n2 1 0.25 \n")
    (tmp_path / "left.txt").write_text("112 \n98 \n")
    (tmp_path / "engines.sql").write_text(
        "SELECT cells[1]::INTEGER AS engine, max(cells[3]) AS value, any_value(trim(limits.text)::INTEGER) AS rest "
        "FROM (SELECT string_split(trim(text), ' ')::DOUBLE[] AS cells FROM cycles) "
        'JOIN "left" AS limits ON limits.line = cells[1] GROUP BY 1'
    )
    source = lines.Params(files={"cycles": "cycles.txt", "left": "left.txt"}, query="engines.sql")
    content = read_source(Reading(source, tmp_path, {}, {}), tmp_path)
    assert content.read == {"cycles": 3, "left": 2, "query": 2}
    rows = duckdb.sql(f"SELECT engine, value, rest FROM read_parquet('{tmp_path}/rows-00000.parquet') ORDER BY 1")
    assert rows.fetchall() == [(1, 0.75, 112), (2, 0.25, 98)]
