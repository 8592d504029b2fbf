"""`penstock why`: why each component of a run ran, what stopped the run, what the next one reuses."""

from typing import TYPE_CHECKING

import typer

from pipeline.arguments import AsJson, ProblemFile, RunId

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.why import Why

STYLES = {"complete": "green", "cached": "dim", "failed": "red", "running": "yellow", "canceled": "yellow"}


def why(
    problem: ProblemFile,
    run_id: RunId = "-1",
    as_json: AsJson = False,
) -> None:
    """Tell why each component of a run ran or was reused, and what stopped a run that did not complete."""
    from pipeline.lineage import find_run
    from pipeline.problem import load_problem
    from pipeline.render import open_console
    from pipeline.why import explain_run

    loaded = load_problem(problem)
    workspace = loaded.workspace
    explained = explain_run(workspace, find_run(workspace, run_id))
    if as_json:
        typer.echo(explained.model_dump_json(indent=2))
    else:
        open_console().print(render_why(explained))


def render_why(explained: "Why") -> "RenderableType":
    """Return a line a component, then what stopped the run, if anything did."""
    from rich.console import Group
    from rich.text import Text

    from pipeline.render import relative, table

    made = table("component", "state", "seconds", "why", title=f"{explained.problem}, run {explained.run_id}")
    made.columns[1].justify = made.columns[3].justify = "left"
    for each in explained.components:
        style = STYLES.get(each.state, "")
        seconds = "" if each.state == "cached" else f"{each.seconds:.1f}"
        made.add_row(each.id, Text(each.state, style=style), seconds, each.reason)
    if explained.state == "complete":
        return made
    lines = [Text.assemble((f"{explained.state}  ", "bold"), explained.stopped)]
    if explained.reused:
        lines.append(Text.assemble(("next run reuses  ", "bold"), ", ".join(explained.reused)))
    if explained.log:
        lines.append(Text.assemble(("log  ", "bold"), relative(explained.log)))
    return Group(made, *lines)
