"""Two runs side by side, against a store of ML Metadata: what differs, and metrics with a paired interval."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.blessing import Blessing, Rows, judge
from pipeline.cli import main
from pipeline.errors import InputError
from pipeline.evaluation import BASELINE, CANDIDATE, formula_of
from pipeline.judging import Evaluation
from pipeline.metadata.connection import connection_config
from pipeline.report.compare_command import sections
from pipeline.report.comparison import choose, compare
from pipeline.workspace import Workspace

IDS = ("2024-01-01T10:00:00.1", "2024-01-02T10:00:00.2", "2024-01-03T10:00:00.3")
ROWS = 400
RANDOM = np.random.default_rng(2)
LABELS = RANDOM.integers(0, 2, ROWS).astype("float32")
GOOD = (LABELS * 0.5 + RANDOM.random(ROWS) * 0.5)[:, None]
BAD = (LABELS * 0.1 + RANDOM.random(ROWS) * 0.9)[:, None]
METRICS = ("auc", "accuracy", "log_loss")
EVALUATION = {"gates": {"auc": {"min": 0.9}}, "slices": [["shop"]], "resamples": 100}


class Journal:
    """Writes runs into a store as TFX does."""

    def __init__(self, workspace: Workspace) -> None:
        workspace.folder.mkdir(parents=True)
        self.store = MetadataStore(connection_config(workspace))
        pipeline = pb.Context(type_id=self.store.put_context_type(pb.ContextType(name="pipeline")), name="sales")
        (self.pipeline,) = self.store.put_contexts([pipeline])
        self.types = [self.store.put_context_type(pb.ContextType(name=name)) for name in ("pipeline_run", "node")]

    def execute(self, run_id: str, component: str, given: dict[str, str], outputs: dict[str, Any]) -> None:
        """Record a component with its properties; outputs: (folder, properties) by type."""
        contexts = [
            pb.Context(type_id=type_id, name=name)
            for type_id, name in zip(self.types, (run_id, f"sales.{component}"), strict=True)
        ]
        for context, name in zip(contexts, ("pipeline_run", "node"), strict=True):
            known = self.store.get_context_by_type_and_name(name, context.name)
            context.CopyFrom(known or context)
        execution_type = self.store.put_execution_type(pb.ExecutionType(name=component))
        execution = pb.Execution(type_id=execution_type, last_known_state=pb.Execution.COMPLETE)
        for name, text in given.items():
            execution.custom_properties[name].string_value = text
        written = []
        for type_name, (folder, properties) in outputs.items():
            kinds = {"split_names": pb.STRING} if type_name == "Examples" else {}
            type_id = self.store.put_artifact_type(pb.ArtifactType(name=type_name, properties=kinds))
            artifact = pb.Artifact(type_id=type_id, uri=str(folder))
            for name, value in properties.items():
                place = artifact.properties if name in kinds else artifact.custom_properties
                if isinstance(value, int):
                    place[name].int_value = value
                else:
                    place[name].string_value = value
            written.append((artifact, pb.Event(type=pb.Event.OUTPUT)))
        _, _, (run, _) = self.store.put_execution(execution, written, contexts)
        if not self.store.get_parent_contexts_by_context(run):
            self.store.put_parent_contexts([pb.ParentContext(parent_id=self.pipeline, child_id=run)])


def evaluate(folder: Path, predictions: np.ndarray) -> None:
    """Write what an Evaluator leaves."""
    folder.mkdir(parents=True)
    evaluation = Evaluation.model_validate(EVALUATION)
    metrics = {name: formula_of(name, {"threshold": 0.5}) for name in METRICS}
    rows = Rows(LABELS, {CANDIDATE: predictions}, {(): np.arange(ROWS)})
    judged, gates, broken = judge(rows, metrics, evaluation)
    blessing = Blessing(
        blessed=all(gate.passed for gate in gates),
        split="test",
        threshold=0.5,
        confidence=0.95,
        metrics=tuple(judged),
        gates=tuple(gates),
        broken=tuple(broken),
    )
    (folder / "blessing.json").write_text(blessing.model_dump_json())
    pq.write_table(pa.table({"__label": LABELS, "candidate": predictions.tolist()}), folder / "predictions.parquet")


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """Two runs that were judged, the second of fewer layers; a third one that stopped after reading other rows."""
    made = Workspace(tmp_path / "home", "sales")
    journal = Journal(made)
    for run_id, layers, predictions, version in ((IDS[0], [8], GOOD, "7"), (IDS[1], [8, 4], BAD, "")):
        folder = tmp_path / run_id
        model = folder / "model" / "Format-Serving"
        model.mkdir(parents=True)
        (model / "saved_model.pb").write_text(str(layers))
        evaluate(folder / "evaluation", predictions)
        ingest(journal, run_id, "same")
        inputs = {
            "types": {"a": "int", "y": "int"},
            "features": {"a": {"kind": "numeric", "scale": "zscore" if version else "none"}},
            "target": {"kind": "binary", "column": "y"},
        }
        spec = {"inputs": inputs, "model": {"family": "mlp", "layers": layers}, "training": {"epochs": 3}}
        config = json.dumps({"spec": json.dumps(spec), "code": "c0de"})
        journal.execute(run_id, "Trainer", {"custom_config": config}, {"Model": (folder / "model", {})})
        request = json.dumps({"request": json.dumps({"spec": spec, "evaluation": EVALUATION, "code": "c1"})})
        outputs = {"ModelEvaluation": (folder / "evaluation", {})}
        journal.execute(run_id, "Evaluator", {"settings": request}, outputs)
        pushed = {"pushed": int(bool(version)), "pushed_version": version, "pushed_destination": str(folder)}
        push = json.dumps({"problem": {"push": {"keep": 5}}})
        journal.execute(run_id, "Pusher", {"custom_config": push}, {"PushedModel": (folder, pushed)})
    ingest(journal, IDS[2], "other")
    return made


def ingest(journal: Journal, run_id: str, digest: str) -> None:
    facts = {"rows_train": 90, "rows_test": ROWS, "digest_train": "d", "digest_test": digest, "content_digest": digest}
    examples = {"split_names": '["train", "test"]', **facts, "rows_without_label": 3, "rows_overlapping": 1}
    request = json.dumps({"split": {"by": "hash", "test": 0.1}, "query": "select 1", "code": "c2"})
    journal.execute(run_id, "ExampleGen", {"request": request}, {"Examples": ("gone", examples)})


def found(workspace: Workspace, first: str = IDS[0], second: str = IDS[1]) -> Any:
    return compare(workspace, choose(workspace, first), choose(workspace, second))


def test_settings_differ_by_key_path(workspace):
    told = [(each.key, each.first, each.second) for each in found(workspace).settings]
    assert told == [("features.a.scale", "zscore", "none"), ("model.layers", "[8]", "[8, 4]")]


def test_what_is_pushed_is_a_setting(workspace):
    told = [(each.key, each.first, each.second) for each in found(workspace, IDS[0], IDS[2]).settings]
    assert ("push.keep", "5", None) in told


def test_differences_are_paired_and_are_the_evaluators(workspace):
    comparison = found(workspace)
    assert comparison.paired_rows == ROWS
    metrics = {name: formula_of(name, {"threshold": 0.5}) for name in METRICS}
    both = Rows(LABELS, {CANDIDATE: BAD, BASELINE: GOOD}, {(): np.arange(ROWS)})
    judged, _, _ = judge(both, metrics, Evaluation.model_validate(EVALUATION))
    assert {each.metric for each in comparison.metrics} == set(METRICS)
    for each in judged:
        pair = next(pair for pair in comparison.metrics if pair.metric == each.metric)
        assert pair.difference == pytest.approx(each.difference)
        assert pair.verdict == each.verdict() == "worse"
        assert (pair.first.value, pair.second.value) == pytest.approx((each.served, each.value))


def test_the_same_run_twice_is_the_same(workspace):
    comparison = found(workspace, IDS[0], IDS[0])
    assert comparison.settings == ()
    assert {pair.verdict for pair in comparison.metrics} == {"same"}
    assert {pair.difference for pair in comparison.metrics} == {(0, 0, 0)}
    assert {line.told for section in sections(comparison)[:2] for line in section.lines} == {""}


def test_other_rows_are_not_paired(workspace, tmp_path):
    table = pq.read_table(tmp_path / IDS[1] / "evaluation" / "predictions.parquet")
    other = table.set_column(0, "__label", pa.array(1 - LABELS))
    pq.write_table(other, tmp_path / IDS[1] / "evaluation" / "predictions.parquet")
    comparison = found(workspace)
    assert comparison.paired_rows is None
    assert all(pair.difference is None for pair in comparison.metrics)
    assert "not judged the same rows" in sections(comparison)[3].note


def test_a_run_without_a_model_is_compared_as_far_as_it_came(workspace):
    comparison = found(workspace, IDS[0], IDS[2])
    assert [side.outcome for side in comparison.sides] == ["version 7", "complete"]
    assert comparison.metrics[0].second is None
    lines = {line.name: line for section in sections(comparison) for line in section.lines}
    assert lines["data"].told == "≠"
    assert (lines["rows of test"].first, lines["rows of test"].told) == ("400", "other rows")
    assert lines["rows of train"].told == ""
    assert (lines["model"].second, lines["Trainer"].second) == ("–", "–")


def test_why_it_was_not_pushed(workspace):
    comparison = found(workspace)
    assert comparison.sides[1].outcome == "blocked by a gate"
    section = next(section for section in sections(comparison) if section.title == "Gates on metrics")
    assert [(line.name, line.first, line.second) for line in section.lines] == [
        ("passed", "1", "0"),
        ("failed", "0", "1"),
    ]
    assert re.match(r"second: auc is 0\.\d+ \[.*\], the gate asks for at least 0\.9$", section.note)


@pytest.mark.parametrize(("wanted", "run_id"), [("7", IDS[0]), ("-1", IDS[2]), ("2024-01-02", IDS[1])])
def test_a_run_by_version_number_or_id(workspace, wanted, run_id):
    assert choose(workspace, wanted).run_id == run_id


def test_a_run_as_status_names_it(workspace):
    run = choose(workspace, "-2")
    # all of them were recorded in the same moment or the next
    assert choose(workspace, f"{run.started:%Y-%m-%d %H:%M:%S}").started.replace(microsecond=0) == run.started.replace(
        microsecond=0
    )


@pytest.mark.parametrize("wanted", ["8", "2024-01-01 00:00:00", "x"])
def test_another_run_is_refused(workspace, wanted):
    with pytest.raises(InputError, match="no such run"):
        choose(workspace, wanted)


def test_settings_of_another_version_are_named(workspace, monkeypatch):
    monkeypatch.setattr(Evaluation, "model_validate", lambda given: int("x"))
    with pytest.raises(InputError, match=re.escape(f"run {IDS[0]}: expected settings that this version knows")):
        found(workspace)


@pytest.fixture
def penstock(workspace, tmp_path, monkeypatch, capfd):
    """`penstock(...)`: exit code and output of `penstock compare PROBLEM ...`."""
    (tmp_path / "p.yaml").write_text(
        "name: sales\nsource: {kind: csv, files: p.csv}\ntarget: {column: y, kind: binary}\n"
    )
    monkeypatch.setenv("PENSTOCK_HOME", str(workspace.home))
    monkeypatch.setenv("COLUMNS", "160")

    def call(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["penstock", "compare", str(tmp_path / "p.yaml"), *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capfd.readouterr().out

    return call


def test_the_command_prints_tables_and_writes_a_page(penstock, tmp_path):
    code, out = penstock("7", "-2", "--html", tmp_path / "c.html")
    assert code == 0
    (line,) = [line for line in out.splitlines() if line.strip().startswith("model.layers")]
    assert line.split() == ["model.layers", "[8]", "[8,", "4]"]
    (line,) = [line for line in out.splitlines() if line.strip().startswith("auc")]
    assert line.strip().endswith("worse")
    html = (tmp_path / "c.html").read_text("utf-8")
    assert "model.layers" in html
    assert not re.search(r"https?://|url\(|@import", html)


def test_the_command_as_json(penstock):
    code, out = penstock("-3", "-2", "--json")
    assert code == 0
    content = json.loads(out)
    assert [side["run_id"] for side in content["sides"]] == [IDS[0], IDS[1]]
    assert content["paired_rows"] == ROWS


def test_it_leaves_tensorflow_alone(workspace, tmp_path):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from pipeline.report.comparison import choose, compare\n"
        "from pipeline.workspace import Workspace\n"
        f"made = Workspace(Path({str(workspace.home)!r}), 'sales')\n"
        "print(compare(made, choose(made, '-3'), choose(made, '-2')).paired_rows)\n"
        "print(sorted({'tensorflow', 'tfx', 'apache_beam', 'keras'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{ROWS}\n[]\n"), done.stderr
