"""Arguments and options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

_RUN = typer.Argument(metavar="RUN", help="A run's id, its beginning, or -1 (the newest), -2, ...")

ProblemFile = Annotated[Path, typer.Argument(metavar="PROBLEM", help="The problem's YAML file.")]
ProblemFiles = Annotated[list[Path], typer.Argument(metavar="PROBLEM", help="Problems' YAML files.")]
RunId = Annotated[str, _RUN]
AnyRunId = Annotated[str | None, _RUN]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for the end of another run of the problem.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
