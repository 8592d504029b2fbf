"""ML Metadata on a real PostgreSQL: texts that ml-metadata alone can't write, logins, two problems in one database."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import RunError
from pipeline.lineage import read_runs
from pipeline.metadata.connection import open_store
from pipeline.workspace import Workspace

pytestmark = pytest.mark.slow
TEXTS = ['{"a": "b\\"c"}', "it's \\ \\n \\\\", "färg 🎈\n\t'", "E'quoted'"]


@pytest.fixture
def database(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`database(name)`: make an empty one and let the metadata be in it."""

    def make(name: str) -> None:
        import adbc_driver_postgresql.dbapi as driver

        with driver.connect(postgres.database.url, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")
            cursor.execute(f"CREATE DATABASE {name}")
        login = postgres.database
        monkeypatch.setenv("PENSTOCK_METADATA", f"postgresql://{login.user}@{login.host}:{login.port}/{name}")
        monkeypatch.setenv("PENSTOCK_METADATA_PASSWORD", login.password)

    return make


def record(workspace: Workspace, run_id: str, texts: list[str]) -> None:
    from ml_metadata.proto import metadata_store_pb2 as pb

    with open_store(workspace) as store:
        contexts = [
            pb.Context(type_id=store.put_context_type(pb.ContextType(name=type_name)), name=name)
            for type_name, name in (("pipeline", workspace.name), ("pipeline_run", run_id))
        ]
        execution = pb.Execution(type_id=store.put_execution_type(pb.ExecutionType(name="Trainer")))
        for index, text in enumerate(texts):
            execution.custom_properties[f"text {index}"].string_value = text
        _, _, (pipeline, run) = store.put_execution(execution, [], contexts)
        store.put_parent_contexts([pb.ParentContext(parent_id=pipeline, child_id=run)])


def test_every_text_comes_back_and_problems_do_not_see_each_other(database, tmp_path):
    database("texts")
    first, second = (Workspace(tmp_path, name) for name in ("first", "second"))
    record(first, "r1", TEXTS)
    record(second, "r2", [])
    assert [run.run_id for run in read_runs(first, 9)] == ["r1"]
    assert [run.run_id for run in read_runs(second, 9)] == ["r2"]
    with open_store(first) as store:
        (execution,) = [each for each in store.get_executions() if each.custom_properties]
    assert [execution.custom_properties[f"text {index}"].string_value for index in range(len(TEXTS))] == TEXTS


def test_a_wrong_password_or_database_is_told_without_the_password(database, tmp_path, monkeypatch):
    database("logins")
    monkeypatch.setenv("PENSTOCK_METADATA_PASSWORD", "not it")
    with pytest.raises(RunError, match="postgresql://127.0.0.1:.*/logins: .*: no connection") as refused:
        read_runs(Workspace(tmp_path, "first"), 1)
    assert "not it" not in str(refused.value)


def test_two_problems_run_in_one_database_and_the_cache_holds(database, postgres, tmp_path):
    database("runs")
    for name, rows in (("first", 600), ("second", 700)):
        lines = ["price,size,side", *(f"{300 * (row % 97)},{row % 97},{'NSWE'[row % 4]}" for row in range(rows))]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n", "utf-8")
        penstock(tmp_path, "init", f"{name}.csv", "--label", "price")
        penstock(tmp_path, "run", f"problems/{name}.yaml")
    penstock(tmp_path, "run", "problems/first.yaml")
    home = tmp_path / ".penstock"
    again, before = read_runs(Workspace(home, "first"), 9)
    assert {found.state for found in again.executions if found.component == "Trainer"} == {"cached"}
    assert before.broken is None
    assert len(read_runs(Workspace(home, "second"), 9)) == 1
    assert not list(home.glob("*/metadata.sqlite*"))
    # without what a log would escape
    password = postgres.database.password.partition("\\")[0].encode()
    assert [file for file in home.rglob("*") if file.is_file() and password in file.read_bytes()] == []


def penstock(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "pipeline.cli", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode in {0, 3}, done.stderr[-3000:]
