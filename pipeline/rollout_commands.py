"""`penstock rollout`: a new version gets a share of the requests, and takes over once it has proved itself."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.arguments import AsJson
from pipeline.errors import InputError
from pipeline.json_output import print_json
from pipeline.models_commands import Model, Why, find_base

if TYPE_CHECKING:
    from pipeline.rollout_labels import Labels
    from serving.canary.evidence import Scores
    from serving.canary_control import Look

app = typer.Typer(help="Canary, shadow and A/B: start, status, watch, promote, abort a roll-out.", no_args_is_help=True)
LabelsFile = Annotated[
    Path | None, typer.Option("--labels", metavar="FILE", help="Labels that have come: the plan's key, and --label.")
]
LabelColumn = Annotated[str, typer.Option("--label", metavar="COLUMN", help="The column of the labels.")]
Log = Annotated[
    Path | None, typer.Option("--log", metavar="FOLDER", help="The model's folder in the request log, as Parquet.")
]


@app.command()
def start(
    plan: Annotated[
        Path | None, typer.Argument(metavar="PLAN", help="YAML of steps and rules; left out, 1 %, 5 %, 25 %.")
    ] = None,
    canary: Annotated[str, typer.Option(help="The version to try: a number or a label; left out, the newest.")] = "",
    why: Why = "",
    model: Model = None,
    as_json: AsJson = False,
) -> None:
    """Send the first share of the requests to a new version; everybody else gets stable from now on."""
    from pipeline.yaml_file import load_as
    from serving.canary.plan import Plan
    from serving.canary_control import look
    from serving.canary_control import start as begin
    from serving.rollout import choose_version

    base = find_base(model)
    loaded = load_as(plan, Plan) if plan else Plan()
    trial = begin(base, loaded, choose_version(base, canary) if canary else None, why)
    if as_json:
        _print(base, look(base), as_json=True)
        return
    first = loaded.steps[0]
    share = f"{first.share * 100:.4g} % of the requests {'go' if first.mode == 'live' else 'are copied'}"
    typer.echo(f"{base.name}: {share} to version {trial.canary}; stable is {trial.stable}")
    typer.echo("next: penstock rollout watch")


@app.command()
def status(
    labels: LabelsFile = None,
    label: LabelColumn = "label",
    log: Log = None,
    model: Model = None,
    as_json: AsJson = False,
) -> None:
    """Show both sides, what is proven of each rule, and the log; exit code 1 of one that was rolled back."""
    from serving.canary_control import look

    base = find_base(model)
    seen = look(base, _score(base, _choose_labels(labels, label, log)))
    _print(base, seen, as_json=as_json)
    _exit(seen)


@app.command()
def watch(
    every: Annotated[float, typer.Option(help="Seconds between looks.", min=0.1)] = 10.0,
    once: Annotated[bool, typer.Option("--once", help="Look, decide, and end: for cron.")] = False,
    labels: LabelsFile = None,
    label: LabelColumn = "label",
    log: Log = None,
    model: Model = None,
    as_json: AsJson = False,
) -> None:
    """Decide by the rules until the version is promoted (exit code 0) or rolled back (1); it may be restarted."""
    from serving.canary_control import follow

    base, chosen = find_base(model), _choose_labels(labels, label, log)
    while True:
        seen = follow(base, _score(base, chosen))
        if seen.decision and not as_json:
            _tell(base, seen)
        if once or seen.rollout.state.is_over:
            break
        time.sleep(every)
    if as_json or once:
        _print(base, seen, as_json=as_json)
    _exit(seen)


@app.command()
def promote(why: Why = "", model: Model = None) -> None:
    """Let everybody have the new version now, whatever the rules say."""
    from serving.canary_control import promote as promote_canary

    base = find_base(model)
    _tell(base, promote_canary(base, why))


@app.command()
def abort(why: Why = "", model: Model = None) -> None:
    """Send nobody to the new version any more; its model does not come back by itself."""
    from serving.canary_control import abort as abort_canary

    base = find_base(model)
    _tell(base, abort_canary(base, why))


def _choose_labels(file: Path | None, column: str, log: Path | None) -> "Labels | None":
    from pipeline.rollout_labels import Labels

    if (file is None) != (log is None):
        raise InputError(f"expected --labels and --log, received {'--labels' if file else '--log'} alone")
    return None if file is None or log is None else Labels(file, column, log)


def _score(base: Path, labels: "Labels | None") -> "Scores":
    from pipeline.rollout_labels import score_sides
    from serving.bookkeeping import read_standing

    rollout = read_standing(base).rollout
    return {} if labels is None or rollout is None else score_sides(base, labels, rollout)


def _tell(base: Path, seen: "Look") -> None:
    """Print what was just decided."""
    trial, state, decision = seen.rollout.trial, seen.rollout.state, seen.decision
    share = seen.rollout.step.share
    what = {
        "running": f"step {state.step + 1}, {share * 100:.4g} % of the requests",
        "promoting": "is being promoted",
        "promoted": "promoted",
        "aborted": "rolled back",
    }[state.phase]
    typer.echo(f"{base.name}: version {trial.canary} {what}: {decision.why if decision else ''}")


def _print(base: Path, seen: "Look", *, as_json: bool) -> None:
    from pipeline.render import open_console
    from pipeline.rollout_view import list_facts, render_look

    if as_json:
        print_json(list_facts(seen))
    else:
        open_console().print(render_look(base, seen), soft_wrap=True)


def _exit(seen: "Look") -> None:
    raise typer.Exit(1 if seen.rollout.state.phase == "aborted" else 0)
