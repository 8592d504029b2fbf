"""What other programs read: GitHub's annotations, JUnit's XML, JSON."""

import json
from xml.etree import ElementTree

import pytest

from pipeline.validation.formats import to_github, to_json, to_junit
from pipeline.validation.report import Failure, Report, exit_code
from schemas.anomalies import Anomaly, ExampleRow


def anomaly(feature="city", severity="error", kind="unexpected values", **more):
    told = {"expected": "one of 'Bern', 'Zug'", "found": "'Rom' in 2 rows", "examples": ("Rom",), "count": 2}
    return Anomaly(feature=feature, severity=severity, kind=kind, **(told | more))


def report(*anomalies, **more):
    told = {"data": "new.csv", "problem": "shop", "rows": 1200, "columns": 2, "names": ("city", "price")}
    return Report(environment="TRAINING", anomalies=anomalies, **(told | more))


FAILURE = Failure(data="gone.csv", problem="shop", error="gone.csv: no such file")
ROWS = (ExampleRow(value="Rom", file="new.csv", line=7), ExampleRow(value="Rom", file="new.csv", line=9))


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([report()], 0),
        ([report(anomaly(severity="warning"))], 0),
        ([report(), report(anomaly())], 1),
        ([report(anomaly()), FAILURE, report()], 2),
    ],
)
def test_the_worst_outcome_is_the_exit_code(outcomes, code):
    assert exit_code(outcomes) == code


def test_github_shows_an_error_beside_its_line():
    text = to_github([report(anomaly(rows=ROWS), anomaly("price", "warning", rows=()))])
    assert text.splitlines() == [
        "::error file=new.csv,line=7,title=city%3A unexpected values::expected one of 'Bern', 'Zug', "
        "found 'Rom' in 2 rows (first rows: new.csv:7, 9)",
        "::warning file=new.csv,title=price%3A unexpected values::expected one of 'Bern', 'Zug', found 'Rom' in 2 rows",
        "new.csv: 1 error, 1 warning in 1,200 rows, 2 columns, environment TRAINING",
    ]


def test_github_commands_are_escaped():
    odd = anomaly("a:b,c", expected="100 %", found="'x\r\ny' in 1 row")
    first, *_ = to_github([report(odd, data="a,b:c.csv")]).splitlines()
    assert first == (
        "::error file=a%2Cb%3Ac.csv,title=a%3Ab%2Cc%3A unexpected values::expected 100 %25, found 'x%0D%0Ay' in 1 row"
    )
    assert to_github([FAILURE]) == "::error file=gone.csv,title=can't be read::gone.csv: no such file\n"


def test_github_names_files_as_seen_from_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "repository").mkdir()
    monkeypatch.chdir(tmp_path / "repository")
    rows = [ExampleRow(file=str(tmp_path / name / "a.csv"), line=2) for name in ("repository", "other")]
    commands = [to_github([report(anomaly(rows=(row,)))]).partition(",")[0] for row in rows]
    assert commands == ["::error file=a.csv", f"::error file={tmp_path / 'other' / 'a.csv'}"]


def test_junit_has_a_case_for_each_column_and_one_for_the_table():
    found = report(
        anomaly("", kind="unreadable rows"), anomaly(rows=ROWS), anomaly(kind="missing values"),
        anomaly("price", "warning"),
    )  # fmt: skip
    root = ElementTree.fromstring(to_junit([found, FAILURE]))
    assert (root.tag, root.get("tests"), root.get("failures"), root.get("errors")) == ("testsuites", "4", "2", "1")
    first, second = root
    assert (first.get("name"), first.get("tests"), first.get("failures"), first.get("errors")) == (
        "new.csv", "3", "2", "0",
    )  # fmt: skip
    table, city, price = first
    assert [case.get("name") for case in first] == ["(table)", "city", "price"]
    assert [len(case) for case in first] == [1, 1, 1]
    assert table[0].get("type") == "unreadable rows"
    assert (city[0].tag, city[0].get("type")) == ("failure", "unexpected values, missing values")
    assert "new.csv:7, 9" in (city[0].text or "")
    assert (price[0].tag, (price[0].text or "").partition(":")[0]) == ("system-out", "warning")
    ((error,),) = second
    assert (error.tag, error.get("message")) == ("error", "gone.csv: no such file")


def test_junit_is_xml_whatever_the_values_are():
    odd = anomaly("a<b>&\x00", found="'\x1b[0m\ud800 ]]>' in 1 row")
    root = ElementTree.fromstring(to_junit([report(odd, names=("a<b>&\x00",))]).encode())
    (failure,) = root.iter("failure")
    assert failure.get("message") == "expected one of 'Bern', 'Zug', found '\ufffd[0m\ufffd ]]>' in 1 row"


def test_json_is_an_object_or_a_list():
    one = json.loads(to_json([report(anomaly(rows=ROWS))]))
    assert one["anomalies"][0]["rows"][1] == {"value": "Rom", "file": "new.csv", "line": 9, "row": None}
    several = json.loads(to_json([report(), FAILURE]))
    assert [each["data"] for each in several] == ["new.csv", "gone.csv"]
    assert several[1]["error"] == "gone.csv: no such file"
