"""The model card: what it says, and that nothing in the data can write into it."""

from html.parser import HTMLParser

import pytest

from models.spec import ModelSpec
from pipeline.card.facts import Card
from pipeline.card.page import escape_markdown, render_card, write_card
from pipeline.metrics import SliceMetrics
from pipeline.problem import Problem
from serving.manifest import Edge, Lineage, Parity

EVIL = "<script>|*x*"
PROBLEM = Problem.model_validate(
    {
        "name": "sales",
        "source": {"kind": "csv", "files": "sales.csv"},
        "target": {"column": EVIL, "kind": "binary"},
        "evaluation": {"gates": {"auc": {"min": 0.7, "not_worse_than_served_by": 0.01}}},
    }
)
SPEC = ModelSpec.model_validate(
    {
        "inputs": {
            "types": {"price": "float", "shop": "bytes", EVIL: "int"},
            "features": {"price": {"kind": "numeric"}, "shop": {"kind": "categorical"}},
            "target": {"column": EVIL, "kind": "binary"},
        },
        "model": {"family": "mlp"},
    }
)


def measured(auc: float, rows: int, **where: str) -> SliceMetrics:
    return SliceMetrics(slice=where, values={"auc": auc, "log_loss": 1 - auc, "example_count": rows})


METRICS = [
    measured(0.9, 1000),
    measured(0.95, 600, shop=EVIL),
    measured(0.8, 300, shop="b"),
    measured(float("nan"), 200, shop="c"),
    measured(0.1, 99, shop="few"),
]
LINEAGE = Lineage(run="run 1", data={"train": "d1"}, rows={"train": 2792}, code="c0de", lock="l0ck", source="r0ws")
CARD = Card(PROBLEM, SPEC, LINEAGE, METRICS, ["auc is 0.9000 [0.8800, 0.9200], the gate asks for at least 0.7"])


class Tags(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags, self.text = set(), ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("template", ["card.md", "card.html"])
def test_card_says_data_metrics_gates_limits_and_lineage(template):
    text = render_card(CARD, template)
    for word in ("2,792", "d1", "0.9000", "1,000", "at least 0.7", "c0de", "l0ck", "r0ws", "1 numeric, 1 categorical"):
        assert word in text, word


@pytest.mark.parametrize("template", ["card.md", "card.html"])
def test_card_says_where_a_decision_is_yes(template):
    assert "a probability of 0.2135 on" in render_card(CARD._replace(threshold=0.21348), template)
    assert "Decisions" not in render_card(CARD, template)


@pytest.mark.parametrize("template", ["card.md", "card.html"])
def test_card_tells_of_the_file_for_devices(template):
    edge = Edge(
        quantize="float16",
        size_bytes=81_468,
        served_bytes=371_686,
        rows=500,
        difference=0.00107,
        metric="auc",
        metric_rows=2000,
        value=0.89,
        served_value=0.891,
    )
    told = "LiteRT, quantize float16, 81 kB (SavedModel: 372 kB), within 1e-03 of Keras; auc 0.8900 (served: 0.8910)"
    assert told in render_card(CARD._replace(edge=edge), template)
    assert "For devices" not in render_card(CARD, template)


def test_limits_name_the_weakest_slice_and_what_was_not_looked_at():
    assert CARD.limits[1:] == [
        "Weakest for shop b: auc 0.8000 (300 rows), 0.9000 over all.",
        "1 slice of fewer than 100 rows: too few to judge.",
        "Answers over REST were not compared with those in process.",
    ]
    alone = CARD._replace(metrics=METRICS[:1], parity=Parity(rows=10, largest=0.0))
    assert alone.limits[1:] == ["No slices were asked for: groups of rows may fare worse than all rows together."]


def test_markdown_is_tables_and_text_alone():
    lines = render_card(CARD, "card.md").splitlines()
    assert "| shop \\<script\\>\\|\\*x\\* | 600 | 0.9500 | 0.0500 |" in lines
    assert "| shop c | 200 |  |  |" in lines
    table = [line for line in lines if line.startswith(("| shop", "| slice"))]
    assert {line.replace("\\|", "").count("|") for line in table} == {5}
    assert escape_markdown("a\n# b_[c](d)") == "a \\# b\\_\\[c\\](d)"


def test_page_holds_nothing_that_runs(tmp_path):
    write_card(CARD, tmp_path)
    page = Tags()
    page.feed((tmp_path / "assets.extra/model_card.html").read_text("utf-8"))
    assert page.tags.isdisjoint({"script", "img", "link", "a"})
    assert EVIL in page.text
    assert (tmp_path / "assets.extra/model_card.md").read_text("utf-8").startswith("# sales\n")
