"""Plain text as a table of lines."""

import gzip

from pipeline.reader import Reading, read_source
from pipeline.sources import lines


def rows(connection, *files):
    scan = lines.scan(connection, files, lines.Params(files="*.txt"), {})
    return connection.sql(f"SELECT * FROM {scan} ORDER BY file, line").fetchall()


def test_each_line_that_is_not_blank_is_a_row_with_its_number(connection, tmp_path):
    one, two = tmp_path / "one.txt", tmp_path / "two.txt.gz"
    one.write_bytes(b'\xef\xbb\xbf1\t0.5\t"Zo\xc3\xab, she said\r\n\r\n2\t-1\tno\r\n')
    two.write_bytes(gzip.compress(b"last"))
    assert rows(connection, one, two) == [
        ("one.txt", 1, '1\t0.5\t"Zoë, she said'),
        ("one.txt", 3, "2\t-1\tno"),
        ("two.txt.gz", 1, "last"),
    ]


def test_a_line_that_is_no_text_is_refused_by_its_number(connection, tmp_path):
    file = tmp_path / "one.txt"
    file.write_bytes(b"good\n\xff\xfe\ngood too\n")
    assert [text for _, _, text in rows(connection, file)] == ["good", "good too"]
    refused = connection.sql(lines.rejects(connection)).fetchall()
    assert [(line, column, reason) for _, line, column, _, reason, _ in refused] == [
        (2, "text", "expected text in UTF-8, received other bytes")
    ]


def test_a_query_takes_lines_apart(tmp_path):
    (tmp_path / "rated.txt").write_text("1\t0.5\tgood\n2\t-1\tbad\n")
    (tmp_path / "rated.sql").write_text(
        "SELECT CAST(split_part(text, chr(9), 2) AS DOUBLE) AS rating, split_part(text, chr(9), 3) AS said FROM data"
    )
    (tmp_path / "rows").mkdir()
    source = lines.Params(files="rated.txt", query="rated.sql")
    content = read_source(Reading(source, tmp_path, {}, {}), tmp_path / "rows")
    assert content.rows == 2
    assert content.raw_types == {"rating": "float", "said": "bytes"}
