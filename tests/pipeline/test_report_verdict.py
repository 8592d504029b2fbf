"""What the page says of the data gate's verdict."""

import re
from html import unescape
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.examples.load import Label
from pipeline.gate.verdict import Finding, Verdict
from pipeline.report.facts import Facts, read_facts
from pipeline.report.page import render_report
from pipeline.report.sources import ReportSources
from pipeline.report.verdict_view import SHOWN, column_findings, view_verdict
from pipeline.report.views import view_column
from schemas.anomalies import Anomaly

LISTS = pa.large_list(pa.int64())
EARLIER = "2024-01-01T10:00:00.5"


def finding(level: str, check: str = "drift", feature: str = "x", message: str = "0.3, at most 0.1 allowed") -> Finding:
    return Finding(check=check, level=level, feature=feature, message=message, accept=f"accept {check}:{feature}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("examples")
    (made / "Split-train").mkdir()
    table = {"y": pa.array([[1], [0], [1]], LISTS), "x": pa.array([[1], [2], None], LISTS)}
    pq.write_table(pa.table(table), made / "Split-train" / "examples-00000-of-00001.parquet")
    return made


def facts(folder: Path, verdict: Verdict | None, **changes: object) -> Facts:
    given = {"problem": "p", "run_id": "r", "examples": folder, "splits": ("train",), "verdict": verdict}
    return read_facts(ReportSources.model_validate(given | {"label": Label(column="y", kind="binary")} | changes))


def verdict(*findings: Finding, **changes: object) -> Verdict:
    return Verdict.model_validate({"schema_source": "curated", "findings": findings} | changes)


def test_blocking_findings_come_first_each_with_its_command(folder):
    found = verdict(finding("accepted"), finding("warn"), finding("block", "rows", ""), finding("block", "leakage"))
    view = view_verdict(facts(folder, found), {"x": "column-1"})
    assert (view.css, view.title) == ("error", "Blocked by the data gate")
    assert view.counts == "2 findings block, 1 warning, 1 accepted"
    assert [(each.word, each.check, each.anchor, each.accept) for each in view.findings] == [
        ("blocks", "rows", "", "accept rows:"),
        ("blocks", "leakage", "column-1", "accept leakage:x"),
        ("warning", "drift", "column-1", "accept drift:x"),
        ("accepted", "drift", "column-1", ""),
    ]


def test_the_page_has_the_verdict_above_all_else(folder):
    html = render_report(facts(folder, verdict(finding("block", message="<AUC> & more"))))
    shown = html[html.index("<main") :]
    assert shown.index("Blocked by the data gate") < shown.index('id="overview"')
    assert re.search(r'<a href="#column-1">x</a>: &lt;AUC&gt; &amp; more', shown)
    assert "<code>accept drift:x</code>" in shown
    card = shown[shown.index('id="column-1"') :]
    assert "drift: <AUC> & more" in unescape(card)


def test_without_a_verdict_nothing_is_said_of_the_gate(folder):
    made = facts(folder, None)
    assert view_verdict(made, {}) is None
    assert "data gate" not in render_report(made)


@pytest.mark.parametrize(
    ("findings", "css", "title", "counts"),
    [
        ((), "passed", "Passed the data gate", "No check found anything"),
        ((finding("warn"),), "warning", "Passed the data gate", "1 warning"),
        ((finding("accepted"),), "passed", "Passed the data gate", "1 accepted"),
        ((finding("block"),), "error", "Blocked by the data gate", "1 finding blocks"),
    ],
)
def test_the_decision_in_words(folder, findings, css, title, counts):
    view = view_verdict(facts(folder, verdict(*findings)), {})
    assert (view.css, view.title, view.counts) == (css, title, counts)


@pytest.mark.parametrize(
    ("changes", "previous_run", "basis"),
    [
        ({}, "", "the curated schema; there was no earlier data to compare with."),
        (
            {"schema_source": "inferred", "compared_with": "7", "named": "span 2024-01"},
            "",
            "a schema inferred from this data; compared with span 2024-01.",
        ),
        (
            {"compared_with": "7", "named": "span 2024-01"},
            EARLIER,
            f"the curated schema; compared with span 2024-01 of run {EARLIER}, whose data is the same or gone.",
        ),
        (
            {"compared_with": "7", "named": "the run of 2024-01-01 10:00"},
            EARLIER,
            f"the curated schema; compared with run {EARLIER}, whose data is the same or gone.",
        ),
    ],
)
def test_what_the_data_was_held_against(folder, changes, previous_run, basis):
    made = facts(folder, verdict(**changes), previous_run=previous_run)
    assert view_verdict(made, {}).basis == f"Held against {basis}"


def test_the_run_compared_with_is_a_series_with_its_id(folder):
    made = facts(folder, verdict(compared_with="7"), previous=folder, previous_run=EARLIER)
    assert view_verdict(made, {}).basis == f"Held against the curated schema; compared with run {EARLIER}."
    assert f"train of run {EARLIER}" in render_report(made)


def test_many_findings_that_do_not_block_wait_until_asked_for(folder):
    found = verdict(*[finding("warn")] * (SHOWN + 1), *[finding("block")] * 40)
    view = view_verdict(facts(folder, found), {})
    assert (len(view.findings), view.more) == (40 + SHOWN + 1, [])
    found = verdict(*[finding("warn")] * (SHOWN + 1), finding("accepted"))
    made = facts(folder, found)
    assert [each.word for each in view_verdict(made, {}).more] == ["warning", "accepted"]
    assert "<summary>2 more</summary>" in render_report(made)


def test_a_columns_findings_leave_out_what_its_anomalies_say(folder):
    found = verdict(
        finding("warn"), finding("block", "schema"), finding("block", "leakage"), finding("warn", "rows", "")
    )
    y, x = facts(folder, None).columns
    assert [(each.check, each.word) for each in column_findings(found, x)] == [
        ("schema", "blocks"),
        ("leakage", "blocks"),
        ("drift", "warning"),
    ]
    anomaly = Anomaly(feature="x", severity="error", kind="out of range", expected="at most 3", found="9")
    told = x.model_copy(update={"anomalies": (anomaly,)})
    assert [each.check for each in column_findings(found, told)] == ["leakage", "drift"]
    assert column_findings(found, y) == column_findings(None, x) == []


def test_a_column_is_marked_where_it_blocks(folder):
    found = verdict(finding("accepted", feature="y"), finding("warn", feature="y"), finding("block"))
    views = [view_column(facts(folder, found), index) for index in range(2)]
    assert [(len(view.findings), view.is_wrong) for view in views] == [(2, False), (1, True)]
