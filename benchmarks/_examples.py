"""A problem's examples exactly as the pipeline's ExampleGen writes them, for the benchmarks that start from them."""

from pathlib import Path

from models.spec import ModelSpec
from pipeline.ingest import Request, write_examples
from pipeline.problem import load_problem
from pipeline.resolve import read_columns, resolve


def ingest(problem: Path, folder: Path) -> tuple[ModelSpec, dict[str, int]]:
    """Write `Split-NAME/examples.parquet` below `folder`; return the complete model and the rows by split."""
    loaded = load_problem(problem)
    columns = read_columns(loaded, whole=True)
    request = Request(
        source=loaded.problem.source,
        root=loaded.root,
        split=loaded.problem.split,
        label=loaded.problem.target.column,
        types={name: column.raw_type for name, column in columns.items()} if loaded.schema_path else {},
        digest="",
    )
    return resolve(loaded.problem, columns), write_examples(request, folder).rows


def parquet(folder: Path, split: str) -> Path:
    """Return the file of a split."""
    return folder / f"Split-{split}" / "examples.parquet"
