"""penstock run: from a loaded problem to a RunResult."""

import logging
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from models.discovery import discover
from pipeline.check import check
from pipeline.console import Screen, show_progress
from pipeline.errors import InputError, PenstockError, RunError
from pipeline.fetch import fetch_files
from pipeline.fingerprint import code_digest, data_digest, file_digest
from pipeline.ingest import Request
from pipeline.lineage import read_runs
from pipeline.problem import LoadedProblem
from pipeline.resolve import Columns, resolve, schema_columns, table_columns, texts
from pipeline.results import RunResult, collect
from pipeline.splits import identifier
from pipeline.tables import describe, explain_errors, open_source, source_files, table_files
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    import duckdb

    from pipeline.graph import Plan


def fetch(loaded: LoadedProblem) -> list[Path]:
    """Download the source's files that are missing, if the problem says from where; return them."""
    source = loaded.problem.source
    missing = [file for files in table_files(source, loaded.root).values() for file in files if not file.exists()]
    if missing and source.fetch:
        try:
            fetch_files(source.fetch, missing)
        except InputError as error:
            raise InputError([loaded.complain(("source", "fetch"), message) for message in error.messages]) from error
    return missing


def preflight(loaded: LoadedProblem) -> Columns:
    """Check everything that can be checked before TensorFlow is loaded, the label's values among it.

    Raises:
        InputError: all mistakes found.
    """
    curated = schema_columns(loaded, loaded.schema_path) if loaded.schema_path else None
    with open_source(loaded.problem.source, loaded.root, texts(curated or {})) as connection:
        found = describe(connection)
        columns = curated or table_columns(found)
        if loaded.problem.target.column in found:
            _check_label(loaded, connection)
    check(loaded, columns)
    used = [loaded.problem.target.column, *(loaded.problem.features or columns)]
    missing = ", ".join(name for name in used if name not in found)
    if missing:
        message = f"the table has no column {missing}; it has {', '.join(list(found)[:20])}"
        raise InputError(loaded.complain(("source",), message))
    return columns


def _check_label(loaded: LoadedProblem, connection: "duckdb.DuckDBPyConnection") -> None:
    """Refuse a label without rows, or a class label with one class."""
    target = loaded.problem.target
    label = identifier(target.column)
    with explain_errors():
        ((rows, labelled, classes),) = connection.sql(
            f"SELECT count(*), count({label}), count(DISTINCT {label}) FROM source"
        ).fetchall()
    place = ("target", "column")
    if labelled == 0:
        raise InputError(loaded.complain(place, f"'{target.column}' has no value in any of {rows:,} rows"))
    if classes == 1:
        with explain_errors():
            ((value,),) = connection.sql(f"SELECT any_value({label}) FROM source").fetchall()
        raise InputError(
            loaded.complain(
                place, f"'{target.column}' has one class only, {value!r} in all {labelled:,} rows: nothing to learn"
            )
        )


def plan_run(loaded: LoadedProblem, columns: Columns, workspace: Workspace) -> "Plan":
    """Return everything the pipeline is made of; copies the curated schema under its digest."""
    from pipeline.graph import Plan

    problem = loaded.problem
    code = code_digest(["pipeline.components.example_gen", f"pipeline.sources.{problem.source.kind}"])
    request = Request(
        source=problem.source,
        root=loaded.root,
        split=problem.split,
        label=problem.target.column,
        types={name: column.raw_type for name, column in columns.items()} if loaded.schema_path else {},
        texts=texts(columns) if loaded.schema_path else (),
        digest=f"{data_digest(source_files(problem.source, loaded.root))}-{code}",
    )
    names = sorted({name for keys in problem.evaluation.slices for name in keys})
    return Plan(
        problem=problem,
        spec=resolve(problem, columns),
        request=request,
        schema_file=_pin_schema(loaded.schema_path, workspace) if loaded.schema_path else None,
        slice_types={name: columns[name].raw_type for name in names},
        run_id=datetime.now(UTC).isoformat(),
    )


def _pin_schema(path: Path, workspace: Workspace) -> Path:
    """Copy the schema into a folder named by its digest: TFX's cache key is the path, not the content."""
    pinned = workspace.inputs / file_digest(path)[:16] / "schema.pbtxt"
    pinned.parent.mkdir(parents=True, exist_ok=True)
    pinned.write_bytes(path.read_bytes())
    return pinned


def run(loaded: LoadedProblem, columns: Columns, workspace: Workspace, screen: Screen, log: Path) -> RunResult:
    """Run the whole pipeline and return what it came to, pushed or blocked.

    Raises:
        InputError: the data is not what it must be.
        RunError: a component failed, or its inputs could not be resolved.
    """
    began = time.monotonic()
    with show_progress(screen.err) as status:
        from pipeline.graph import build_pipeline

        plan = plan_run(loaded, columns, workspace)
        pipeline = build_pipeline(plan, workspace)
        status.update("starting")
        failure = _execute(pipeline, log)
    runs = read_runs(workspace, 1)
    states = {found.component: found.state for found in runs[0].executions} if runs else {}
    broken = [
        name for name in (node.id for node in pipeline.components) if states.get(name) not in {"complete", "cached"}
    ]
    if failure:
        raise failure
    if broken:
        raise RunError(f"{', '.join(broken)} did not complete ({states.get(broken[0], 'never started')}); see {log}")
    return collect(plan, runs[0], time.monotonic() - began, log)


def _execute(pipeline: object, log: Path) -> PenstockError | None:
    """Run the pipeline; return the failing component's error as ours, with the log file to read."""
    try:
        discover("pipeline.runners")["local"].run(pipeline)
    except PenstockError as error:
        return error
    except Exception as error:
        logging.getLogger(__name__).exception("a component failed")
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        failed = RunError(f"{type(error).__name__}: {reason[:500]}\nsee {log}")
        failed.__cause__ = error
        return failed
    return None
