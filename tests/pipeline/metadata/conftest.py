"""A workspace whose ML Metadata has one run, made by ml-metadata in a process of its own."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.workspace import Workspace

RECORD = """
import sys
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as pb
config = pb.ConnectionConfig()
config.sqlite.filename_uri = sys.argv[1]
config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
store = MetadataStore(config)
pipeline, run, node = [
    pb.Context(type_id=store.put_context_type(pb.ContextType(name=type_name)), name=name)
    for type_name, name in (("pipeline", "sales"), ("pipeline_run", "r1"), ("node", "sales.ExampleGen"))
]
execution = pb.Execution(type_id=store.put_execution_type(pb.ExecutionType(name="ExampleGen")), last_known_state=3)
artifact = pb.Artifact(type_id=store.put_artifact_type(pb.ArtifactType(name="Examples")), uri=sys.argv[2], state=2)
_, _, (pipeline_id, run_id, _) = store.put_execution(
    execution, [(artifact, pb.Event(type=pb.Event.OUTPUT))], [pipeline, run, node]
)
store.put_parent_contexts([pb.ParentContext(parent_id=pipeline_id, child_id=run_id)])
"""
DOWNGRADE = """
import sys
from ml_metadata.metadata_store.pywrap.metadata_store_extension import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb
config = pb.ConnectionConfig()
config.sqlite.filename_uri = sys.argv[1]
config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READWRITE
options = pb.MigrationOptions(downgrade_to_schema_version=int(sys.argv[2]))
try:
    metadata_store.CreateMetadataStore(config.SerializeToString(), options.SerializeToString())
except RuntimeError as error:
    assert "Downgrade migration was performed" in str(error), error
"""
HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


def run(code: str, *arguments: object) -> None:
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True, timeout=60)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with the run."""
    file = tmp_path_factory.mktemp("recorded") / "metadata.sqlite"
    run(RECORD, file, "/nowhere/examples/1")
    return file


@pytest.fixture
def workspace(tmp_path: Path, recorded: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.delenv("PENSTOCK_METADATA", raising=False)
    made = Workspace(tmp_path / "home", "sales")
    made.folder.mkdir(parents=True)
    shutil.copy(recorded, made.metadata)
    (made.artifacts / "ExampleGen" / "examples" / "1").mkdir(parents=True)
    return made


@contextmanager
def hold(file: Path) -> Iterator["subprocess.Popen[str]"]:
    """Let another process lock the file; it lets go as its standard input is closed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder
        finally:
            assert holder.stdin is not None
            holder.stdin.close()
            holder.wait()


@pytest.fixture
def holding() -> object:
    """`holding(file)`: see `hold`."""
    return hold


@pytest.fixture
def downgrade() -> object:
    """`downgrade(file, version)`: give the file the schema of an older ml-metadata."""
    return lambda file, version: run(DOWNGRADE, file, version)
