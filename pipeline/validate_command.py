"""`penstock validate`: several files, four formats, one exit code."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from pipeline.validation.report import Failure, Report

Format = Literal["table", "json", "github", "junit"]


def validate(
    problem: Annotated[Path, typer.Option(help="The problem whose schema holds.")],
    data: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DATA", help="Files, folders, logs of requests; left out, the problem's own data."),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="How to print what was found.")] = "table",
    environment: Annotated[
        Literal["TRAINING", "SERVING"] | None,
        typer.Option(help="Of the schema; left out, TRAINING if the label is there."),
    ] = None,
    rows: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every offending row: .csv, .jsonl or .parquet.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Compare data with the problem's schema.

    Exit code 0: as the schema says, or warnings only; 1: errors; 2: data, or a problem, that can't be read.
    """
    from pipeline.console import hold_stderr
    from pipeline.errors import InputError
    from pipeline.problem import load_problem
    from pipeline.validate import validate as validate_one
    from pipeline.validation.report import Failure, exit_code

    loaded = load_problem(problem)
    if rows and len(data or ()) > 1:
        raise InputError(f"--rows {rows}: expected one DATA, received {len(data or ())}")
    outcomes: list[Report | Failure] = []
    named: list[Path | None] = list(data) if data else [None]
    with hold_stderr():
        for each in named:
            try:
                outcomes.append(validate_one(loaded, each, environment, rows))
            except InputError as error:
                # one of several files must not hide what is wrong with the others
                outcomes.append(Failure(data=str(each or ""), problem=loaded.problem.name, error=str(error)))
    _print(outcomes, "json" if as_json else form)
    _print_rest(outcomes, rows)
    raise typer.Exit(exit_code(outcomes))


def _print(outcomes: "Sequence[Report | Failure]", form: Format) -> None:
    from pipeline.render import render_anomalies
    from pipeline.validation.formats import to_github, to_json, to_junit
    from pipeline.validation.report import Report

    if form == "github":
        sys.stdout.write(to_github(outcomes))
    elif form == "junit":
        sys.stdout.write(to_junit(outcomes))
    elif form == "json":
        sys.stdout.write(to_json(outcomes))
    else:
        for outcome in outcomes:
            if isinstance(outcome, Report):
                _console().print(render_anomalies(outcome))


def _print_rest(outcomes: "Sequence[Report | Failure]", rows: Path | None) -> None:
    """Say on standard error what could not be read, and how many rows were written: standard output is the result."""
    from rich.text import Text

    from pipeline.validation.report import Failure

    console = _console(stderr=True, soft_wrap=True)
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            console.print(Text(outcome.error, style="red"))
        elif rows:
            count = outcome.offending_rows or 0
            told = f"wrote {count:,} offending {'row' if count == 1 else 'rows'} to {rows}"
            console.print(Text(told if count else f"no row is offending: {rows} was not written"))


def _console(**settings: Any) -> Any:
    from pipeline.render import open_console

    return open_console(**settings)
