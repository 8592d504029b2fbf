"""Which run a report is of, what it is compared with and what it knows, against a store of ML Metadata."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.errors import InputError
from pipeline.gate.verdict import VERDICT_FILE, Finding, Verdict
from pipeline.lineage import find_run, read_runs
from pipeline.metadata.connection import connection_config
from pipeline.problem import LoadedProblem, load_problem
from pipeline.report.runs import choose_run, read_sources, write_run_report
from pipeline.stage import Stage
from pipeline.workspace import Workspace

YAML = """\
name: sales
source: {kind: csv, files: sales.csv}
target: {column: sold, kind: binary}
evaluation: {slices: [[shop], [shop, city]]}
"""
STAGE = Stage(
    digest="abc",
    settings="",
    inputs={},
    sql_types={},
    raw_types={},
    rows=40,
    duplicates=4,
    read={"sales": 43},
    rejected={"sales": 3},
    query="",
)
IDS = ("2024-01-01T10:00:00.1", "2024-01-01T11:00:00.2", "2024-02-01T10:00:00.3")


class Journal:
    """Writes runs into a store as TFX does."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        workspace.folder.mkdir(parents=True)
        self.store = MetadataStore(connection_config(workspace))
        pipeline = pb.Context(type_id=self.store.put_context_type(pb.ContextType(name="pipeline")), name="sales")
        (self.pipeline,) = self.store.put_contexts([pipeline])
        self.run_type, self.node_type = (
            self.store.put_context_type(pb.ContextType(name=name)) for name in ("pipeline_run", "node")
        )

    def start(self, run_id: str) -> int:
        (context,) = self.store.put_contexts([pb.Context(type_id=self.run_type, name=run_id)])
        self.store.put_parent_contexts([pb.ParentContext(parent_id=self.pipeline, child_id=context)])
        return context

    def execute(self, run: int, component: str, artifact: pb.Artifact) -> None:
        known = [each for each in self.store.get_contexts_by_type("node") if each.name == f"sales.{component}"]
        node = known[0] if known else pb.Context(type_id=self.node_type, name=f"sales.{component}")
        type_id = self.store.put_execution_type(pb.ExecutionType(name=component))
        execution = pb.Execution(type_id=type_id, last_known_state=pb.Execution.COMPLETE)
        (context,) = self.store.get_contexts_by_id([run])
        self.store.put_execution(execution, [(artifact, pb.Event(type=pb.Event.OUTPUT))], [context, node])

    def ingest(self, run: int, folder: Path, digest: str = "gone") -> None:
        properties = {"split_names": pb.STRING}
        type_id = self.store.put_artifact_type(pb.ArtifactType(name="Examples", properties=properties))
        artifact = pb.Artifact(type_id=type_id, uri=str(folder))
        artifact.properties["split_names"].string_value = json.dumps(["train", "eval"])
        artifact.custom_properties["rows_without_label"].int_value = 2
        artifact.custom_properties["rows_overlapping"].int_value = 1
        artifact.custom_properties["content_digest"].string_value = digest
        artifact.custom_properties["spans"].string_value = "7 8"
        self.execute(run, "ExampleGen", artifact)

    def judge(self, run: int, folder: Path, verdict: Verdict | None) -> None:
        folder.mkdir()
        if verdict is not None:
            (folder / VERDICT_FILE).write_text(verdict.model_dump_json())
        type_id = self.store.put_artifact_type(pb.ArtifactType(name="DataVerdict"))
        self.execute(run, "DataGate", pb.Artifact(type_id=type_id, uri=str(folder)))


@pytest.fixture
def workspace(loaded) -> Workspace:
    return loaded.workspace


@pytest.fixture
def loaded(tmp_path) -> LoadedProblem:
    (tmp_path / "sales.yaml").write_text(YAML)
    return load_problem(tmp_path / "sales.yaml")


@pytest.fixture
def examples(tmp_path) -> Callable[[str], Path]:
    def write(name: str) -> Path:
        columns: dict[str, Any] = {"sold": pa.array([[1], [0]] * 10, pa.large_list(pa.int64()))}
        columns["shop"] = pa.array([[b"a"], [b"b"]] * 10, pa.large_list(pa.large_binary()))
        for split in ("train", "eval"):
            target = tmp_path / name / f"Split-{split}"
            target.mkdir(parents=True)
            pq.write_table(pa.table(columns), target / "examples-00000-of-00001.parquet")
        return tmp_path / name

    return write


@pytest.fixture
def journal(workspace, examples) -> Journal:
    """Three runs: the first two read data, the newest stopped before it."""
    made = Journal(workspace)
    for run_id, folder in zip(IDS, ("one", "two"), strict=False):
        made.ingest(made.start(run_id), examples(folder), "abc" if folder == "two" else "gone")
    made.start(IDS[2])
    return made


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize(
    ("wanted", "found"),
    [("-1", IDS[2]), ("-3", IDS[0]), ("2024-02", IDS[2]), ("2024-01-01T11", IDS[1]), (IDS[0], IDS[0])],
)
def test_a_run_by_number_beginning_or_id(workspace, wanted, found):
    assert find_run(workspace, wanted).run_id == found


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize(
    ("wanted", "reason"),
    [("2024-01", "the beginning of 2 ids"), ("-4", "no such run"), ("-0", "no such run"), ("", "no such run")],
)
def test_another_run_is_refused_with_the_last_ones(workspace, wanted, reason):
    with pytest.raises(InputError) as refused:
        find_run(workspace, wanted)
    first, *listed = refused.value.messages
    assert first.startswith("run: expected an id, the beginning of one, or a number from -1 (the newest) to -3")
    assert f"received '{wanted}': {reason}" in first
    assert [line.strip() for line in listed] == list(reversed(IDS))


@pytest.mark.usefixtures("journal")
def test_runs_before_another(workspace):
    assert [run.run_id for run in read_runs(workspace, 9, before=IDS[1])] == [IDS[0]]
    assert [run.run_id for run in read_runs(workspace, 2)] == [IDS[2], IDS[1]]


@pytest.mark.usefixtures("journal")
def test_the_newest_run_that_read_its_data_is_reported_on(workspace, loaded):
    run = choose_run(workspace)
    assert run.run_id == IDS[1]
    out = write_run_report(loaded, run)
    assert out == workspace.reports / f"{IDS[1]}.html"
    assert f"train of run {IDS[0]}" in out.read_text("utf-8")


@pytest.mark.usefixtures("journal")
def test_a_run_that_did_not_read_its_data_is_refused(workspace, loaded):
    with pytest.raises(InputError, match="expected one that read its data"):
        write_run_report(loaded, choose_run(workspace, "-1"))


def test_a_problem_that_never_ran_has_no_report(workspace):
    for wanted in (None, "-1"):
        with pytest.raises(InputError, match=r"metadata\.sqlite: expected"):
            choose_run(workspace, wanted)


@pytest.mark.usefixtures("journal")
def test_counts_and_refused_rows_are_those_of_the_stages(workspace, loaded):
    folder = workspace.stages / "abc"
    folder.mkdir(parents=True)
    (folder / "stage.json").write_text(STAGE.model_dump_json())
    pq.write_table(pa.table({"line": [1]}), folder / "rejected-00000.parquet")
    sources = read_sources(loaded, find_run(workspace, IDS[1]))
    assert sources.quarantine == (folder / "rejected-00000.parquet",)
    assert sources.counts.model_dump() == {
        "read": 43,
        "rejected": 3,
        "without_label": 2,
        "repeated": 4,
        "overlapping": 1,
    }
    assert (sources.splits, sources.spans, sources.slice_columns) == (("train", "eval"), ("7", "8"), ("shop",))
    earlier = read_sources(loaded, find_run(workspace, IDS[0]))
    assert (earlier.quarantine, earlier.counts.read, earlier.counts.without_label) == (None, None, 2)
    assert earlier.previous is None


def test_the_gate_says_what_a_run_is_compared_with(workspace, loaded, journal, examples, tmp_path):
    accept = "penstock run PROBLEM --accept leakage:shop"
    finding = Finding(check="leakage", level="block", feature="shop", message="AUC is 1", accept=accept)
    verdict = Verdict(schema_source="curated")
    for name in ("three", "four", "five"):
        context = journal.start(f"2024-03-01T10:00:00.{name}")
        journal.ingest(context, examples(name))
        journal.judge(context, tmp_path / f"verdict {name}", verdict)
        if name == "three":
            made = choose_run(workspace).output("DataVerdict")
            verdict = Verdict(schema_source="curated", compared_with=str(made.id), findings=(finding,))
    run = choose_run(workspace)
    sources = read_sources(loaded, run)
    assert (sources.previous_run, sources.previous) == ("2024-03-01T10:00:00.three", tmp_path / "three")
    accept = f"penstock run {loaded.file.path} --accept leakage:shop"
    assert sources.verdict is not None
    assert sources.verdict.findings == (finding.model_copy(update={"accept": accept}),)
    page = write_run_report(loaded, run, tmp_path / "page.html").read_text("utf-8")
    assert "Blocked by the data gate" in page
    assert f"<code>{accept}</code>" in page


@pytest.mark.parametrize("compared_with", ["", "1000000", "1", "span 7"])
def test_a_verdict_of_no_run_is_compared_with_nothing(workspace, loaded, journal, examples, tmp_path, compared_with):
    context = journal.start("2024-03-01T10:00:00.4")
    journal.ingest(context, examples("three"))
    journal.judge(context, tmp_path / "verdict", Verdict(schema_source="curated", compared_with=compared_with))
    sources = read_sources(loaded, choose_run(workspace))
    assert (sources.previous_run, sources.previous) == ("", None)


def test_what_a_component_left_damaged_is_named(workspace, loaded, journal, examples, tmp_path):
    context = journal.start("2024-03-01T10:00:00.4")
    journal.ingest(context, examples("three"))
    journal.judge(context, tmp_path / "verdict", None)
    with pytest.raises(InputError, match="expected the data gate's verdict"):
        write_run_report(loaded, choose_run(workspace))
    (tmp_path / "verdict" / VERDICT_FILE).write_text('{"schema_source": "guessed"}')
    with pytest.raises(InputError, match="expected the data gate's verdict"):
        write_run_report(loaded, choose_run(workspace))


@pytest.mark.usefixtures("journal")
def test_a_place_that_cant_be_written_is_named(workspace, loaded, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"page\.html: the report can't be written"):
        write_run_report(loaded, choose_run(workspace), tmp_path / "file" / "page.html")
