"""`penstock doctor`: whether all that a run needs is there, and what the runs left is whole."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.arguments import AsJson
from pipeline.json_output import print_json

if TYPE_CHECKING:
    from rich.console import Group

    from pipeline.doctor.finding import Finding
    from pipeline.workspace import Workspace

MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "red")}


def doctor(
    problem: Annotated[
        Path | None, typer.Argument(metavar="PROBLEM", help="A problem's YAML file; left out: the machine alone.")
    ] = None,
    upgrade_metadata: Annotated[
        bool, typer.Option("--upgrade-metadata", help="Copy the problem's metadata, then upgrade its schema.")
    ] = False,
    restore_metadata: Annotated[
        bool, typer.Option("--restore-metadata", help="Go back to the copy as of the latest complete run.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check the machine, the packages and what a problem's runs have left; exit code 1 if there is an error."""
    from pipeline.doctor.machine import examine_machine
    from pipeline.doctor.packages import examine_packages
    from pipeline.doctor.records import examine_records
    from pipeline.render import open_console
    from pipeline.workspace import open_workspace

    workspace = _open(problem) if problem else None
    if upgrade_metadata or restore_metadata:
        _mend(workspace, upgrade_metadata=upgrade_metadata)
        return
    home = workspace.home if workspace else open_workspace(Path.cwd(), "").home
    found = [*examine_machine(home), *examine_packages(), *(examine_records(workspace) if workspace else ())]
    if as_json:
        print_json([each.model_dump() for each in found])
    else:
        open_console().print(_render(found))
    raise typer.Exit(1 if any(each.level == "error" for each in found) else 0)


def _open(problem: Path) -> "Workspace":
    from pipeline.problem import load_problem

    return load_problem(problem).workspace


def _mend(workspace: "Workspace | None", *, upgrade_metadata: bool) -> None:
    """Upgrade the metadata, or go back to its copy."""
    from pipeline.errors import InputError
    from pipeline.garbage import find_garbage, remove
    from pipeline.metadata.connection import place
    from pipeline.metadata.file import restore
    from pipeline.metadata.upgrade import upgrade
    from pipeline.owner import own

    if workspace is None:
        raise InputError("PROBLEM: expected the problem whose metadata is meant, received none")
    with own(workspace, "doctor"):
        if not upgrade_metadata:
            aside = restore(workspace)
            # the next executions get the numbers, and so the folders, of those that the copy does not know
            unknown = find_garbage(workspace, keep_runs=sys.maxsize)
            remove(workspace, unknown)
            size = sum(item.size for item in unknown)
            typer.echo(f"{place(workspace)} is the copy again; what was there: {aside}")
            typer.echo(f"removed {size:,} bytes of artifacts that the copy does not know")
            return
        done = upgrade(workspace)
    if done.backup is None:
        typer.echo(f"{place(workspace)}: nothing to do, schema version {done.after}")
    else:
        typer.echo(f"{place(workspace)}: schema version {done.before} is now {done.after}; before: {done.backup}")


def _render(found: "list[Finding]") -> "Group":
    """Return a line a check, and below it what to do."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    lines = Table.grid(padding=(0, 1))
    for each in found:
        mark, color = MARKS[each.level]
        says = Text.assemble(each.says, (f"\n→ {each.advice}" if each.advice else "", color))
        lines.add_row(Text(mark, color), Text(each.check, "bold"), says)
    errors, warnings = (sum(each.level == level for each in found) for level in ("error", "warning"))
    return Group(lines, Text(f"\nerrors {errors}, warnings {warnings}"))
