"""One pass over a source: what becomes of every row, good or broken."""

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.discovery import discover
from pipeline.errors import InputError
from pipeline.reader import REJECTED_FILE, ROWS_FILE, Content, Reading, read_source
from pipeline.resolve import given_types
from schemas.store import SchemaColumn

GOOD = "".join(f"{index},s{index % 7},{index}.5\n" for index in range(400))
HEADER = "n,t,x\n"


def read(folder: Path, text: str | bytes, kind: str = "csv", expected: dict[str, str] | None = None, **params: Any):
    """Read `text` and return the content, the rows and the refused rows."""
    content = text.encode() if isinstance(text, str) else text
    params.setdefault("files", "data.csv")
    (folder / "data.csv").write_bytes(content)
    return read_params(folder, discover("pipeline.sources")[kind].Params(**params), expected)


def read_params(folder: Path, source: Any, expected: dict[str, str] | None = None):
    columns = {name: SchemaColumn(name, raw_type) for name, raw_type in (expected or {}).items()}
    out = folder / "out"
    out.mkdir(exist_ok=True)
    content = read_source(Reading(source, folder, columns, given_types(columns)), out)
    refused = out / REJECTED_FILE.format(0)
    return (
        content,
        pq.read_table(out / ROWS_FILE.format(0)),
        pq.read_table(refused).to_pylist() if refused.exists() else [],
    )


def values(table: pa.Table, name: str) -> list[Any]:
    return sorted((value for value in table[name].to_pylist()), key=str)


def test_types_and_missing_values(tmp_path):
    text = (
        "i,f,b,d,m,zip,t\n"
        '1,2.5,true,2024-05-31,2024-05-31T18:30:00+02:00,00501,"a, b"\n'
        "NA,,false,2024-06-01,2024-06-01 00:00:00,00502,\n"
    )
    content, table, refused = read(tmp_path, text)
    assert content.sql_types == {
        "i": "BIGINT", "f": "DOUBLE", "b": "BOOLEAN", "d": "DATE", "m": "TIMESTAMP", "zip": "VARCHAR", "t": "VARCHAR",
    }  # fmt: skip
    assert content.raw_types == dict(zip("ifbdm", ["int", "float", "int", "bytes", "bytes"], strict=True)) | {
        "zip": "bytes",
        "t": "bytes",
    }
    rows = sorted(table.drop_columns(["__hash"]).to_pylist(), key=lambda row: row["zip"])
    assert rows == [
        {"i": 1, "f": 2.5, "b": 1, "d": "2024-05-31", "m": "2024-05-31T16:30:00Z", "zip": "00501", "t": "a, b"},
        {"i": None, "f": None, "b": 0, "d": "2024-06-01", "m": "2024-06-01T00:00:00Z", "zip": "00502", "t": None},
    ]
    assert refused == []


def test_a_decimal_after_the_first_rows_is_not_rounded(tmp_path):
    """DuckDB's own detection makes 3 of 2.7 here."""
    content, table, refused = read(tmp_path, "n\n" + "".join(f"{index}\n" for index in range(30_000)) + "2.7\n")
    assert content.sql_types == {"n": "DOUBLE"}
    assert refused == []
    assert table["n"].to_numpy().sum() == pytest.approx(sum(range(30_000)) + 2.7)


def test_whole_numbers_beyond_double_stay_exact(tmp_path):
    big = 2**60 + 1
    _, table, refused = read(tmp_path, f"n\n1\n{big}\n")
    assert (values(table, "n"), refused) == ([1, big], [])


def test_numbers_behind_many_missing_values_are_numbers(tmp_path):
    text = "a,n\n" + "x,\n" * 25_000 + "x,5\n" * 100
    assert read(tmp_path, text)[0].sql_types == {"a": "VARCHAR", "n": "BIGINT"}


FAULTS = {
    "more cells": ("5,s,1.5,9\n", None, "too many columns"),
    "fewer cells": ("5,s\n", "x", "missing columns"),
    "text among numbers": ("abc,s,1.5\n", "n", "expected a whole number"),
    "a word among decimals": ("5,s,oops\n", "x", "expected a number"),
    "a number beyond 64 bits": ("9223372036854775808,s,1.5\n", "n", "expected a whole number"),
    "a cell of 5 MB": (f"5,{'s' * 5_000_000},1.5\n", None, "line size over maximum"),
    "no UTF-8": (b"5,caf\xe9,1.5\n", "t", "invalid encoding"),
    "text behind a quote": ('5,"s"s,1.5\n', "t", "unquoted value"),
    "an unbalanced quote": ('5,"s,1.5\n', "t", "unquoted value"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_row_is_refused_with_its_place_and_reason(tmp_path, fault):
    line, column, reason = FAULTS[fault]
    line = line.encode() if isinstance(line, str) else line
    content, _, refused = read(tmp_path, HEADER.encode() + GOOD.encode() + line + b"7,q,2.5\n" + GOOD.encode())
    (row,) = refused
    assert (row["file"], row["line"], row["column"]) == (str(tmp_path / "data.csv"), 402, column)
    assert row["reason"].startswith(reason)
    assert row["row"][:3] == line.decode("latin-1")[:3]
    assert content.sql_types == {"n": "BIGINT", "t": "VARCHAR", "x": "DOUBLE"}
    # a quote that nobody closes takes all that follow with it: they are counted, and kept
    lost = 401 if fault == "an unbalanced quote" else 0
    assert (content.rows, content.read, content.rejected) == (801 - lost, {"data": 802}, {"data": 1 + lost})
    assert ("7,q,2.5" in row["row"]) == (lost > 0)


def test_values_that_need_no_mending_are_kept_as_they_are(tmp_path):
    text = '\ufeffn,t,x\r\n1,a\0b,nan\r\n2,é,inf\r\n3,"a\nb",-1e3\r\n\r\n'
    content, table, refused = read(tmp_path, text)
    assert (refused, content.rows) == ([], 3)
    assert set(values(table, "t")) == {"a\0b", "é", "a\nb"}
    # NaN and infinite numbers say no more than missing ones
    assert values(table, "x") == [-1000.0, None, None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a table, received an empty file"),
        ("a,b\n", "expected a header and rows, received no row"),
        ("a,b,a\n1,2,3\n", "header: 2 columns are named 'a'"),
        ("a,,c\n1,2,3\n", "header: column 2 has no name"),
        ("a,b\n1,2\n".encode("utf-16"), "header: expected text in utf-8, received NUL bytes; set source.encoding?"),
        ("é,b\n1,2\n".encode("latin-1"), "header: expected text in utf-8, received other bytes"),
        (",".join(f"c{index}" for index in range(20_000)) + "\n", "expected at most 10,000 columns, received 20,000"),
        ("x" * 1_500_000, "expected a line of at most 1,000,000 bytes"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path, text, message):
    with pytest.raises(InputError, match=r"data\.csv: ") as caught:
        read(tmp_path, text)
    assert message in str(caught.value)


def test_encoding_is_a_setting(tmp_path):
    _, table, _ = read(tmp_path, "é,b\nà,2\n".encode("latin-1"), encoding="latin-1")
    assert table["é"].to_pylist() == ["à"]


def test_gzip_and_zstd(tmp_path):
    whole = read(tmp_path, HEADER + GOOD)[0]
    (tmp_path / "data.csv.gz").write_bytes(gzip.compress((HEADER + GOOD).encode()))
    with pa.CompressedOutputStream(str(tmp_path / "data.csv.zst"), "zstd") as stream:
        stream.write((HEADER + GOOD).encode())
    for suffix in ("gz", "zst"):
        assert read(tmp_path, HEADER, files=f"data.csv.{suffix}")[0].digest() == whole.digest()


def test_a_bomb_and_a_broken_archive_are_refused(tmp_path):
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 20_000_000))
    with pytest.raises(InputError, match=r"bomb\.csv\.gz: .* unpacks to more than 300 times"):
        read(tmp_path, HEADER, files="bomb.csv.gz")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress((HEADER + GOOD).encode())[:-200])
    with pytest.raises(InputError, match=r"cut\.csv\.gz"):
        read(tmp_path, HEADER, files="cut.csv.gz")


def test_wrong_delimiter_is_seen_in_the_header(tmp_path):
    assert list(read(tmp_path, "a;b\n1;2,5\n")[0].sql_types) == ["a", "b"]


def parts(folder: Path, *texts: str) -> Content:
    for index, text in enumerate(texts):
        (folder / f"part{index}.csv").write_text(text)
    return read(folder, HEADER, files="part*.csv")[0]


def test_many_files_make_one_table_whatever_their_order_and_their_columns_order(tmp_path):
    first, second = "a,b\n1,x\n2,y\n", "b,a\nz,3\n"
    assert parts(tmp_path, first, second).rows == 3
    assert parts(tmp_path, first, second).digest() == parts(tmp_path, second, first).digest()


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        parts(tmp_path, "a,b\n1,2\n", "a,c\n1,2\n")
    assert f"part1.csv: header: expected the columns of {tmp_path / 'part0.csv'}, but 'b' is missing" in str(
        caught.value
    )
    assert "received 'c' as well" in str(caught.value)


def test_a_folder_is_its_files_of_the_kind(tmp_path):
    (tmp_path / "days" / "2024").mkdir(parents=True)
    (tmp_path / "days" / "README.md").write_text("about")
    (tmp_path / "days" / "_SUCCESS.csv").write_text("")
    (tmp_path / "days" / "a.csv").write_text("a\n1\n")
    (tmp_path / "days" / "2024" / "b.csv").write_text("a\n2\n")
    assert read(tmp_path, HEADER, files="days")[0].rows == 2


class TestWithASchema:
    def test_decides_the_type(self, tmp_path):
        content, table, refused = read(tmp_path, HEADER + GOOD, expected={"n": "float", "t": "bytes", "x": "bytes"})
        assert content.raw_types == {"n": "float", "t": "bytes", "x": "bytes"}
        assert refused == []
        assert "5.5" in table["x"].to_pylist()

    def test_text_that_looks_like_a_boolean_or_a_number_stays_text(self, tmp_path):
        _, table, _ = read(tmp_path, "sex,zip\n" + "F,00501\n" * 9, expected={"sex": "bytes", "zip": "bytes"})
        assert (set(table["sex"].to_pylist()), set(table["zip"].to_pylist())) == ({"F"}, {"00501"})

    def test_decimals_among_whole_numbers_are_refused(self, tmp_path):
        content, table, refused = read(tmp_path, HEADER + GOOD + "2.7,s,1\n", expected={"n": "int"})
        assert [(row["column"], row["value"], row["reason"]) for row in refused] == [
            ("n", "2.7", "expected a whole number")
        ]
        assert (content.rejected, table.num_rows) == ({"data": 1}, 400)

    def test_a_column_is_refused_row_by_row_when_most_of_it_is_something_else(self, tmp_path):
        content, _, refused = read(tmp_path, HEADER + GOOD + "a,s,1\nb,s,1\n" * 200, expected={"n": "int"})
        assert content.rejected == {"data": 400}
        assert {row["reason"] for row in refused} == {"expected a whole number"}


class TestWithAQuery:
    def query(self, folder: Path, sql: str, **params: Any):
        (folder / "query.sql").write_text(sql)
        return read(folder, HEADER + GOOD + "oops,s,1.5\n", query="query.sql", **params)

    def test_counts_by_table(self, tmp_path):
        content, _, refused = self.query(tmp_path, "SELECT n * 2 AS m FROM data WHERE n < 100;")
        assert (content.rows, content.sql_types) == (100, {"m": "BIGINT"})
        assert content.read == {"data": 401, "query": 100}
        assert content.rejected == {"data": 1}
        assert [row["table"] for row in refused] == ["data"]

    def test_rows_that_do_not_fit_the_schema_are_refused(self, tmp_path):
        content, _, refused = self.query(
            tmp_path, "SELECT CASE n WHEN 7 THEN 'seven' ELSE n::VARCHAR END AS m FROM data", expected={"m": "int"}
        )
        assert content.rejected == {"data": 1, "query": 1}
        assert [row["value"] for row in refused] == ["oops", "seven"]

    def test_error_in_the_query(self, tmp_path):
        with pytest.raises(InputError, match="source: Binder Error: .*nope"):
            self.query(tmp_path, "SELECT nope FROM data")


def test_equal_rows_are_counted(tmp_path):
    assert read(tmp_path, "a,b\n1,2\n1,2\n1,2\n1,3\n")[0].duplicates == 2


def test_digest_is_of_the_content(tmp_path):
    digests = {
        text: read(tmp_path, text)[0].digest()
        for text in ("a,b\n1,2\n3,4\n", "a,b\n3,4\n1,2\n", 'a,b\n"1",2\n3,4\n', "a,b\n1,2\n3,5\n", "a,c\n1,2\n3,4\n")
    }
    same, other_order, other_quotes, other_value, other_name = digests.values()
    assert same == other_order == other_quotes
    assert len({same, other_value, other_name}) == 3


MEASURED = """\
import os, sys, pipeline.cli, pipeline.imports
from pipeline.memory import peak_memory_bytes
def leave(code):
    print(peak_memory_bytes(), flush=True)
    os._exit(code)
pipeline.imports.leave = leave
sys.argv = ["penstock", "run", sys.argv[1]]
pipeline.cli.main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("abuse", ["a bomb", "a million columns", "many keys of JSON"])
def test_too_much_of_anything_is_refused_in_little_memory(tmp_path, abuse):
    if abuse == "a bomb":
        kind, file, content = "csv", "t.csv.gz", gzip.compress(b"a,y\n" + b"1,0\n" * 60_000_000, 9)
        told = "unpacks to more than 300 times"
    elif abuse == "a million columns":
        kind, file, content = "csv", "t.csv", ",".join(f"c{index}" for index in range(1_000_000)).encode()
        told = "expected a line of at most 1,000,000 bytes"
    else:
        kind, file, told = "jsonl", "t.jsonl", "expected at most 10,000 keys"
        content = ("{" + ",".join(f'"c{index}":1' for index in range(150_000)) + "}\n").encode()
    (tmp_path / file).write_bytes(content)
    problem = tmp_path / "t.yaml"
    problem.write_text(f"name: t\nsource: {{kind: {kind}, files: {file}}}\ntarget: {{column: y, kind: binary}}\n")
    done = subprocess.run([sys.executable, "-c", MEASURED, problem], capture_output=True, text=True, check=False)
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) < 1_000_000_000
