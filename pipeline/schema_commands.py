"""`penstock schema`: the curated schema inferred, shown, compared with data, edited and checked."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.arguments import AsJson, ProblemFile, ProblemFiles
from pipeline.errors import InputError
from pipeline.json_output import print_json

if TYPE_CHECKING:
    from pipeline.contract import Accepted, Compared
    from pipeline.problem import LoadedProblem
    from pipeline.schema_check import Checked
    from schemas.difference import Difference
    from schemas.words import ColumnWords

app = typer.Typer(
    help="The schema that a problem's data must fit: infer, show, diff, accept, check.", no_args_is_help=True
)


def _load(path: Path) -> "LoadedProblem":
    from pipeline.problem import load_problem

    return load_problem(path)


def _print(content: Any, *, soft_wrap: bool = False) -> None:
    from pipeline.render import open_console

    open_console().print(content, soft_wrap=soft_wrap)


@app.command("infer")
def infer(
    problem: ProblemFile,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the schema that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a schema of the problem's data, with limits measured on the data itself."""
    from pipeline.console import hold_stderr
    from pipeline.proposal import propose
    from pipeline.render import relative

    with hold_stderr():
        made = propose(_load(problem), force=force)
    if as_json:
        print_json({**made._asdict(), "text": None} | {"path": str(made.path)})
        return
    for note in made.notes:
        typer.echo(f"  {note}")
    typer.echo(f"wrote {relative(made.path)}: {made.columns} columns of {made.rows:,} rows")
    if made.yaml_line:
        typer.echo(f"put this line into {problem}:\n\n{made.yaml_line}\n")
    typer.echo(f"next  read it and curate it, then: penstock schema check {problem}")


@app.command("show")
def show(problem: ProblemFile, as_json: AsJson = False) -> None:
    """Print the schema as a table: type, presence, domain, limits and environments of each column."""
    from pipeline.contract import read_contract
    from schemas.words import describe

    schema, path = read_contract(_load(problem))
    columns = describe(schema)
    if as_json:
        print_json([column.model_dump(mode="json") for column in columns])
    else:
        _print(_columns(columns, path))


def _columns(columns: "Sequence[ColumnWords]", path: Path) -> Any:
    from rich.console import Group
    from rich.text import Text

    from pipeline.render import relative, table

    made = table("column", "type", "presence", "domain", "drift", "skew", "in", title=relative(path))
    stages = {stage for column in columns for stage in column.environments}
    for each in columns:
        where = "all" if set(each.environments) == stages else ", ".join(each.environments).lower() or "none"
        drift, skew = (_abbreviate(limit) for limit in (each.drift, each.skew))
        presence = each.presence.removesuffix(" of the rows")
        made.add_row(each.name, each.type, presence, each.domain, drift, skew, where)
    for header in made.columns:
        header.justify, header.overflow = "left", "fold"
        header.min_width = len(str(header.header))
    made.columns[0].no_wrap = True
    notes = "drift, skew: largest distance allowed (JS Jensen-Shannon, L∞ change of a value's share); in: environments"
    return Group(made, Text(notes, style="dim"))


def _abbreviate(limit: str) -> str:
    return limit.replace("Jensen-Shannon", "JS").replace("share of a value", "L∞")


@app.command("diff")
def diff(
    problem: ProblemFile,
    other: Annotated[
        Path | None,
        typer.Argument(
            metavar="OTHER",
            help="Another schema (.pbtxt), or data in place of the first table; left out: the problem's own.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the schema with another one, or with data, in words with numbers; exit code 1 if they differ."""
    from pipeline.contract import compare, compare_files

    loaded = _load(problem)
    if other is not None and other.suffix == ".pbtxt":
        differences: Sequence[Difference] = compare_files(loaded, other)
        what, facts = f"{other}", {}
    else:
        compared = compare(loaded, other)
        differences, facts = compared.differences, {"rows": compared.rows, "environment": compared.environment}
        what = f"{compared.rows:,} rows, environment {compared.environment}"
    if as_json:
        print_json({**facts, "differences": [each.model_dump(mode="json") for each in differences]})
    else:
        _print(_differences(differences, what), soft_wrap=True)
        if differences and facts:
            typer.echo(f"accept some of them: penstock schema accept {problem}{f' --data {other}' if other else ''}")
    if differences:
        raise typer.Exit(1)


def _differences(differences: "Sequence[Difference]", what: str) -> Any:
    from rich.text import Text

    if not differences:
        return Text(f"no difference: {what}", style="green")
    plural = "s" if len(differences) > 1 else ""
    lines = [Text.assemble("\n  ", (each.feature or "schema", "cyan"), ": ", each.words) for each in differences]
    return Text.assemble((f"{len(differences)} difference{plural}: {what}", "bold"), *lines)


@app.command("accept")
def accept(
    problem: ProblemFile,
    chosen: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FEATURE[:KIND]", help="What to accept, carrier:unexpected-values; or carrier:drift=0.1."
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Accept all that can be accepted.")] = False,
    data: Annotated[Path | None, typer.Option(help="A file in place of the problem's first table.")] = None,
    as_json: AsJson = False,
) -> None:
    """Edit the schema's file so that it accepts what the data has; comments and order stay.

    Without a name it lists what could be accepted. FEATURE:optional keeps a missing column as one that may be missing;
    FEATURE:drift=0.1 and FEATURE:skew=0.1 set a limit, without reading data.
    """
    from pipeline.contract import accept_differences, accept_limits, compare, limits_of

    loaded = _load(problem)
    if chosen and everything:
        raise InputError("--all: expected no feature beside it, received " + " ".join(chosen))
    limits, names = limits_of(chosen or [])
    if limits and not names:
        _report(accept_limits(loaded, limits), as_json=as_json)
        return
    if limits:
        raise InputError(f"expected limits or differences, not both at once, received {' '.join(chosen or [])}")
    compared = compare(loaded, data)
    if not names and not everything:
        _list(loaded, compared, as_json=as_json)
        return
    _report(accept_differences(loaded, compared, None if everything else names), as_json=as_json)


def _list(loaded: "LoadedProblem", compared: "Compared", *, as_json: bool) -> None:
    """Print what could be accepted."""
    from pipeline.contract import list_acceptable, name_of
    from pipeline.render import table

    found = list_acceptable(loaded, compared)
    if as_json:
        print_json([{"name": name_of(each), **each.model_dump(mode="json")} for each in found])
        return
    if not found:
        typer.echo("nothing to accept" + (": no edit of the schema helps" if compared.differences else ""))
        return
    made = table("accept", "what it is")
    made.columns[1].justify = "left"
    for each in found:
        made.add_row(name_of(each), each.words)
    _print(made)
    typer.echo("name those to accept, or --all")


def _report(done: "Accepted", *, as_json: bool) -> None:
    """Print the diff of the file."""
    from pipeline.render import relative

    if as_json:
        accepted = [each.model_dump(mode="json") for each in done.differences]
        print_json({"path": str(done.path), "accepted": accepted, "diff": done.diff()})
        return
    typer.echo(done.diff() or "nothing to change", nl=not done.diff())
    if done.diff():
        typer.echo(f"accepted {len(done.differences)} in {relative(done.path)}")


@app.command("check")
def check(
    problems: ProblemFiles,
    as_json: AsJson = False,
) -> None:
    """Say what is odd in schemas, and where they don't fit their problems; no data is read."""
    from pipeline.schema_check import check_schema

    checked = [check_schema(_load(path)) for path in problems]
    if as_json:
        print_json([each._asdict() | {"faults": [fault._asdict() for fault in each.faults]} for each in checked])
    else:
        for path, each in zip(problems, checked, strict=True):
            _faults(path, each)
    if any(each.is_wrong for each in checked):
        raise typer.Exit(InputError.exit_code)


def _faults(problem: Path, checked: "Checked") -> None:
    from pipeline.render import relative

    for fault in checked.faults:
        feature = f"{fault.feature}: " if fault.feature else ""
        typer.echo(f"{relative(checked.path)}:{fault.line}: {fault.severity}: {feature}{fault.words}", err=True)
    for message in checked.mistakes:
        typer.echo(message, err=True)
    if not checked.is_wrong:
        typer.echo(f"{problem}: ok, {checked.columns} columns in {relative(checked.path)}")
