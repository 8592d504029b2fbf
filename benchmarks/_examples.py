"""A problem's examples exactly as the pipeline's ExampleGen writes them, for the benchmarks that start from them."""

from pathlib import Path

import _packages_first  # noqa: F401

import pipeline.graph  # noqa: F401  what plan_run imports late must not count
from models.spec import ModelSpec
from pipeline.ingest import write_examples
from pipeline.preflight import prepare
from pipeline.problem import load_problem
from pipeline.run import plan_run
from pipeline.workspace import Workspace


def ingest(problem: Path, folder: Path) -> tuple[ModelSpec, dict[str, int]]:
    """Write `Split-NAME/examples-*.parquet` below `folder`; return the complete model and the rows by split."""
    loaded = load_problem(problem)
    workspace = Workspace(folder / "workspace", loaded.problem.name)
    plan = plan_run(loaded, prepare(loaded, workspace), workspace)
    return plan.spec, write_examples(plan.request, folder).rows


def parquet(folder: Path, split: str) -> list[Path]:
    """Return the files of a split, in order."""
    return sorted((folder / f"Split-{split}").glob("examples-*.parquet"))
