"""The command line: parse, load, call, print, exit code. TensorFlow is imported only by the commands that need it.

Exit codes: 0 done, 1 findings or a failed run, 2 bad input, 3 blocked by a gate, 130 and 143 canceled
(Ctrl-C, SIGTERM).
"""

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from pipeline import imports
from pipeline.arguments import AnyRunId, AsJson, ProblemFile, ProblemFiles, Wait
from pipeline.ci import Server
from pipeline.deploy_command import app as deploy_app
from pipeline.doctor_command import doctor
from pipeline.errors import BlockedError, InputError, PenstockError
from pipeline.gc_command import gc
from pipeline.json_output import print_json
from pipeline.models_commands import app as models_app
from pipeline.predict_command import predict
from pipeline.push_command import push
from pipeline.quarantine_commands import app as quarantine_app
from pipeline.report.compare_command import compare
from pipeline.rollout_commands import app as rollout_app
from pipeline.schema_commands import app as schema_app
from pipeline.score_command import score
from pipeline.serve_command import serve
from pipeline.tune_command import tune
from pipeline.validate_command import validate
from pipeline.why_command import why

if TYPE_CHECKING:
    from pipeline.gate.verdict import DataBlockedError
    from pipeline.problem import LoadedProblem
    from pipeline.results import RunResult
    from pipeline.workspace import Workspace

app = typer.Typer(
    help="A table in, a validated and served deep-learning model out.",
    epilog="Exit codes: 0 done, 1 findings or a failed run, 2 bad input, 3 blocked by a gate, 130 canceled.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line; an error of ours becomes its message and its exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    imports.leave(_run_command())


def _run_command() -> int:
    from serving.errors import ServingError

    try:
        app()
    except PenstockError as error:
        _print_error(str(error))
        return error.exit_code
    except ServingError as error:
        _print_error(str(error))
        return InputError.exit_code
    except SystemExit as error:
        return int(error.code or 0)
    return 0


def _print_error(message: str) -> None:
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, soft_wrap=True).print(Text(message, style="red"))


def _print(content: Any) -> None:
    from pipeline.render import open_console

    open_console().print(content)


def _load(path: Path) -> "LoadedProblem":
    from pipeline.problem import load_problem

    return load_problem(path)


@app.command()
def init(
    data: Annotated[Path | None, typer.Argument(metavar="DATA", help="A CSV or Parquet file.")] = None,
    label: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    name: Annotated[str | None, typer.Option(help="The problem's name; left out, the file's.")] = None,
    ci: Annotated[
        Server | None, typer.Option(help="Write what this CI server needs for the problems here as well, or alone.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a problem and a schema for a table of your own; what a CI server needs to run the problems."""
    from pipeline.ci import write_ci
    from pipeline.render import relative
    from pipeline.scaffold import scaffold

    if (data is None) != (label is None) or (data is None and ci is None):
        raise InputError("expected DATA and --label, or --ci alone; " + _received(data, label))
    made = scaffold(data, label, name, Path.cwd()) if data and label else None
    written = write_ci(ci, Path.cwd()) if ci else None
    if as_json:
        print_json((made._asdict() if made else {}) | ({"ci": written} if written else {}))
        return
    for note in made.notes if made else ():
        typer.echo(f"  {note}")
    files = [*((made.problem, made.schema) if made else ()), *([written] if written else ())]
    typer.echo(f"wrote {' and '.join(relative(file) for file in files)}")
    if made:
        typer.echo(f"next  penstock run {relative(made.problem)}")


def _received(data: Path | None, label: str | None) -> str:
    given = [name for name, value in (("DATA", data), ("--label", label)) if value is not None]
    return f"received {' and '.join(given) or 'neither'}"


@app.command()
def fetch(problem: ProblemFile, as_json: AsJson = False) -> None:
    """Download the data that a problem says where to find."""
    from pipeline.render import relative
    from pipeline.run import fetch as fetch_data

    fetched = fetch_data(_load(problem))
    if as_json:
        print_json({"fetched": fetched})
        return
    typer.echo("\n".join(f"fetched {relative(file)}" for file in fetched) or "nothing to fetch")


@app.command()
def check(
    problems: ProblemFiles,
    as_json: AsJson = False,
) -> None:
    """Compare problems with their schemas and tables; says everything that is wrong at once."""
    from pipeline.check import check as check_problem
    from pipeline.resolve import read_columns, resolve

    checked: list[dict[str, Any]] = []
    for path in problems:
        loaded = _load(path)
        columns = read_columns(loaded, whole=False)
        check_problem(loaded, columns)
        inputs = resolve(loaded.problem, columns).inputs
        types = {name: column.raw_type for name, column in columns.items()}
        used = len(inputs.features)
        checked.append({"problem": loaded.problem.name, "types": types, "used": list(inputs.types), "features": used})
    if as_json:
        print_json(checked)
        return
    for path, found in zip(problems, checked, strict=True):
        typer.echo(f"{path}: ok, {found['features']} features")
        for column, raw_type in found["types"].items() if len(problems) == 1 else ():
            typer.echo(f"  {raw_type:<6} {column}{'' if column in found['used'] else '   (not used)'}")


@app.command()
def show(problem: ProblemFile, as_json: AsJson = False) -> None:
    """Print the problem with every default filled in."""
    from pipeline.check import check as check_problem
    from pipeline.resolve import read_columns, resolve

    loaded = _load(problem)
    columns = read_columns(loaded, whole=False)
    check_problem(loaded, columns)
    content = loaded.problem.model_dump(mode="json", by_alias=True, exclude_none=True)
    content["features"] = resolve(loaded.problem, columns).inputs.model_dump(mode="json", exclude_none=True)["features"]
    if as_json:
        print_json(content)
        return
    from ruamel.yaml import YAML

    writer = YAML()
    writer.default_flow_style = None
    writer.width = 120
    writer.dump(content, sys.stdout)


@app.command()
def run(
    problem: ProblemFile,
    ask: Annotated[int, typer.Option(help="Ask the pushed model about this many held-out rows over REST.", min=0)] = 0,
    span: Annotated[
        str | None, typer.Option(help="Let the range of spans end here: 7, 2013-07, ... (left out: the newest).")
    ] = None,
    fold: Annotated[int | None, typer.Option(help="Evaluate on this fold of split.folds.", min=0)] = None,
    accept: Annotated[
        list[str] | None, typer.Option(help="Accept this finding of the data gate in this data: drift:temp, rows, ...")
    ] = None,
    no_push: Annotated[bool, typer.Option("--no-push", help="Let a blessed model wait for `penstock push`.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show TFX's own log as well.")] = False,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Run the pipeline: ingest, validate, judge the data, transform, train, evaluate, push."""
    from pipeline.gate.verdict import DataBlockedError
    from pipeline.guard import guard
    from pipeline.workspace import require_writable

    loaded = _load(problem)
    workspace = loaded.workspace
    loaded = loaded.with_fold(fold)
    require_writable(workspace)
    try:
        with guard(workspace, "run", wait=wait):
            result, asked, report = _run(loaded, workspace, _Options(ask, span, accept or [], verbose, no_push))
    except DataBlockedError as error:
        _explain(loaded, error, as_json=as_json)
        raise
    if as_json:
        print_json(result.model_dump(mode="json") | ({"asked": asked._asdict()} if asked else {}))
    else:
        from pipeline.gate_view import render_findings
        from pipeline.render import render_answers, render_result

        _print(render_findings(result.data_gate))
        if asked:
            typer.echo(f"\nPOST {asked.url}")
            _print(render_answers(asked.answers, asked.truths, asked.rows))
        _print(render_result(result, problem, report))
    if not result.blessed:
        raise BlockedError("blocked: " + "; ".join(result.refusals))


class _Options(NamedTuple):
    """What `penstock run` is asked for beside the problem."""

    ask: int
    span: str | None
    accept: list[str]
    verbose: bool
    hold: bool


def _run(loaded: "LoadedProblem", workspace: "Workspace", options: _Options) -> "tuple[RunResult, Any, Path | None]":
    """Return what the run came to, what the pushed model answered, and the report's file."""
    from pipeline.acceptance import remember
    from pipeline.console import capture_output
    from pipeline.preflight import prepare
    from pipeline.run import fetch as fetch_data
    from pipeline.run import run as run_problem

    fetch_data(loaded)
    log = workspace.logs / f"{datetime.now():%Y%m%d-%H%M%S}.log"
    with capture_output(log, verbose=options.verbose) as screen:
        imports.import_ahead()
        prepared = prepare(loaded, workspace, options.span)
        prepared = prepared._replace(accepted=remember(workspace, prepared.stages, options.accept), hold=options.hold)
        result = run_problem(loaded, prepared, workspace, screen, log)
        asked = _ask(loaded, prepared.columns, workspace, options.ask) if options.ask and result.pushed else None
        return result, asked, _report(loaded)


def _explain(loaded: "LoadedProblem", error: "DataBlockedError", *, as_json: bool) -> None:
    """Print why the data gate has stopped a run."""
    from pipeline.gate_view import render_blocked

    report = _report(loaded)
    if as_json:
        print_json(error.verdict.model_dump(mode="json"))
    else:
        _print(render_blocked(error.verdict, loaded.file.path, report))


def _report(loaded: "LoadedProblem") -> Path | None:
    """Write the newest run's report; None if it can't be made, for a run does not fail by it."""
    from pipeline.report.runs import choose_run, write_run_report

    try:
        return write_run_report(loaded, choose_run(loaded.workspace))
    except PenstockError as error:
        typer.echo(f"no report: {error}", err=True)
        return None


def _ask(loaded: "LoadedProblem", columns: Any, workspace: "Workspace", count: int) -> Any:
    from pipeline.ask import ask
    from pipeline.lineage import read_runs
    from pipeline.resolve import resolve
    from pipeline.splits import judged

    examples = Path(read_runs(workspace, 1)[0].output("Examples").uri)
    split = judged(loaded.problem.split)
    return ask(workspace, examples / f"Split-{split}", resolve(loaded.problem, columns).inputs, count)


@app.command()
def status(problem: ProblemFile, as_json: AsJson = False) -> None:
    """Show a problem's runs and pushed versions, and which process is at it."""
    from pipeline.lineage import read_runs
    from pipeline.owner import who_owns
    from pipeline.render import render_runs
    from serving.manifest import read_manifest
    from serving.store import find_versions

    workspace = _load(problem).workspace
    runs = read_runs(workspace, 10)
    pushed = {version: read_manifest(path) for version, path in find_versions(workspace.serving).items()}
    owner = who_owns(workspace)
    if not as_json:
        _print(render_runs(runs, pushed))
        if owner:
            _print(f"Running: {owner}")
        return
    components = [
        [
            {**found._asdict(), "outputs": {kind: artifact.uri for kind, artifact in found.outputs.items()}}
            for found in each.executions
        ]
        for each in runs
    ]
    print_json(
        {
            "running": owner,
            "runs": [
                {"run_id": each.run_id, "components": found} for each, found in zip(runs, components, strict=True)
            ],
            "versions": {
                str(version): manifest.model_dump(mode="json") if manifest else None
                for version, manifest in pushed.items()
            },
        }
    )


# -1 is no option
@app.command(context_settings={"ignore_unknown_options": True})
def report(
    problem: ProblemFile,
    run_id: AnyRunId = None,
    out: Annotated[Path | None, typer.Option(help="The HTML file; left out, one in the workspace.")] = None,
    opened: Annotated[
        bool | None, typer.Option("--open/--no-open", help="Open it in the browser; left out, on a terminal.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a page about a run and open it: gates, metrics, curves, importance, and its data by column and split."""
    from pipeline.render import relative
    from pipeline.report.browser import open_page
    from pipeline.report.runs import choose_run, write_run_report

    loaded = _load(problem)
    chosen = choose_run(loaded.workspace, run_id)
    written = write_run_report(loaded, chosen, out)
    if as_json:
        print_json({"report": written, "run_id": chosen.run_id})
    else:
        typer.echo(f"wrote {relative(written)}")
    open_page(written, wanted=opened if opened or not as_json else False)


app.command()(serve)
app.command()(predict)
app.command()(score)
app.command(context_settings={"ignore_unknown_options": True})(push)
app.command(context_settings={"ignore_unknown_options": True})(compare)
app.command(context_settings={"ignore_unknown_options": True})(why)
app.command()(tune)
app.command()(validate)
app.command()(gc)
app.command()(doctor)
app.add_typer(schema_app, name="schema")
app.add_typer(models_app, name="models")
app.add_typer(rollout_app, name="rollout")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(deploy_app, name="deploy")


if __name__ == "__main__":
    main()
