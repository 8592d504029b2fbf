"""Spans and versions, told by paths."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.sources import Spans
from pipeline.spans import Span, choose, find_spans, has_spans

MONTHS = ["2013-01", "2013-02", "2013-03", "2013-04", "2013-05", "2013-06"]


def touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def named(*names: str) -> list[Span]:
    return [Span(name, int(name) if name.isdigit() and len(name) < 4 else -1, None, {}) for name in names]


def picked(spans: list[Span], latest: str | None = None, **settings: object) -> list[str]:
    return [span.name for span in choose(spans, Spans.model_validate(settings), latest)]


@pytest.mark.parametrize(
    ("pattern", "paths", "expected"),
    [
        ("d-{SPAN}.csv", ["d-10.csv", "d-9.csv", "d-old.csv", "d-.csv"], [("9", 9, "d-9.csv"), ("10", 10, "d-10.csv")]),
        ("{SPAN:3}/x.csv", ["007/x.csv", "012/x.csv"], [("7", 7, "007/x.csv"), ("12", 12, "012/x.csv")]),
        ("{YYYY}{MM}{DD}.csv", ["20130701.csv"], [("2013-07-01", 15887, "20130701.csv")]),
        ("{YYYY}/{MM}/{DD}/*.csv", ["2013/07/01/a.csv"], [("2013-07-01", 15887, "2013/07/01/*.csv")]),
        ("y={YYYY}/{YYYY}-{MM}.csv", ["y=2013/2013-07.csv"], [("2013-07", 15887, "y=2013/2013-07.csv")]),
        ("{YYYY}", ["2013/a.csv", "2014/a.csv", "2014-old/a"], [("2013", 15706, "2013"), ("2014", 16071, "2014")]),
        ("in/{YYYY}-{MM}/", ["in/2013-07/a.csv", "in/2013-08"], [("2013-07", 15887, "in/2013-07/")]),
        ("*{SPAN}*.csv", ["part-12-of-9.csv", "v3.csv"], [("3", 3, "*3*.csv"), ("9", 9, "*9*.csv")]),
        ("./v?/[ab]-{SPAN}.csv", ["v1/a-1.csv", "v2/c-2.csv"], [("1", 1, "./v?/[ab]-1.csv")]),
        ("[{]x}[[]1]{SPAN}.c+", ["{x}[1]5.c+"], [("5", 5, "[{]x}[[]1]5.c+")]),
        ("a{b}{SPAN}.csv", ["a{b}5.csv"], [("5", 5, "a{b}5.csv")]),
        ("{YYYY}-02-{DD}", [], None),
    ],
)
def test_span_is_told_by_the_path(
    tmp_path: Path, pattern: str, paths: list[str], expected: list[tuple[str, int, str]] | None
) -> None:
    touch(tmp_path, *paths)
    if expected is None:
        with pytest.raises(InputError):
            find_spans({"data": pattern}, tmp_path)
        return
    found = find_spans({"data": pattern}, tmp_path)
    assert found == [Span(name, number, None, {"data": path}) for name, number, path in expected]


def test_highest_version_of_each_span(tmp_path: Path) -> None:
    touch(tmp_path, "1/v2/a.csv", "1/v10/a.csv", "1/v10/b.csv", "2/v1/a.csv")
    found = find_spans({"data": "{SPAN}/v{VERSION}/*.csv"}, tmp_path)
    assert [(span.name, span.version, span.paths["data"]) for span in found] == [
        ("1", 10, "1/v10/*.csv"),
        ("2", 1, "2/v1/*.csv"),
    ]
    touch(tmp_path, "s-3-007.csv", "s-3-008.csv")
    assert find_spans({"data": "s-{SPAN}-{VERSION:3}.csv"}, tmp_path)[0][1:] == (3, 8, {"data": "s-3-008.csv"})


def test_tables_share_their_spans_and_one_without_is_in_each(tmp_path: Path) -> None:
    touch(tmp_path, "f-2013-01-02.csv", "w/20130102/v3.csv", "f-2013-01-03.csv", "w/20130103/v1.csv")
    files = {"airports": "airports.csv", "f": "f-{YYYY}-{MM}-{DD}.csv", "w": "w/{YYYY}{MM}{DD}/v{VERSION}.csv"}
    found = find_spans(files, tmp_path)
    assert [(span.name, span.version) for span in found] == [("2013-01-02", 3), ("2013-01-03", 1)]
    assert found[0].paths == {"airports": "airports.csv", "f": "f-2013-01-02.csv", "w": "w/20130102/v3.csv"}


@pytest.mark.parametrize(
    ("files", "paths", "message"),
    [
        ({"f": "f{SPAN}", "w": "w{SPAN}"}, ["f1", "w1", "f2"], "table 'w': no span 2, which another table has"),
        ({"f": "f{SPAN}", "w": "w{SPAN}"}, ["f1", "w1", "w3"], "table 'f': no span 3"),
        ({"f": "f{SPAN}", "w": "w{SPAN}"}, ["f1"], "table 'w': w{SPAN}: no such path"),
        ({"f": "f{SPAN}", "w": "w{YYYY}"}, [], "told alike, received 'f' by {SPAN}, 'w' by {YYYY}"),
        (
            {"f": "f{SPAN}v{VERSION}", "w": "w{SPAN}v{VERSION}"},
            ["f1v1", "w1v1", "f1v2"],
            "span 1: expected every table in the same version, received 2 of 'f', 1 of 'w'",
        ),
        ({"f": "{MM}.csv"}, [], "expected {SPAN}, {YYYY}, {YYYY}{MM}, {YYYY}{MM}{DD}, each with"),
        ({"f": "{YYYY}{DD}.csv"}, [], "received {YYYY}{DD}"),
        ({"f": "{SPAN}{YYYY}.csv"}, [], "received {SPAN}{YYYY}"),
        ({"f": "{VERSION}.csv"}, [], "received {VERSION}"),
        ({"f": "{FOO}.csv"}, [], "and {DD}, received {FOO}; a file's own brace is written [{]"),
        ({"f": "{YYYY:4}.csv"}, [], "received {YYYY:4}"),
        ({"f": "{SPAN:x}.csv"}, [], "expected a number of digits from 1 to 99, received {SPAN:x}"),
        ({"f": "{SPAN:0}.csv"}, [], "received {SPAN:0}"),
        ({"f": "{SPAN}/{SPAN}.csv"}, ["1/2.csv"], "expected one {SPAN}, received 1 and 2 in 1/2.csv"),
        ({"f": "{SPAN:4}.csv"}, ["0001.csv", "00002.csv"], "as many digits as it says (4 for {SPAN}), received 00002"),
        ({"f": "x*{SPAN:4}.csv"}, ["x-00002.csv"], "received x-00002.csv"),
        ({"f": "{SPAN:4}*.csv"}, ["00002-x.csv"], "received 00002-x.csv"),
        ({"f": "{YYYY}{MM}.csv"}, ["20137.csv"], "(4 for {YYYY}, 2 for {MM}), received 20137.csv"),
        ({"f": "{YYYY}-{MM}.csv"}, ["2013-13.csv"], "expected a date, received 2013-13.csv"),
        ({"f": "{SPAN}.csv"}, ["7.csv", "07.csv"], "07.csv and 7.csv are the same span 7"),
        ({"f": "{SPAN}.csv"}, ["x.csv"], "{SPAN}.csv: no such path"),
    ],
)
def test_what_tells_no_span_is_refused(tmp_path: Path, files: dict[str, str], paths: list[str], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        find_spans(files, touch(tmp_path, *paths))


def test_only_placeholders_are_placeholders(tmp_path: Path) -> None:
    assert not has_spans({"data": "a{b}.csv", "other": "{}{1}[{]SPAN].csv"})
    assert has_spans({"data": "a.csv", "other": "{FOO}"})
    assert find_spans({"data": "a{b}.csv"}, tmp_path) == []


@given(days=st.sets(st.dates(date(1970, 1, 1), date(2100, 1, 1)), min_size=1, max_size=8))
def test_number_is_the_days_from_1970(tmp_path_factory: pytest.TempPathFactory, days: set[date]) -> None:
    root = touch(tmp_path_factory.mktemp("days"), *(f"{day:%Y/%m}/{day:%d}.csv" for day in days))
    found = find_spans({"data": "{YYYY}/{MM}/{DD}.csv"}, root)
    assert [date(1970, 1, 1) + timedelta(span.number) for span in found] == sorted(days)
    assert [span.name for span in found] == [day.isoformat() for day in sorted(days)]


@pytest.mark.parametrize(
    ("latest", "settings", "expected"),
    [
        (None, {}, ["2013-06"]),
        (None, {"last": 3}, ["2013-04", "2013-05", "2013-06"]),
        (None, {"last": 2, "skip": 1}, ["2013-04", "2013-05"]),
        (None, {"last": 99}, MONTHS),
        ("2013-02", {}, ["2013-02"]),
        ("2013-04", {"last": 2, "skip": 1}, ["2013-03", "2013-04"]),
        (None, {"first": "2013-05"}, ["2013-05", "2013-06"]),
        (None, {"until": "2013-02"}, ["2013-01", "2013-02"]),
        (None, {"first": "2013-02", "until": "2013/03"}, ["2013-02", "2013-03"]),
        (None, {"first": "2013-02", "until": "2013"}, MONTHS[1:]),
        ("201304", {"first": "2013-03", "until": "2013-06"}, ["2013-03", "2013-04"]),
    ],
)
def test_range(latest: str | None, settings: dict[str, object], expected: list[str]) -> None:
    assert picked(named(*MONTHS), latest, **settings) == expected


def test_range_of_numbers() -> None:
    assert picked(named("7", "9", "10"), "009", last=2) == ["7", "9"]
    assert picked(named("7", "9", "10"), first="9") == ["9", "10"]


@pytest.mark.parametrize(
    ("latest", "settings", "message"),
    [
        ("2014-01", {}, "--span: no span 2014-01; there are 2013-01, 2013-02, 2013-03, ..., 2013-06"),
        ("2013-6", {}, "--span: no span 2013-6"),
        ("july", {}, "--span: no span july"),
        (None, {"first": "2012-12"}, "source.spans.first: no span 2012-12; there are"),
        (None, {"until": "2013-07"}, "source.spans.until: no span 2013-07; there are"),
        (None, {"skip": 6}, "no span is left of skip 6; there are 2013-01"),
        (None, {"first": "2013-05", "until": "2013-02"}, "no span is left of first 2013-05, until 2013-02; there are"),
        ("2013-02", {"first": "2013-05"}, "no span is left of first 2013-05, until 2013-02"),
        (None, {"first": "2013-05", "last": 2}, "expected last and skip, or first and until, received both"),
    ],
)
def test_range_that_is_not_there_is_refused(latest: str | None, settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        picked(named(*MONTHS), latest, **settings)
    with pytest.raises(InputError, match="there are none"):
        picked([], "7")
