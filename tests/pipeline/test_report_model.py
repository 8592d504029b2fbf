"""The model's part of the page, for every kind of target: what is there is shown, escaped, without the network."""

import importlib.util
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.blessing import Blessing, GateResult, Judged
from pipeline.components.importance import FeatureImportance, Importance
from pipeline.errors import InputError
from pipeline.infra.parity import Parity
from pipeline.infra.verdict import Verdict, write_verdict
from pipeline.report.model import ModelFacts, ModelSources, read_model
from pipeline.report.model_view import view_gates, view_model, view_origin, view_trial
from pipeline.report.origin import Ancestor, Origin, Timing
from pipeline.report.page import render_report
from serving.manifest import Edge

_spec = importlib.util.spec_from_file_location("report_page", Path(__file__).with_name("test_report_page.py"))
assert _spec is not None
assert _spec.loader is not None
report_page = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(report_page)
Page, EVIL, make_facts = report_page.Page, report_page.EVIL, report_page.make_facts

RANDOM = np.random.default_rng(1)
ROWS = 600
NAN = float("nan")
PARITY = Parity(rows=500, tolerance=1e-5, relative=False, differences={"rest": 1e-7, "examples": 3e-7, "grpc": None})
EDGE = Edge(
    quantize="float16",
    size_bytes=90_000,
    served_bytes=700_000,
    rows=500,
    difference=4e-4,
    metric="auc",
    metric_rows=500,
)
LABELS = RANDOM.integers(0, 2, ROWS)
CLASSES = RANDOM.integers(0, 3, ROWS)
NUMBERS = RANDOM.normal(10, 3, ROWS)


def softmax(size: int) -> np.ndarray:
    raw = RANDOM.random((ROWS, size))
    return raw / raw.sum(axis=1, keepdims=True)


KINDS: dict[str, tuple[str, Any, np.ndarray, list[str]]] = {
    "binary": ("auc", LABELS, RANDOM.random((ROWS, 1)), ["ROC", "Precision by", "Share of yes", "probability by"]),
    "multiclass": ("class_accuracy", CLASSES, softmax(3), ["Rows by class", "By class"]),
    "multi_label": ("macro_auc", RANDOM.integers(0, 2, (ROWS, 3)), softmax(3), ["By label"]),
    "regression": ("rmse", NUMBERS, NUMBERS[:, None] + 1, ["Actual by predicted", "Actual less predicted"]),
    "quantile": ("pinball", NUMBERS, NUMBERS[:, None] + [[-2, 0, 2]], ["Share of labels that a quantile covers"]),
    "retrieval": ("recall_at_10", CLASSES, RANDOM.integers(0, 30, (ROWS, 20)), ["Recall by number of answers"]),
}


def judged(metric: str, served: float | None = 0.7, **changes: Any) -> Judged:
    difference = None if served is None else (0.1, 0.05, 0.15)
    given = {"metric": metric, "slice": {}, "rows": ROWS, "value": 0.8, "low": 0.75, "high": 0.85}
    return Judged.model_validate(given | {"served": served, "difference": difference} | changes)


def make_blessing(metric: str, word: str = "x", **changes: Any) -> Blessing:
    gate = GateResult(metric=metric, gate="min", slice={}, value=0.8, low=0.7, high=0.9, bound=0.5, passed=True)
    metrics = (
        judged(metric),
        judged(metric, slice={"shop": word}, rows=300, low=0.5, high=0.9),
        judged(metric, slice={"shop": "tiny"}, rows=5),
        judged(metric, None, slice={"shop": "undefined"}, rows=300, value=NAN, low=NAN, high=NAN),
    )
    given = {"blessed": True, "split": "test", "threshold": 0.5, "confidence": 0.95, "metrics": metrics}
    return Blessing.model_validate(given | {"gates": (gate,)} | changes)


@pytest.fixture
def sources(tmp_path: Path):
    """`sources(kind, word)`: what the components leave of a model with a target of that kind."""

    def make(kind: str, word: str = "x") -> ModelSources:
        metric, labels, predictions, _ = KINDS[kind]
        lists = pa.array(predictions.tolist())
        table = {"__label": pa.array(labels.tolist()), "candidate": lists, "baseline": lists}
        pq.write_table(pa.table(table), tmp_path / "predictions.parquet")
        (tmp_path / "blessing.json").write_text(make_blessing(metric, word).model_dump_json())
        importance = Importance(
            metric=metric,
            value=0.8,
            rows=600,
            permutations=3,
            features=(
                FeatureImportance(features=(word, "more"), loss=0.2, deviation=0.01),
                FeatureImportance(features=("bad",), loss=-0.1, deviation=0.0),
            ),
        )
        (tmp_path / "importance.json").write_text(importance.model_dump_json())
        extra = tmp_path / "assets.extra"
        extra.mkdir(exist_ok=True)
        if kind in {"multiclass", "multi_label"}:
            (extra / "classes.json").write_text(json.dumps([word, "b", "c"]))
        target = {"kind": kind, "column": "y"} | ({"quantiles": [0.1, 0.5, 0.9]} if kind == "quantile" else {})
        inputs = {"types": {"a": "int", "y": "bytes"}, "features": {"a": {"kind": "numeric"}}, "target": target}
        if kind == "retrieval":
            inputs["types"]["item"] = "bytes"
        family = {"family": "two_tower" if kind == "retrieval" else "mlp"}
        (extra / "spec.json").write_text(json.dumps({"inputs": inputs, "model": family}))
        epochs = [{"epoch": n, "train": {"loss": 1 / n}, "eval": {"loss": 1 / n + 0.1}} for n in (1, 2, 3)]
        (tmp_path / "epochs.jsonl").write_text("\n".join(map(json.dumps, epochs)))
        return ModelSources(evaluation=tmp_path, model=tmp_path, training=tmp_path)

    return make


def page_of(model: ModelFacts, origin: Origin | None = None, word: str = "word") -> Any:
    return Page(render_report(make_facts(word=word).model_copy(update={"model": model, "origin": origin})))


def shown(page: Any) -> str:
    return " ".join(data.strip() for tag, data in page.texts if tag not in {"script", "style"} and data.strip())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_drawings(sources, kind):
    model = read_model(sources(kind))
    page = page_of(model)
    text = shown(page)
    assert [title for title in KINDS[kind][3] if title not in text] == []
    others = {title for other, (*_, titles) in KINDS.items() if other != kind for title in titles}
    allowed = {*KINDS[kind][3], *(KINDS["regression"][3] if kind == "quantile" else [])}
    assert [title for title in others - allowed if title in text] == []
    assert "loss by epoch" in text
    assert "than served" in text
    assert ModelFacts.model_validate_json(model.model_dump_json()).judgement == model.judgement


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_stays_well_formed_escaped_and_alone(sources, kind):
    html = render_report(make_facts(word=EVIL).model_copy(update={"model": read_model(sources(kind, EVIL))}))
    page = Page(html)
    assert len(list(page.find("script"))) == 1
    assert not re.search(r"https?://|url\(|@import", html)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {str(link["href"]).removeprefix("#") for link in page.find("a")} <= set(ids)
    assert len(list(page.find("caption"))) == len(list(page.find("table")))
    assert all(each.get("scope") for each in page.find("th"))
    assert all(each.get("role") == "img" or each.get("aria-hidden") == "true" for each in page.find("svg"))
    assert f"shop {EVIL}" in shown(page)


def test_metrics_stand_beside_the_served_ones(sources):
    model = view_model(read_model(sources("binary")))
    row = model.metrics[0]
    assert (row.value, row.interval, row.served) == ("0.8000", "0.7500 to 0.8500", "0.7000")
    assert (row.difference, row.verdict, row.css) == ("+0.1000 [+0.0500, +0.1500]", "better", "passed")
    (forest,) = model.forests
    assert [each.metric.name for each in forest.rows] == ["shop x"]
    assert forest.more == 2
    # the axis goes from 0.4 or 0.5 to 0.9: bar from end to end of the interval, dots at the values
    drawing = str(forest.rows[0].drawing)
    low, high = (tick.text for tick in (forest.ticks[0], forest.ticks[-1]))
    width = 1000 / (float(high) - float(low))
    assert f"M{(0.5 - float(low)) * width:.4g} 100H{(0.9 - float(low)) * width:.4g}" in drawing
    assert drawing.index("dots sp") < drawing.index("dots s0")


def test_without_a_served_model_nothing_is_compared(sources):
    given = sources("binary")
    alone = make_blessing("auc", metrics=(judged("auc", None),), gates=(), threshold=None)
    (given.evaluation / "blessing.json").write_text(alone.model_dump_json())
    pq.write_table(
        pq.read_table(given.evaluation / "predictions.parquet").drop_columns(["baseline"]),
        given.evaluation / "predictions.parquet",
    )
    (given.training / "epochs.jsonl").unlink()
    (given.evaluation / "importance.json").unlink()
    text = shown(page_of(read_model(given)))
    assert "than served" not in text
    assert "No gate on metrics" in text
    assert "by epoch" not in text
    assert "What the features are worth" not in text
    assert "Metrics by slice" not in text


def test_gates_say_why(sources):
    failed = make_blessing("auc").gates[0].model_copy(update={"passed": False, "bound": 0.9})
    blessing = make_blessing("auc", blessed=False, gates=(failed, *make_blessing("auc").gates), broken=("log_loss",))
    view = view_gates(blessing)
    assert view.title.startswith("Blocked by a gate")
    assert [word for _, word, _ in view.lines] == ["failed", "failed", "passed"]
    assert view.lines[0][2] == "log_loss is not a number"
    assert "at least 0.9" in view.lines[1][2]
    assert view_gates(make_blessing("auc")).title == "Passed 1 gate on metrics"


def test_the_trial_on_a_server_is_told_below_the_gates(sources, tmp_path):
    measured = {"rss_mb": 301.6, "p99_ms": 2.13, "parity": PARITY}
    verdict = Verdict(server="penstock serve", size_mb=1.25, **measured, edge=EDGE)
    write_verdict(verdict, tmp_path)
    told = view_trial(verdict)
    assert (told.css, told.title) == ("passed", "Passed the trial on a server")
    assert told.basis == "Asked through penstock serve: 1.2 MB, 302 MB memory, p99 2.1 ms, within 3e-07 of Keras."
    text = shown(page_of(read_model(sources("binary").model_copy(update={"infra": tmp_path}))))
    assert text.index("gate on metrics") < text.index(told.title) < text.index("LiteRT, quantize float16")
    assert "trial on a server" not in shown(page_of(read_model(sources("binary"))))


def test_a_model_that_the_server_refused_is_not_told_to_have_passed():
    refused = Verdict(server="penstock serve", size_mb=1.25, refusals=("does not load: no graph",))
    told = view_trial(refused)
    assert (told.css, told.title) == ("error", "Blocked by the trial on a server: nothing was pushed")
    assert told.basis == "Asked through penstock serve."
    assert told.lines == [("error", "failed", "does not load: no graph")]


def test_predictions_that_are_no_numbers_have_no_curves(sources):
    given = sources("regression")
    pq.write_table(
        pa.table({"__label": [1.0, 2.0], "candidate": [[NAN], [1.0]]}), given.evaluation / "predictions.parquet"
    )
    model = read_model(given)
    assert model.judgement.density is None
    assert "Metrics" in shown(page_of(model))


def test_a_damaged_verdict_is_an_error_with_its_place(sources):
    given = sources("binary")
    (given.evaluation / "blessing.json").write_text("{}")
    with pytest.raises(InputError, match=re.escape(str(given.evaluation))):
        read_model(given)


def test_worth_is_shown_with_its_sign_and_a_bar_of_gains_alone(sources):
    rows = view_model(read_model(sources("binary"))).importance
    assert [(name, cell.text, cell.bar, deviation) for name, cell, deviation in rows] == [
        ("x, more", "+0.2000", 1.0, "0.0100"),
        ("bad", "−0.1000", 0.0, "0.0000"),
    ]


def test_origin_and_times(sources):
    made = datetime(2024, 1, 2, 3, 4, tzinfo=UTC)
    origin = Origin(
        ancestors=(Ancestor(name="data", artifact=3, digest="abc" * 20, made=made, detail=EVIL),),
        timings=(
            Timing(component="Trainer", state="complete", seconds=8, reason="training.epochs: 3 -> 5"),
            Timing(component="Evaluator", state="failed", seconds=2),
            Timing(component="ExampleGen", state="cached", seconds=0),
        ),
    )
    view = view_origin(origin)
    assert [(name, cell.text, cell.bar, why) for name, cell, why in view.timings] == [
        ("Trainer", "8.0", 1.0, "training.epochs: 3 -> 5"),
        ("Evaluator", "failed", 0.0, ""),
        ("ExampleGen", "cached", 0.0, ""),
    ]
    assert (view.total, view.ancestors[0].digest) == ("10.0", "abcabcabcabc")
    text = shown(page_of(read_model(sources("binary")), origin, EVIL))
    assert "artifact 3" in text
    assert "2024-01-02 03:04" in text
