"""Why a component ran: what it was given, beside what it was given before."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.fingerprint import Code
from pipeline.reasons import GONE, REUSED, UNNAMED, explain
from pipeline.records import Compared, Made, Record

OLD = Code(files={"models/a.py": "1", "models/b.py": "1", "models/c.py": "1"}, libraries={"tensorflow": "2.20.0"})
NEW = Code(files={"models/a.py": "1", "models/b.py": "2", "models/d.py": "1"}, libraries={"tensorflow": "2.21.0"})
SPEC = {"inputs": {"types": {"price": "float"}, "features": {"price": {"kind": "numeric"}}}, "training": {"epochs": 3}}


def made(artifact: int, maker: str = "ExampleGen", execution: int = 1, uri: str = "/", *, is_live: bool = True) -> Made:
    return Made(artifact, uri, is_live, datetime.now(UTC), maker, execution)


def record(state: str = "complete", given: dict[str, object] | None = None, **more: object) -> Record:
    """An execution of the Trainer; `given` are its properties."""
    properties = {name: text if isinstance(text, str) else json.dumps(text) for name, text in (given or {}).items()}
    return Record(9, "Trainer", state, 1.0, looks_up=False, properties=properties, inputs={}, outputs=())._replace(
        **more
    )


def why(new: Record, *earlier: Record, fresh: tuple[int, ...] = (), folder: Path = Path("/nowhere")) -> list[str]:
    return explain(Compared(new, list(earlier)), set(fresh), folder)


def config(**changes: object) -> dict[str, object]:
    """What TFX gives a Trainer: our settings as JSON in JSON."""
    return {"custom_config": {"spec": json.dumps(SPEC | changes), "checkpoints": "/a"}, "run_fn": "models.train.run_fn"}


def test_the_first_is_the_first():
    assert why(record()) == ["first run"]


def test_what_comes_from_the_cache_is_reused():
    assert why(record("cached"), record()) == [REUSED]


def test_a_resolver_looks_it_up_each_time():
    assert why(record(looks_up=True)) == ["looks it up in each run"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"training": {"epochs": 5}}, "training.epochs: 3 -> 5"),
        ({"training": {}}, "training.epochs removed"),
        ({"model": {"layers": [8, 4]}}, "model added"),
        (
            {"inputs": SPEC["inputs"] | {"features": {"price": {"kind": "bucketized"}}}},
            "features.price.kind: numeric -> bucketized",
        ),
        ({"inputs": SPEC["inputs"] | {"features": {"price": {"kind": "numeric"}, "code": {}}}}, "features.code added"),
        ({"inputs": SPEC["inputs"] | {"types": {"price": "int"}}}, "type of column price: float -> int"),
        ({"training": {"epochs": None}}, "training.epochs: 3 -> none"),
    ],
)
def test_a_setting_is_named_as_in_the_yaml(change, told):
    assert why(record(given=config(**change)), record(given=config())) == [told]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ({"stages": ["a1"]}, {"stages": ["b2"]}, "the data changed (rows digest a1 -> b2)"),
        ({"spans": ["1"]}, {"spans": ["1", "2"]}, 'spans: 1 -> ["1", "2"]'),
        ({"label": "sold"}, {"label": "price"}, "target.column: sold -> price"),
        ({"policy": {"warn": []}}, {"policy": {"warn": ["skew"]}}, "data_gate.warn: [] -> skew"),
        ({"evaluation": {"gates": {}}}, {"evaluation": {"gates": {"auc": {"min": 0.7}}}}, "evaluation.gates.auc added"),
        ({"budget": {"p99_ms": 5}}, {"budget": {"p99_ms": 3.5}}, "budget.p99_ms: 5 -> 3.5"),
        ({"query": "q" * 50}, {"query": "r" * 50}, f"query: {'q' * 39}… -> {'r' * 39}…"),
    ],
)
def test_a_request_is_compared_key_by_key(old, new, told):
    # DataGate and ExampleGen are given a request, InfraValidator its JSON once more, Evaluator one within settings
    wrapped = [{"request": old}, {"request": json.dumps(json.dumps(old))}, {"settings": {"request": json.dumps(old)}}]
    others = [{"request": new}, {"request": json.dumps(json.dumps(new))}, {"settings": {"request": json.dumps(new)}}]
    for before, now in zip(wrapped, others, strict=True):
        assert why(record(given=now), record(given=before)) == [told]


def test_another_schema_file_is_another_schema():
    before, now = ({"schema_file": f"/inputs/{digest}/schema.pbtxt"} for digest in "ab")
    assert why(record(given=now), record(given=before)) == ["the schema changed"]


def test_many_changes_are_counted():
    before, now = ({"request": dict.fromkeys("abcdef", value)} for value in (1, 2))
    assert why(record(given=now), record(given=before)) == ["a: 1 -> 2", "b: 1 -> 2", "c: 1 -> 2", "3 more"]


def test_code_is_told_by_file_and_library(tmp_path):
    for digest, code in (("aa", OLD), ("bb", NEW)):
        (tmp_path / f"{digest}.json").write_text(code.model_dump_json())
    before, now = ({"custom_config": {"code": digest}} for digest in ("aa", "bb"))
    assert why(record(given=now), record(given=before), folder=tmp_path) == [
        "models/b.py changed",
        "models/c.py no longer used",
        "models/d.py added",
        "tensorflow 2.20.0 -> 2.21.0",
    ]
    assert why(record(given=now), record(given=before)) == ["code or libraries changed"]


def test_an_input_that_is_new_is_told_with_what_made_it():
    old = record(inputs={"examples": (made(1),), "schema": (made(2, "SchemaGen", 2),), "_DataGate.verdict": (made(3),)})
    new = record(inputs={"examples": (made(4, execution=7),), "schema": (made(2, "SchemaGen", 2),)})
    assert why(new, old, fresh=(7,)) == ["its input examples is new (ExampleGen ran)"]
    both = new._replace(inputs=new.inputs | {"schema": (made(5, "SchemaGen", 8),)})
    assert why(both, old, fresh=(7, 8)) == ["its inputs examples, schema are new (ExampleGen, SchemaGen ran)"]


def test_an_input_from_an_earlier_run_is_another_one():
    old = record(inputs={"model": (made(1),)})
    new = record(inputs={"model": (made(1),), "base_model": (made(2, "Trainer", 3),)})
    assert why(new, old) == ["its input base model is another one"]
    assert why(record(inputs={"_DataGate.verdict": (made(9),)}), record()) == [
        "its input DataGate.verdict is another one"
    ]


@pytest.mark.parametrize(
    ("state", "told"), [("failed", "failed"), ("running", "was killed"), ("canceled", "was cancelled")]
)
def test_an_execution_without_a_result_is_made_up_for(state, told):
    last = record(given=config())
    new = record(given=config(training={"epochs": 5}))
    assert why(new, record(state, config(training={"epochs": 5})), last) == [f"its last run {told}"]
    # what failed was something else
    assert why(new, record(state, config(training={"epochs": 4})), last) == ["training.epochs: 3 -> 5"]
    assert why(new, record(state)) == [f"its last run {told}, with other settings"]


def test_inputs_that_could_not_be_resolved_are_told():
    assert why(record("failed"), record(inputs={"examples": (made(1),)})) == ["its inputs could not be resolved"]


def test_a_result_that_is_gone_or_altered_is_made_again(tmp_path):
    given = config()
    for lost in (made(1, uri=str(tmp_path / "none")), made(1, uri=str(tmp_path), is_live=False)):
        assert why(record(given=given), record(given=given, outputs=(lost,))) == [GONE]
    assert why(record(given=given), record(given=given, outputs=(made(1, uri=str(tmp_path)),))) == [UNNAMED]


def test_the_push_check_runs_each_time():
    before, now = (
        record(given={"custom_config": {"run": run, "problem": {"push": {"keep": 5}}}}, component="Pusher")
        for run in ("1", "2")
    )
    assert why(now, before) == ["in each run: the check of what is served"]
    new_model = now._replace(inputs={"model": (made(2, "Trainer", 5),)})
    assert why(new_model, before, fresh=(5,)) == ["its input model is new (Trainer ran)"]


def test_the_order_counts_too():
    before, now = ({"request": text} for text in ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}'))
    assert why(record(given=now), record(given=before)) == ["the order of columns or settings changed"]


def test_another_place_of_the_workspace_is_told():
    moved = config()["custom_config"] | {"checkpoints": "/b"}
    assert why(record(given=config() | {"custom_config": moved}), record(given=config())) == ["the workspace was moved"]
