"""`penstock models`: the pushed versions listed, shown, compared, verified, rolled back, labelled."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pipeline.arguments import AsJson
from pipeline.errors import InputError
from pipeline.json_output import print_json

Label = Literal["stable", "canary"]
app = typer.Typer(
    help="The versions that were pushed: list, show, diff, verify, rollback, label, live.", no_args_is_help=True
)
Model = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|PROBLEM|DIR",
        help="A model below .penstock/serving, a problem's YAML, a folder of versions; left out, the only model.",
    ),
]
Version = Annotated[str, typer.Argument(metavar="VERSION", help="A number, a label, or live.")]
Why = Annotated[str, typer.Option(help="The reason, for the history.")]


def _print(content: Any) -> None:
    from pipeline.render import open_console

    open_console().print(content, soft_wrap=True)


def find_bases(model: str | None) -> list[Path]:
    """Return the folder of versions of `model`, or of every model below the working folder's .penstock.

    Raises:
        InputError: there is none.
    """
    from pipeline.problem import load_problem
    from pipeline.workspace import open_workspace

    if model and Path(model).is_dir():
        return [Path(model).resolve()]
    if model and Path(model).suffix in {".yaml", ".yml"}:
        return [load_problem(Path(model)).workspace.serving]
    folder = open_workspace(Path.cwd(), "").home / "serving"
    found = sorted(path for path in folder.glob("*") if path.is_dir())
    chosen = [path for path in found if model in (None, path.name)]
    if not chosen:
        known = f", there are {', '.join(path.name for path in found)}" if found else "; `penstock run` pushes one"
        raise InputError(f"{folder}: expected {model or 'a pushed model'}, received none{known}")
    return chosen


def find_base(model: str | None) -> Path:
    """Return the folder of versions of `model`, or of the only model below the working folder's .penstock.

    Raises:
        InputError: there is none, or several.
    """
    found = find_bases(model)
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise InputError(f"--model: expected one of {names}, received nothing")
    return found[0]


@app.command("list")
def list_versions(model: Model = None, as_json: AsJson = False) -> None:
    """List the versions of a model, or of all models: newest first, what is served, labels, metrics."""
    from pipeline.models_view import render_list
    from serving.catalog import list_entries

    entries = {base: list_entries(base) for base in find_bases(model)}
    if as_json:
        print_json({base.name: [entry.model_dump(mode="json") for entry in found] for base, found in entries.items()})
        return
    for base, found in entries.items():
        _print(render_list(base, found))


@app.command()
def show(version: Version = "live", model: Model = None, as_json: AsJson = False) -> None:
    """Show what a version was made of: data, code, problem, lock file; its metrics; what became of it."""
    from pipeline.models_view import render_entry
    from serving.catalog import read_entry
    from serving.history import read_history
    from serving.rollout import choose_version

    base = find_base(model)
    entry = read_entry(base, choose_version(base, version))
    told = [event for event in read_history(base).events if entry.version in (event.version, event.origin)]
    if as_json:
        print_json(entry.model_dump(mode="json") | {"events": [event.model_dump(mode="json") for event in told]})
    else:
        _print(render_entry(base, entry, told))


@app.command()
def diff(first: Version, second: Version, model: Model = None, as_json: AsJson = False) -> None:
    """Compare two versions: data, problem, code, metrics, files; exit code 1 if they differ."""
    from pipeline.models_view import render_differences
    from serving.catalog import compare, read_entry
    from serving.rollout import choose_version

    base = find_base(model)
    entries = [read_entry(base, choose_version(base, version)) for version in (first, second)]
    differences = compare(*entries)
    if as_json:
        print_json([each._asdict() for each in differences])
    else:
        _print(render_differences(entries, differences))
    raise typer.Exit(1 if differences else 0)


@app.command()
def verify(
    version: Annotated[str | None, typer.Argument(metavar="VERSION", help="Left out: all, and the history.")] = None,
    model: Model = None,
    as_json: AsJson = False,
) -> None:
    """Compare every file with what was pushed, bit by bit, and check the history; exit code 1 if anything differs."""
    from rich.text import Text

    from serving.audit import verify as verify_base
    from serving.rollout import choose_version, require_versions

    base = find_base(model)
    found = require_versions(base)
    faults = verify_base(base, choose_version(base, version) if version else None)
    if as_json:
        print_json([fault._asdict() for fault in faults])
    elif faults:
        _print(Text("\n".join(map(str, faults)), style="red"))
    else:
        what = version or f"{len(found)} {'version' if len(found) == 1 else 'versions'} and the history"
        _print(Text(f"{base.name}: {what}: every file is what was pushed", style="green"))
    raise typer.Exit(1 if faults else 0)


@app.command()
def rollback(
    version: Annotated[
        str | None,
        typer.Argument(metavar="VERSION", help="A number or a label; left out, the newest other model."),
    ] = None,
    why: Why = "",
    model: Model = None,
    as_json: AsJson = False,
) -> None:
    """Serve an older model again, at once and until somebody rolls it back; the one served now stays away."""
    from serving.manifest import read_manifest
    from serving.rollout import choose_version
    from serving.rollout import rollback as roll_back

    base = find_base(model)
    done = roll_back(base, choose_version(base, version) if version else None, why)
    if as_json:
        print_json({"version": done.version, "path": done.path, "fresh": done.fresh})
    elif done.fresh:
        manifest = read_manifest(done.path)
        origin = manifest.origin if manifest else None
        typer.echo(f"{base.name}: the model of version {origin} is served again, as version {done.version}")
    else:
        typer.echo(f"{base.name}: nothing to do, version {done.version} is that model")


@app.command()
def label(
    name: Annotated[Label, typer.Argument(metavar="stable|canary", help="What requests ask for.")],
    version: Annotated[str | None, typer.Argument(metavar="VERSION", help="A number, a label, or live.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the label away.")] = False,
    why: Why = "",
    model: Model = None,
) -> None:
    """Let requests for a label go to a version: in the models.config that TensorFlow Serving reads."""
    from pipeline.render import relative
    from serving.model_config import FILE
    from serving.rollout import choose_version, set_label

    base = find_base(model)
    if (version is None) != remove:
        raise InputError("label: expected a VERSION or --remove, received " + ("both" if remove else "neither"))
    chosen = choose_version(base, version) if version else None
    set_label(base, name, chosen, why)
    if chosen is None:
        typer.echo(f"{base.name}: no version is {name}")
    else:
        typer.echo(f"{base.name}: {name} is version {chosen}; {relative(base / FILE)} says so")


@app.command()
def live(
    at: Annotated[
        str | None, typer.Option(help="A time, 2026-11-21T09:30 (UTC, or with +01:00); left out: now.")
    ] = None,
    model: Model = None,
    as_json: AsJson = False,
) -> None:
    """Say which version is served, or was at a time, and from which data it was made."""
    from pipeline.models_view import render_live
    from serving.rollout import find_live

    base = find_base(model)
    found = find_live(base, _read_time(at) if at else None)
    if as_json:
        since = found.since.model_dump(mode="json") if found.since else None
        print_json({"version": found.version, "since": since})
    else:
        _print(render_live(base, found))
    raise typer.Exit(1 if found.version is None else 0)


def _read_time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"--at: expected a time such as 2026-11-21T09:30, received '{text}'") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
