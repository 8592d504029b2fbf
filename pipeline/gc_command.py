"""`penstock gc`: list what nobody needs any more, and remove it if that is wanted."""

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.arguments import AsJson
from pipeline.json_output import print_json

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.garbage import Item
    from pipeline.workspace import Workspace


def gc(
    problems: Annotated[
        list[Path] | None, typer.Argument(metavar="PROBLEM", help="Problems' YAML files; left out: all.")
    ] = None,
    keep_runs: Annotated[int, typer.Option(help="Keep the artifacts of so many of the newest runs.", min=1)] = 10,
    yes: Annotated[bool, typer.Option("--yes/--dry-run", help="Remove it, or only list it.")] = False,
    as_json: AsJson = False,
) -> None:
    """List artifacts, logs and intermediate results that nothing needs any more; with --yes remove them."""
    from pipeline.garbage import find_garbage, remove
    from pipeline.owner import own
    from pipeline.render import open_console

    listed: dict[str, list[Item]] = {}
    for workspace in _find_workspaces(problems or []):
        with own(workspace, "gc"):
            found = find_garbage(workspace, keep_runs)
            if yes:
                remove(workspace, found)
        listed[workspace.name] = found
        if not as_json:
            open_console().print(_render(workspace, found, "removed" if yes else "may go"))
    if as_json:
        content = {name: [item.model_dump(mode="json") for item in found] for name, found in listed.items()}
        print_json({"removed": yes, "items": content})
    elif not yes and any(listed.values()):
        typer.echo("nothing was removed; --yes removes it")


def _find_workspaces(problems: list[Path]) -> "list[Workspace]":
    """Return the workspaces of the problems, or of all that have run below the working folder."""
    from pipeline.problem import load_problem
    from pipeline.workspace import open_workspace

    if problems:
        chosen = [load_problem(path).workspace for path in problems]
    else:
        home = open_workspace(Path.cwd(), "").home
        chosen = [open_workspace(Path.cwd(), path.parent.name) for path in sorted(home.glob("*/artifacts"))]
    return [workspace for workspace in chosen if workspace.folder.is_dir()]


def _render(workspace: "Workspace", found: "list[Item]", verb: str) -> "Table | str":
    """Return what was found, a line for each kind of thing."""
    from pipeline.render import table

    if not found:
        return f"{workspace.name}: nothing {verb}"
    groups: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in found:
        groups[str(item.path.parent.relative_to(workspace.folder)), item.why].append(item)
    total = sum(item.size for item in found)
    made = table("", "why", "how many", "bytes", title=f"{workspace.name}: {total:,} bytes {verb}")
    made.columns[1].justify = "left"
    for (folder, why), items in groups.items():
        made.add_row(folder, why, str(len(items)), f"{sum(item.size for item in items):,}")
    return made
