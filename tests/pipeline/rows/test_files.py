"""Files of rows in chunks."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.rows.files import cut, read_chunks


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr("pipeline.rows.files.CHUNK_ROWS", 4)


def read(file, text):
    file.write_text(text, "utf-8", newline="")
    chunks = list(read_chunks(file))
    return [row for chunk in chunks for row in chunk.rows], [each[:3] for chunk in chunks for each in chunk.refused]


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("a.csv", 'a,b c\r\n1,"x,\ny"\r\n,\r\n\r\n', [{"a": "1", "b c": "x,\ny"}, {"a": None, "b c": None}]),
        ("a.csv", "\ufeffa\n1\n", [{"a": "1"}]),
        ("a.jsonl", '{"a": 1}\n\n{"a": null, "b": [1]}', [{"a": 1}, {"a": None, "b": [1]}]),
        ("a.json", ' [ {"a": 1} ,\n{"a": "]"}]\n', [{"a": 1}, {"a": "]"}]),
        ("a.json", '{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        ("a.json", '{"instances": [{"a": 1}]}', [{"a": 1}]),
        ("a.json", '{\n"a": 1}', [{"a": 1}]),
        ("a.txt", "a\n1\n", [{"a": "1"}]),
    ],
)
def test_formats(tmp_path, name, text, rows):
    assert read(tmp_path / name, text) == (rows, [])


def test_rows_that_are_none_are_told_with_their_number(tmp_path):
    assert read(tmp_path / "a.csv", "a,b\n1,2\n3\n4,5\n6,7,8\n")[1] == [
        (2, "", "line 3: expected 2 cells as in the header, received 1"),
        (4, "", "line 5: expected 2 cells as in the header, received 3"),
    ]
    rows, refused = read(tmp_path / "a.jsonl", '{"a": 1}\n{"a":\n[1]\n{"a": 4}\n')
    assert rows == [{"a": 1}, {"a": 4}]
    assert refused == [
        (2, "", "line 2, character 6: no JSON: Expecting value"),
        (3, "", "expected an object of values by column, received [1]"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"a,a\n1,2\n", "column 'a' is there twice"),
        ("a.csv", b'a\n"x\n', "a.csv:2: unexpected end of data"),
        ("a.csv", b"a\n\xff\n", "expected UTF-8"),
        ("a.json", b'[{"a": 1}, {"a": }]', "row 2: no JSON: Expecting value: '}]'"),
        ("a.json", b'[{"a": 1}, ', "row 2: no JSON: Expecting value"),
        ("a.parquet", b"PAR1", "a.parquet: can't be read"),
    ],
)
def test_files_that_cannot_be_read_on(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(read_chunks(tmp_path / name))


def test_missing_file(tmp_path):
    for name in ("a.csv", "a.parquet"):
        with pytest.raises(InputError, match="can't be read"):
            list(read_chunks(tmp_path / name))


def test_chunks(tmp_path):
    table = pa.table({"a": range(10)})
    pq.write_table(table, tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("a\n" + "".join(f"{index}\n" for index in range(10)))
    for name in ("a.parquet", "a.csv"):
        chunks = list(read_chunks(tmp_path / name))
        assert [(chunk.number, len(chunk.rows), chunk.places[0]) for chunk in chunks] == [
            (0, 4, 1),
            (1, 4, 5),
            (2, 2, 9),
        ]
        assert chunks[-1].fraction == 1
        assert cut(chunks[0], 2).places == [1, 2]
    assert pa.concat_tables(chunk.rows for chunk in read_chunks(tmp_path / "a.parquet")) == table


def test_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("a\n1\n"))
    assert [chunk.rows for chunk in read_chunks(Path("-"))] == [[{"a": "1"}]]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=5,
)


@given(
    rows=st.lists(st.dictionaries(st.text(max_size=2), VALUES, max_size=3)),
    buffer=st.integers(1, 60),
    indent=st.none() | st.just(1),
    ascii=st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_array_is_read_whatever_the_buffer(tmp_path, monkeypatch, rows, buffer, indent, ascii):
    (tmp_path / "a.json").write_bytes(json.dumps(rows, indent=indent, ensure_ascii=ascii).encode(errors="replace"))
    monkeypatch.setattr("pipeline.rows.files._BUFFER_CHARACTERS", buffer)
    found = [row for chunk in read_chunks(tmp_path / "a.json") for row in chunk.rows]
    assert found == json.loads((tmp_path / "a.json").read_bytes())
