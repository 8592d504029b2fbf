"""penstock run: from a loaded problem to a RunResult."""

import hashlib
import logging
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from models.discovery import discover
from models.search import apply
from models.spec import ModelSpec, target_kind
from pipeline.console import Screen, show_progress
from pipeline.errors import InputError, PenstockError, RunError, name_full_disk
from pipeline.examples.load import Label
from pipeline.fetch import fetch_files
from pipeline.fingerprint import code_digest, file_digest, keep_code, lock_digest
from pipeline.gate.verdict import DataBlockedError, read_verdict
from pipeline.guard import witness
from pipeline.ingest import Request, train_rows
from pipeline.judging import column_of
from pipeline.lineage import Run, read_runs
from pipeline.metadata.connection import LOCKED, metadata_file
from pipeline.metadata.file import keep_copy
from pipeline.metadata.holder import watch_holder
from pipeline.preflight import Prepared
from pipeline.problem import LoadedProblem
from pipeline.reasons import read_reasons
from pipeline.resolve import resolve, with_features
from pipeline.results import RunResult, collect
from pipeline.tables import connect, table_files
from pipeline.tuning import Tuned, keep_tuned, read_tuned
from pipeline.why import FAILURE
from pipeline.workspace import Workspace
from schemas.edit import replace_file
from serving.bookkeeping import read_standing

if TYPE_CHECKING:
    from rich.status import Status
    from tfx.orchestration.pipeline import Pipeline

    from pipeline.examples.ranking import Ranking
    from pipeline.graph import Plan


def fetch(loaded: LoadedProblem) -> list[Path]:
    """Download the source's files that are missing, if the problem says from where; return them."""
    source = loaded.problem.source
    if not source.fetch:
        return []
    missing = [file for files in table_files(source, loaded.root).values() for file in files if not file.exists()]
    if missing:
        try:
            fetch_files(source.fetch, missing)
        except InputError as error:
            raise InputError([loaded.complain(("source", "fetch"), message) for message in error.messages]) from error
    return missing


def plan_run(loaded: LoadedProblem, prepared: Prepared, workspace: Workspace) -> "Plan":
    """Return everything the pipeline is made of; copies the curated schema under its digest."""
    from pipeline.gate.judge import request_for
    from pipeline.graph import Plan, gate_modules
    from pipeline.serving_data import serving_statistics

    problem, columns = loaded.problem, prepared.columns
    request = Request(
        stages=tuple(each.digest for each in prepared.stages),
        spans=prepared.spans,
        folder=workspace.stages,
        split=problem.split,
        label=problem.target.column,
        span=prepared.span,
        version=prepared.version,
        query=prepared.stages[0].query,
        code=code_digest(["pipeline.components.example_gen"]),
    )
    spec = resolve(problem, columns)
    gate = request_for(
        problem,
        spec,
        accepted=prepared.accepted,
        serving=serving_statistics(loaded, columns, workspace),
        code=code_digest(gate_modules()),
    )
    ranking = _select(loaded, spec, request, workspace)
    names = sorted({column_of(key) for keys in problem.evaluation.sliced for key in keys})
    return Plan(
        problem=problem,
        spec=with_features(spec, ranking.kept) if ranking else spec,
        request=request,
        gate=gate,
        schema_file=_pin_schema(loaded.schema_path, workspace) if loaded.schema_path else None,
        slice_types={name: columns[name].raw_type for name in names},  # type: ignore[misc]
        run_id=datetime.now(UTC).isoformat(),
        stages=prepared.stages,
        lock=lock_digest(loaded.root),
        served=_served(workspace),
        ranking=ranking,
        hold=prepared.hold,
    )


def _select(loaded: LoadedProblem, spec: ModelSpec, request: Request, workspace: Workspace) -> "Ranking | None":
    """Return what the features tell of the label and which of them are kept; None: all, unmeasured."""
    from pipeline.examples.ranking import select

    selection = loaded.problem.feature_selection
    if selection is None:
        return None
    try:
        return select(_rank(spec, request, workspace), selection)
    except InputError as error:
        raise InputError([loaded.complain(("feature_selection",), each) for each in error.messages]) from error


def _rank(spec: ModelSpec, request: Request, workspace: Workspace) -> "Ranking":
    """Return what the features tell of the label, measured now or found."""
    from pipeline.examples.ranking import Ranking, rank

    target = spec.inputs.target
    label = Label(column=target.column, kind=target_kind(target).LABELS, positive=getattr(target, "positive", None))
    key = [request.model_dump_json(exclude={"folder", "span", "version"}), spec.inputs.model_dump_json()]
    digest = hashlib.sha256("\n".join([*key, code_digest(["pipeline.examples.ranking"])]).encode()).hexdigest()
    file = workspace.rankings / f"{digest[:16]}.json"
    if file.exists():
        return Ranking.model_validate_json(file.read_bytes())
    with connect() as connection:
        rows = train_rows(connection, request, list(spec.inputs.types))
        ranking = rank(connection, rows, label, spec.inputs.features)
    replace_file(file, ranking.model_dump_json(indent=1))
    return ranking


def _served(workspace: Workspace) -> str:
    """Return the digest of the model that is served, empty if none is."""
    standing = read_standing(workspace.serving)
    return standing.pushed[standing.live].digest if standing.live else ""


def _pin_schema(path: Path, workspace: Workspace) -> Path:
    """Copy the schema into a folder named by its digest: TFX's cache key is the path, not the content."""
    pinned = workspace.inputs / file_digest(path)[:16] / "schema.pbtxt"
    pinned.parent.mkdir(parents=True, exist_ok=True)
    pinned.write_bytes(path.read_bytes())
    return pinned


def run(loaded: LoadedProblem, prepared: Prepared, workspace: Workspace, screen: Screen, log: Path) -> RunResult:
    """Run the whole pipeline and return what it came to, pushed or not.

    With `tuning` in the problem the best values of its search hold; if there are none yet, they are looked for first.

    Raises:
        InputError: the data is not what it must be.
        DataBlockedError: the data gate has stopped it.
        RunError: a component failed, or its inputs could not be resolved.
    """
    began = time.monotonic()
    with show_progress(screen.err) as status:
        from pipeline.graph import build_pipeline

        plan = plan_run(loaded, prepared, workspace)
        if plan.problem.tuning:
            tuned = read_tuned(workspace, plan) or _tune(plan, workspace, status, log)
            plan = plan._replace(spec=apply(tuned.best, plan.spec))
        finished = _run_pipeline(build_pipeline(plan, workspace), workspace, status, log)
    reasons = read_reasons(workspace, finished.run_id)
    return collect(plan, finished, reasons, time.monotonic() - began, log)


def tune(loaded: LoadedProblem, prepared: Prepared, workspace: Workspace, screen: Screen, log: Path) -> Tuned:
    """Look for hyperparameters as the problem's `tuning` says; a search that was broken off goes on.

    Raises:
        InputError: the problem has no `tuning`, or the data is not what it must be.
        DataBlockedError: the data gate has stopped it.
        RunError: a component failed, or its inputs could not be resolved.
    """
    if loaded.problem.tuning is None:
        message = "required to look for hyperparameters, but missing; {search: random, trials: 20} is one"
        raise InputError(loaded.complain(("tuning",), message))
    with show_progress(screen.err) as status:
        return _tune(plan_run(loaded, prepared, workspace), workspace, status, log)


def _tune(plan: "Plan", workspace: Workspace, status: "Status", log: Path) -> Tuned:
    from pipeline.graph import build_tuning_pipeline

    finished = _run_pipeline(build_tuning_pipeline(plan, workspace), workspace, status, log)
    return keep_tuned(workspace, plan, finished)


def _run_pipeline(pipeline: "Pipeline", workspace: Workspace, status: "Status", log: Path) -> Run:
    status.update("starting")
    with name_full_disk(workspace.home):
        keep_code(workspace.code)
        before = [run.run_id for run in read_runs(workspace, 1)]
    with watch_holder(metadata_file(workspace), status.console.file), witness(workspace, status.console.print):
        failure = _execute(pipeline, log)
    with name_full_disk(workspace.home):
        if failure:
            raise failure
        # a run that ML Metadata has nothing of must not pass for the one before
        runs = [run for run in read_runs(workspace, 1) if run.run_id not in before]
    states = {found.component: found.state for found in runs[0].executions} if runs else {}
    broken = [
        name for name in (node.id for node in pipeline.components) if states.get(name) not in {"complete", "cached"}
    ]
    verdict = runs[0].output("DataVerdict") if runs else None
    if verdict and (judged := read_verdict(Path(verdict.uri))).is_blocked:
        raise DataBlockedError(judged)
    if broken:
        raise RunError(f"{', '.join(broken)} did not complete ({states.get(broken[0], 'never started')}); see {log}")
    keep_copy(workspace)
    return runs[0]


def _execute(pipeline: object, log: Path) -> PenstockError | None:
    """Run the pipeline; return the failing component's error as ours, with the log file to read."""
    try:
        discover("pipeline.runners")["local"].run(pipeline)
    except PenstockError as error:
        logging.getLogger(__name__).exception(FAILURE)
        return error
    except Exception as error:
        logging.getLogger(__name__).exception(FAILURE)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        if LOCKED in reason:
            reason = "another process has kept the metadata locked for minutes"
        failed = RunError(f"{type(error).__name__}: {reason[:500]}\nsee {log}")
        failed.__cause__ = error
        return failed
    return None
