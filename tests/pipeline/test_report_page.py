"""The page: well-formed, escaped, without a reference to the network, small."""

import base64
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.examples.load import Label
from pipeline.examples.ranking import RankedFeature, Ranking
from pipeline.gate.verdict import Finding, Verdict
from pipeline.metrics import FoldMetric, Folds
from pipeline.report.columns import ColumnFacts, Drift, Histogram, Part, TopValue
from pipeline.report.facts import Facts, Series
from pipeline.report.label import LabelFacts, Moment, SliceRow, SliceTable, Timeline
from pipeline.report.page import render_report, write_report
from pipeline.report.refused import Reason, Refused, RefusedRow
from pipeline.report.sources import Counts, ReportSources
from schemas.anomalies import Anomaly

EVIL = "<script>alert('x')</script>\"&"
VOID = {"meta", "input", "br", "link", "img", "hr"}
SPLITS = ("train", "eval", "test")


def part(**changes) -> Part:
    return Part(rows=1000, missing=0, **changes)


def number(name: str, **changes) -> ColumnFacts:
    rows = tuple(tuple(10 * series + index % 17 for index in range(62)) for series in range(3))
    parts = [part(zeros=2, mean=1.5, sd=0.5, low=-1, high=9, quantiles=(0, 1, 2, 3, 4, 5, 6)) for _ in SPLITS]
    given = {
        "name": name,
        "kind": "number",
        "whole": False,
        "role": "feature",
        "distinct": 900,
        "parts": parts,
        "histogram": Histogram(start=0, width=0.25, rows=rows),
        "top": [TopValue(value=0.5, rows=(5, 6, 7))],
        "drifts": [Drift(series=1, distance=0.12), Drift(series=2, distance=0.03)],
        "correlation": -0.25,
        "information_bits": 0.1,
        "information_share": 0.2,
        "anomalies": [],
    }
    return ColumnFacts.model_validate(given | changes)


def text(name: str, value: str = "some text that is rather long") -> ColumnFacts:
    top = [TopValue(value=f"{value} {index}", rows=(90, 80, 70)) for index in range(12)]
    drifts = [Drift(series=1, distance=0.2, value=value, first=0.1, second=0.3)]
    parts = [part(unseen=3) for _ in SPLITS]
    return number(name, kind="text", parts=parts, histogram=None, top=top, drifts=drifts, correlation=None)


def make_facts(*columns: ColumnFacts, word: str = "word") -> Facts:
    anomaly = Anomaly(feature=word, severity="error", kind=word, expected=word, found=word, examples=(word,))
    moments = [Moment(start=i, end=i + 1, rows=(5, 0, 1), measures=(0.1 * i,)) for i in range(9)]
    return Facts(
        problem=word,
        run_id=word,
        created=datetime(2024, 1, 2, tzinfo=UTC),
        spans=(word,),
        series=tuple(Series(name=name, rows=1000) for name in SPLITS),
        compared=3,
        previous_run="",
        columns=(
            number("label", role="label"),
            number(word, anomalies=[anomaly]),
            text(f"{word} text", word),
            *columns,
        ),
        label=LabelFacts(
            column="label",
            kind="binary",
            measures=(f"share of {word}",),
            cells=SPLITS,
            by_split=(0.1, 0.2, 0.3),
            timeline=Timeline(column=word, unit="", moments=tuple(moments)),
            slices=(
                SliceTable(column=word, rows=(SliceRow(value=word, rows=(1, 2, 3), cells=(0.5, None, 0)),), more=4),
            ),
        ),
        ranking=Ranking(
            features=(
                RankedFeature(name=f"{word} text", bits=None, share=None),
                RankedFeature(name=word, bits=0.1, share=0.2),
                RankedFeature(name=f"{word} 3", bits=0.0, share=0.0, kept=False),
            )
        ),
        counts=Counts(read=4000, rejected=10, without_label=1, repeated=2, overlapping=3),
        verdict=Verdict(
            schema_source="curated",
            compared_with=word,
            findings=[
                Finding(check=word, level=level, feature=word, message=word, accept=word)
                for level in ("block", "warn", "accepted")
            ],
        ),
        table_anomalies=(anomaly,),
        refused=Refused(
            total=1,
            reasons=(Reason(table=word, column=word, reason=word, rows=1),),
            rows=(RefusedRow(place=word, column=word, reason=word, value=word, row=word),),
        ),
    )


class Page(HTMLParser):
    """Collects elements and text, and fails on a tag that is closed out of order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def find(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for found, attributes in self.elements if found == tag)


@pytest.fixture(scope="module")
def html() -> str:
    return render_report(make_facts())


@pytest.fixture(scope="module")
def page(html) -> Page:
    return Page(html)


def test_well_formed_and_every_anchor_is_there(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {str(link["href"]).removeprefix("#") for link in page.find("a")}
    assert targets <= set(ids)
    labels = {attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes}
    assert labels <= set(ids)


def test_nothing_is_loaded_from_anywhere(page, html):
    assert not [
        name for name, _ in page.elements if name in {"link", "img", "iframe", "object", "embed", "base", "form"}
    ]
    references = [
        value for _, each in page.elements for name, value in each.items() if name in {"src", "href", "srcset"}
    ]
    assert all(str(value).startswith("#") for value in references)
    assert not re.search(r"https?://|url\(|@import|@font-face", html)


def test_the_policy_allows_our_script_alone(page):
    policy = next(each["content"] for each in page.find("meta") if each.get("http-equiv") == "Content-Security-Policy")
    script = "".join(data for tag, data in page.texts if tag == "script")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in str(policy)
    assert str(policy).startswith("default-src 'none';")


def test_light_dark_and_print(html):
    assert "prefers-color-scheme: dark" in html
    assert "color-scheme: light dark" in html
    assert "@media print" in html


def test_a_screen_reader_finds_its_way(page):
    assert next(page.find("html"))["lang"] == "en"
    assert all(each.get("role") == "img" or each.get("aria-hidden") == "true" for each in page.find("svg"))
    assert len(list(page.find("caption"))) == len(list(page.find("table")))
    assert all(each.get("scope") for each in page.find("th"))
    headings = [tag for tag, _ in page.elements if tag in {"h1", "h2", "h3"}]
    assert headings.count("h1") == 1
    assert headings[0] == "h1"


def test_features_are_ranked(page):
    shown = [data for _, data in page.texts]
    place = shown.index("Features by what they tell of the label")
    cells = [text.replace("\u202f", " ") for text in shown[place : shown.index("Columns", place)] if text.strip()]
    assert cells[-12:] == ["word text", "–", "–", "kept", "word", "0.1000", "20.0 %", "kept", *cells[-4:]]
    assert cells[-4:] == ["word 3", "0.0000", "0 %", "left out"]


def test_names_and_values_are_escaped():
    page = Page(render_report(make_facts(word=EVIL)))
    assert len(list(page.find("script"))) == 1
    shown = "".join(data for tag, data in page.texts if tag != "script")
    assert shown.count(EVIL) > 20
    assert not [name for _, each in page.elements for name in each if name.startswith("on")]


def test_folds_are_a_table_and_what_is_not_defined_a_dash(html):
    assert "Cross-validation" not in html
    metric = FoldMetric(values=(0.81234, None, -1.5), mean=-0.34383, deviation=None)
    folds = Folds(trained=(1200, 1300, 1400), judged=(600, 500, 400), metrics={"auc": metric})
    page = Page(render_report(make_facts().model_copy(update={"folds": folds})))
    cells = [data for tag, data in page.texts if tag in {"td", "b"}]
    start = cells.index("−0.3438")
    assert cells[start : start + 5] == ["−0.3438", "–", "0.8123", "–", "−1.5000"]
    assert cells[start + 5 : start + 11] == ["600", "500", "400", "1,200", "1,300", "1,400"]
    assert {"href": "#folds"} in list(page.find("a"))


def test_a_page_of_little_is_a_page():
    facts = make_facts()
    empty = number("e", histogram=None, parts=[Part(rows=0, missing=0)], top=[], drifts=[], distinct=0)
    label = LabelFacts(
        column="label",
        kind="regression",
        measures=("mean",),
        cells=("train",),
        by_split=(None,),
        timeline=None,
        slices=(),
    )
    bare = facts.model_copy(
        update={
            "series": facts.series[:1],
            "compared": 1,
            "columns": (
                facts.columns[0].model_copy(update={"parts": empty.parts, "drifts": (), "histogram": None}),
                empty,
            ),
            "label": label,
            "counts": Counts(),
            "verdict": None,
            "table_anomalies": None,
            "refused": Refused(),
            "spans": (),
            "ranking": None,
        }
    )
    page = Page(render_report(bare))
    shown = " ".join(data for _, data in page.texts)
    assert "the data gate" not in shown
    assert "left out" not in [data for _, data in page.texts]
    assert "Rows were not counted" in shown
    passed = Page(render_report(bare.model_copy(update={"verdict": Verdict(schema_source="inferred")})))
    assert "Passed the data gate" in [data for _, data in passed.texts]
    gone = Page(render_report(bare.model_copy(update={"refused": None})))
    assert "The refused rows of this run are gone" in " ".join(data for _, data in gone.texts)


def test_50_features_are_less_than_2_megabytes():
    columns = [text(f"text {index}", "v" * 40) if index % 2 else number(f"number {index}") for index in range(50)]
    assert len(render_report(make_facts(*columns)).encode()) < 700_000


def test_the_file_is_written_as_a_whole(tmp_path):
    target = tmp_path / "Split-train"
    target.mkdir()
    lists = pa.large_list(pa.int64())
    table = {EVIL: pa.array([[1], [2], None], lists), "y": pa.array([[1], [0], [1]], lists)}
    pq.write_table(pa.table(table), target / "examples-00000-of-00001.parquet")
    out = tmp_path / "reports" / "r.html"
    label = Label(column="y", kind="binary")
    facts = write_report(
        ReportSources(
            problem="p", run_id="r", examples=tmp_path, splits=("train",), label=label, slice_columns=(EVIL,)
        ),
        out,
    )
    assert [column.name for column in facts.columns] == [EVIL, "y"]
    assert [file.name for file in Path(out.parent).iterdir()] == ["r.html"]
    Page(out.read_text("utf-8"))
