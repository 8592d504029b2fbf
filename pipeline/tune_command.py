"""`penstock tune`: look for hyperparameters, show the trials."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.arguments import AsJson, ProblemFile, Wait

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.tuning import Tuned

SHOWN = 20
BAR = 24


def tune(
    problem: ProblemFile,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show TFX's own log as well.")] = False,
    wait: Wait = False,
    opened: Annotated[bool, typer.Option("--open", help="Open the page with the trials in the browser.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look for hyperparameters as the problem's `tuning` says; the next runs take the best ones."""
    from pipeline.console import capture_output
    from pipeline.guard import guard
    from pipeline.imports import import_ahead
    from pipeline.preflight import prepare
    from pipeline.problem import load_problem
    from pipeline.render import open_console, relative
    from pipeline.report.browser import open_page
    from pipeline.report.trials import write_page
    from pipeline.run import fetch
    from pipeline.run import tune as tune_problem
    from pipeline.workspace import require_writable

    loaded = load_problem(problem)
    workspace = loaded.workspace
    require_writable(workspace)
    with guard(workspace, "tune", wait=wait):
        fetch(loaded)
        log = workspace.logs / f"{datetime.now():%Y%m%d-%H%M%S}.log"
        with capture_output(log, verbose=verbose) as screen:
            import_ahead()
            prepared = prepare(loaded, workspace)
            tuned = tune_problem(loaded, prepared, workspace, screen, log)
    page = write_page(tuned, loaded.problem, workspace.reports / "tuning.html")
    if as_json:
        typer.echo(json.dumps({**tuned.model_dump(mode="json"), "page": str(page)}, indent=2))
    else:
        open_console().print(render_trials(tuned))
        typer.echo(f"page  {relative(page)}")
        typer.echo(f"next  penstock run {problem}   # trains with the best values")
    open_page(page, wanted=opened)


def render_trials(tuned: "Tuned") -> "RenderableType":
    """Return the trials, best first, each with its score as a bar and the values that it tried."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from pipeline.tuning import write_value

    better = "more" if tuned.direction == "max" else "less"
    made = Table(
        box=box.SIMPLE_HEAD,
        title=f"{len(tuned.trials)} trials by {tuned.objective}, {better} is better",
        title_justify="left",
        title_style="bold",
        pad_edge=False,
    )
    for name, justify in (("trial", "right"), (tuned.objective, "right"), ("", "left"), ("values", "left")):
        made.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for trial in tuned.trials[:SHOWN]:
        bar = "█" * max(1, round(BAR * tuned.goodness(trial)))
        style = "bold green" if trial is tuned.trials[0] else ""
        values = ", ".join(f"{name} {write_value(value)}" for name, value in trial.values.items())
        made.add_row(str(trial.number + 1), f"{trial.score:.4f}", Text(bar, style="cyan"), values, style=style)
    return made
