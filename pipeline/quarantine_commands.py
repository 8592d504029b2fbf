"""`penstock quarantine`: the rows that the last run could not read, shown or written to a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.arguments import AsJson, ProblemFile
from pipeline.json_output import print_json

if TYPE_CHECKING:
    from pipeline.workspace import Workspace

app = typer.Typer(help="The rows that the last run could not read.", no_args_is_help=True)


def _open(path: Path) -> "Workspace":
    from pipeline.problem import load_problem

    return load_problem(path).workspace


@app.command("show")
def show_quarantine(
    problem: ProblemFile,
    limit: Annotated[int, typer.Option("--rows", help="Show so many.", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """Print refused rows with file, line, column, value and reason."""
    from pipeline.quarantine import read_quarantine
    from pipeline.render import open_console, render_quarantine

    rows, total = read_quarantine(_open(problem), limit)
    if as_json:
        print_json(rows)
    else:
        open_console().print(render_quarantine(rows, total))


@app.command("export")
def export(
    problem: ProblemFile, out: Annotated[Path, typer.Argument(metavar="OUT", help="A .parquet, .csv or .jsonl file.")]
) -> None:
    """Write all refused rows to a file, to mend and to bring back."""
    from pipeline.quarantine import export_quarantine

    count = export_quarantine(_open(problem), out)
    typer.echo(f"wrote {count:,} refused {'row' if count == 1 else 'rows'} to {out}")
