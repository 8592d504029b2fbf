"""Step of ingestion.py, in a process of its own: one way to ingest; prints its seconds as JSON.

Imports are not counted. Of an ExampleGen the seconds are those that ML Metadata has of it, ours and stock alike.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import _packages_first  # noqa: F401

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")

from pipeline.workspace import Workspace

STOCK_BEAM_ARGUMENTS = ["--runner=FnApiRunner"]
THREADS = 2


def main() -> None:
    """Do one step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("source", type=Path, help="a problem's file; for stock and duckdb a CSV file")
    parser.add_argument("home", type=Path, help="a folder for what is written")
    options = parser.parse_args()
    print(json.dumps(STEPS[options.step](options.source, options.home)))


def prepare(problem: Path, home: Path) -> dict[str, Any]:
    """Read the source as `penstock run` does before it loads TensorFlow."""
    seconds, *_ = read(problem, home)
    return {"read": seconds}


def ingest(problem: Path, home: Path) -> dict[str, Any]:
    """Read the source, then run our ExampleGen over what was read, in the order of `penstock run`."""
    seconds, loaded, prepared, workspace = read(problem, home)
    from pipeline.beam_arguments import LOCAL
    from pipeline.components.example_gen import ExampleGen
    from pipeline.run import plan_run

    request = plan_run(loaded, prepared, workspace).request
    component, examples = run_alone(ExampleGen(request=request.model_dump_json()), workspace, list(LOCAL))
    return {
        "read": seconds,
        "component": component,
        "seconds": seconds + component,
        "rows": sum(stage.rows for stage in prepared.stages),
        "examples": sum(examples.custom_properties[f"rows_{split}"].int_value for split in splits(examples)),
    }


def read(problem: Path, home: Path) -> tuple[float, Any, Any, Workspace]:
    """Return the seconds of preflight, and what it made."""
    import duckdb  # noqa: F401  what preflight imports late must not count
    import pyarrow  # noqa: F401

    from pipeline import preflight
    from pipeline.problem import load_problem

    loaded = load_problem(problem)
    workspace = Workspace(home, loaded.problem.name)
    began = time.perf_counter()
    prepared = preflight.prepare(loaded, workspace)
    return time.perf_counter() - began, loaded, prepared, workspace


def ingest_stock(file: Path, home: Path) -> dict[str, Any]:
    """Run TFX's own CsvExampleGen over the folder of `file`."""
    from tfx import v1 as tfx

    shares = {"train": 7, "eval": 2, "test": 1}
    buckets = [tfx.proto.SplitConfig.Split(name=name, hash_buckets=share) for name, share in shares.items()]
    output = tfx.proto.Output(split_config=tfx.proto.SplitConfig(splits=buckets))
    component = tfx.components.CsvExampleGen(str(file.parent), output_config=output).with_id("ExampleGen")
    seconds, examples = run_alone(component, Workspace(home, "stock"), STOCK_BEAM_ARGUMENTS)
    return {"seconds": seconds, "splits": splits(examples)}


def run_alone(component: Any, workspace: Workspace, beam_arguments: list[str]) -> tuple[float, Any]:
    """Run a pipeline of this one component; return the seconds that ML Metadata has of it, and its Examples.

    Raises:
        SystemExit: it did not complete; TFX itself only logs that.
    """
    from tfx import v1 as tfx

    from pipeline.lineage import read_runs

    workspace.folder.mkdir(parents=True, exist_ok=True)
    pipeline = tfx.dsl.Pipeline(
        pipeline_name=workspace.name,
        pipeline_root=str(workspace.artifacts),
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(workspace.metadata)
        ),
        components=[component],
        beam_pipeline_args=beam_arguments,
    )
    tfx.orchestration.LocalDagRunner().run(pipeline)
    (run,) = read_runs(workspace, 1)
    (execution,) = run.executions
    if execution.state != "complete":
        raise SystemExit(f"{execution.component}: expected it to complete, received {execution.state}")
    return execution.seconds, run.output("Examples")


def splits(examples: Any) -> list[str]:
    """Return the names of the splits of an artifact as ML Metadata has it."""
    names: list[str] = json.loads(examples.properties["split_names"].string_value)
    return names


def copy(file: Path, home: Path) -> dict[str, Any]:
    """Let DuckDB read `file` and write it as Parquet, and do nothing else."""
    import duckdb

    home.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    with duckdb.connect(config={"threads": THREADS}) as connection:
        scan = f"read_csv('{file}', nullstr = ['', 'NA'])"
        connection.execute(f"COPY (SELECT * FROM {scan}) TO '{home / 'table.parquet'}' (FORMAT parquet)").fetchall()
    return {"seconds": time.perf_counter() - began}


STEPS = {"ingest": ingest, "prepare": prepare, "stock": ingest_stock, "duckdb": copy}

if __name__ == "__main__":
    main()
