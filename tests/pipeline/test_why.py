"""penstock why, against a store of ML Metadata: a reason for each component, what stopped a run, what is reused."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.cli import main
from pipeline.gate.verdict import Finding, Verdict
from pipeline.lineage import find_run
from pipeline.metadata.connection import connection_config
from pipeline.records import read_compared
from pipeline.why import Why, explain_run
from pipeline.workspace import Workspace

YAML = "name: sales\nsource: {kind: csv, files: sales.csv}\ntarget: {column: sold, kind: binary}\n"
COMPLETE, CACHED, FAILED, RUNNING, CANCELED = 3, 5, 4, 2, 6


class Store:
    """Writes runs of two components as TFX does: ExampleGen, and a Trainer that reads its examples."""

    def __init__(self, workspace: Workspace) -> None:
        workspace.folder.mkdir(parents=True)
        self.store, self.folder = MetadataStore(connection_config(workspace)), workspace.artifacts
        names = ("pipeline", "pipeline_run", "node")
        self.types = {name: self.store.put_context_type(pb.ContextType(name=name)) for name in names}
        (self.pipeline,) = self.store.put_contexts([pb.Context(type_id=self.types["pipeline"], name="sales")])

    def execute(self, run_id: str, component: str, state: int, request: str, read: tuple[int, ...] = ()) -> int:
        """Record an execution that reads artifacts and, unless it fails, makes one, whose id is returned."""
        contexts = []
        for kind, name in (("pipeline_run", run_id), ("node", f"sales.{component}")):
            known = self.store.get_context_by_type_and_name(kind, name)
            contexts.append(known or pb.Context(type_id=self.types[kind], name=name))
        resolver = "Resolver" if component == "Baseline" else component
        kind = self.store.put_execution_type(pb.ExecutionType(name=f"tfx.{resolver}"))
        execution = pb.Execution(type_id=kind, last_known_state=state)
        execution.custom_properties["request"].string_value = request
        event = pb.Event(type=pb.Event.INPUT)
        event.path.steps.add(key="examples")
        inputs = [(artifact, event) for artifact in self.store.get_artifacts_by_id(read)]
        is_new = self.store.get_context_by_type_and_name("pipeline_run", run_id) is None
        written = [*inputs, *self.outputs(component, state)]
        _, artifacts, (run, _) = self.store.put_execution(execution, written, contexts)
        if is_new:
            self.store.put_parent_contexts([pb.ParentContext(parent_id=self.pipeline, child_id=run)])
        return int(artifacts[-1]) if artifacts else 0

    def outputs(self, component: str, state: int) -> list[tuple[pb.Artifact, pb.Event]]:
        if state != COMPLETE:
            return []
        name = {"ExampleGen": "Examples", "DataGate": "DataVerdict"}.get(component, "Model")
        kind = self.store.put_artifact_type(pb.ArtifactType(name=name, properties={"blocked": pb.INT}))
        folder = self.folder / component / str(len(self.store.get_artifacts()))
        folder.mkdir(parents=True)
        artifact = pb.Artifact(type_id=kind, uri=str(folder), state=pb.Artifact.LIVE)
        artifact.properties["blocked"].int_value = int(component == "DataGate")
        return [(artifact, pb.Event(type=pb.Event.OUTPUT))]


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Workspace:
    monkeypatch.delenv("PENSTOCK_HOME", raising=False)
    (tmp_path / "sales.yaml").write_text(YAML)
    return Workspace(tmp_path / ".penstock", "sales")


@pytest.fixture
def store(workspace) -> Store:
    """Two runs: the second has other data, and its Trainer failed."""
    made = Store(workspace)
    examples = made.execute("run 1", "ExampleGen", COMPLETE, '{"stages": ["a1"]}')
    made.execute("run 1", "Trainer", COMPLETE, "{}", (examples,))
    made.execute("run 1", "Baseline", COMPLETE, "{}")
    others = made.execute("run 2", "ExampleGen", COMPLETE, '{"stages": ["b2"]}')
    made.execute("run 2", "Trainer", FAILED, "{}", (others,))
    return made


def explained(workspace: Workspace, run: str = "-1") -> Why:
    return explain_run(workspace, find_run(workspace, run))


def reasons(found: Why) -> dict[str, tuple[str, str]]:
    return {each.id: (each.state, each.reason) for each in found.components}


def test_the_first_run(store, workspace):
    found = explained(workspace, "-2")
    assert (found.run_id, found.state, found.stopped, found.reused, found.log) == ("run 1", "complete", "", (), None)
    assert reasons(found) == {
        "ExampleGen": ("complete", "first run"),
        "Trainer": ("complete", "first run"),
        "Baseline": ("complete", "looks it up in each run"),
    }


def test_a_run_that_failed(store, workspace):
    found = explained(workspace)
    assert (found.state, found.stopped, found.reused) == ("failed", "Trainer failed", ("ExampleGen",))
    assert reasons(found) == {
        "ExampleGen": ("complete", "the data changed (rows digest a1 -> b2)"),
        "Trainer": ("failed", "its input examples is new (ExampleGen ran)"),
    }


def test_the_run_after_it(store, workspace):
    (examples,) = [made.artifact for made in read_compared(workspace, "run 2")[0].record.outputs]
    store.execute("run 3", "ExampleGen", CACHED, '{"stages": ["b2"]}')
    store.execute("run 3", "Trainer", COMPLETE, "{}", (examples,))
    assert reasons(explained(workspace)) == {
        "ExampleGen": ("cached", "reused"),
        "Trainer": ("complete", "its last run failed"),
    }


@pytest.mark.parametrize(
    ("state", "name", "told"),
    [
        (RUNNING, "running", "Trainer has not ended: it is running, or was killed"),
        (CANCELED, "canceled", "Trainer was cancelled"),
    ],
)
def test_a_run_that_did_not_end(store, workspace, state, name, told):
    store.execute("run 3", "Trainer", state, "{}")
    assert (explained(workspace).state, explained(workspace).stopped) == (name, told)


def test_a_run_that_the_data_gate_blocked(store, workspace):
    store.execute("run 3", "DataGate", COMPLETE, "{}")
    finding = Finding(check="drift", level="block", feature="price", message="far off")
    folder = Path(read_compared(workspace, "run 3")[0].record.outputs[0].uri)
    (folder / "verdict.json").write_text(Verdict(schema_source="inferred", findings=(finding,)).model_dump_json())
    found = explained(workspace)
    assert (found.state, found.stopped) == ("blocked", "blocked by the data gate: drift:price")


LOG = """\
2024-01-01 10:00:00,000 INFO absl: Component Trainer is running.
2024-01-01 10:00:01,000 ERROR pipeline.run: a component failed
Traceback (most recent call last):
  File "train.py", line 1, in run_fn
ValueError: no power

2024-01-01 10:00:02,000 INFO absl: closing
"""


def test_the_error_comes_from_the_log_that_was_begun_before_the_run(store, workspace):
    workspace.logs.mkdir()
    now = datetime.now(UTC).astimezone()
    for hours, text in ((-2, "an older run"), (-1, LOG), (1, "a later run")):
        (workspace.logs / f"{now + timedelta(hours=hours):%Y%m%d-%H%M%S}.log").write_text(text)
    found = explained(workspace)
    assert found.stopped == "Trainer failed: ValueError: no power"
    assert found.log is not None
    assert found.log.read_text() == LOG


def test_components_of_old_runs_are_compared_with_what_came_before_them(store, workspace):
    store.execute("run 3", "Trainer", COMPLETE, '{"training": {"epochs": 3}}')
    (earlier,) = [each.earlier for each in read_compared(workspace, "run 3")]
    assert [each.state for each in earlier] == ["failed", "complete"]
    assert [each.earlier for each in read_compared(workspace, "run 1")] == [[], [], []]


def penstock(monkeypatch, capsys, *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["penstock", "why", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out + err


def test_the_command(store, workspace, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "100")
    problem = str(workspace.home.parent / "sales.yaml")
    code, told = penstock(monkeypatch, capsys, problem)
    lines = [" ".join(line.split()) for line in told.splitlines()]
    assert code == 0
    assert "sales, run run 2" in lines
    assert "ExampleGen complete 0.0 the data changed (rows digest a1 -> b2)" in lines
    assert lines[-2:] == ["failed Trainer failed", "next run reuses ExampleGen"]
    code, told = penstock(monkeypatch, capsys, problem, "-2", "--json")
    assert (code, json.loads(told)) == (0, explained(workspace, "-2").model_dump(mode="json"))
    code, told = penstock(monkeypatch, capsys, problem, "-3")
    assert (code, "received '-3': no such run" in told) == (2, True)


def test_it_leaves_tensorflow_alone(store, workspace):
    code = (
        "import sys, pipeline.cli\n"
        f"sys.argv = ['penstock', 'why', {str(workspace.home.parent / 'sales.yaml')!r}]\n"
        "try:\n    pipeline.cli.main()\n"
        "finally:\n    print(sorted({'tensorflow', 'tfx', 'keras', 'apache_beam', 'pandas'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "[]"), done.stderr
