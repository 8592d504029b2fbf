"""Rows to predict."""

import io

import pytest

from pipeline.errors import InputError
from pipeline.rows.plain import read_rows


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('[{"a": 1}, {"a": null}]', [{"a": 1}, {"a": None}]),
        ('{"instances": [{"a": 1}]}', [{"a": 1}]),
        ('{"a": 1}', [{"a": 1}]),
        ('{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        ("a,b c\n1,x\n,\n", [{"a": "1", "b c": "x"}, {"a": None, "b c": None}]),
        ("\ufeffa\n1\n", [{"a": "1"}]),
    ],
)
def test_formats(tmp_path, text, rows):
    (tmp_path / "rows").write_text(text, "utf-8")
    assert read_rows(tmp_path / "rows") == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1\n", "rows:2: expected 2 cells"),
        ("a,b\n1,2,3\n", "rows:2: expected 2 cells"),
        ('{"a": 1}\n{"a": \n', "rows:2:7: no JSON"),
        ("[1]", "row 1: expected an object of values by column, received 1"),
        ("[]", "expected at least one row, received none"),
    ],
)
def test_refusals(tmp_path, text, message):
    (tmp_path / "rows").write_text(text)
    with pytest.raises(InputError, match=message):
        read_rows(tmp_path / "rows")


def test_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("a\n1\n"))
    from pathlib import Path

    assert read_rows(Path("-")) == [{"a": "1"}]
