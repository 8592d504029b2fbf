"""`penstock score`: rows of any source through a pushed version into one file, without a server."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from pipeline.arguments import AsJson, ProblemFile
from pipeline.json_output import print_json

if TYPE_CHECKING:
    from pipeline.bulk.pieces import Staged
    from pipeline.bulk.scoring import Scored
    from pipeline.rows.parts import Parts

POLL_S = 0.5
MODULES = ("tensorflow", "pipeline.bulk.inference")


def score(
    problem: ProblemFile,
    data: Annotated[
        Path | None,
        typer.Argument(metavar="DATA", help="In place of the problem's first table; left out, the problem's own data."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The file to write: .parquet, .csv, .jsonl or .json.")] = ...,  # type: ignore[assignment]
    key: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Stands beside the answers; left out, all columns.")
    ] = None,
    version: Annotated[str, typer.Option(help="A number, a label, or live.")] = "live",
    prefix: Annotated[str, typer.Option(help="Begin the answers' names with this.")] = "",
    beam: Annotated[
        list[str] | None,
        typer.Option(metavar="ARGUMENT", help="Of the Beam pipeline, as --beam=--runner=FlinkRunner; left out, here."),
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Forget what an earlier, stopped run has scored.")] = False,
    as_json: AsJson = False,
) -> None:
    """Score a table with a pushed model by Beam, without a server.

    The rows are read as `penstock run` reads them: any source, the query, the schema's types. They come in no
    particular order; keys tell them apart. After an interruption the same command goes on where it stopped.
    """
    from pipeline.beam_arguments import LOCAL
    from pipeline.bulk.scoring import Order
    from pipeline.bulk.scoring import score as score_rows
    from pipeline.console import hold_stderr
    from pipeline.imports import import_ahead, import_shared
    from pipeline.problem import load_problem
    from pipeline.rows.formats import check_suffix
    from serving.rollout import choose_version, read_sound

    check_suffix(out)
    loaded = load_problem(problem)
    base = loaded.workspace.serving
    chosen = base / str(read_sound(base, choose_version(base, version)).version)
    order = Order(data, out, chosen, tuple(key or ()), prefix, tuple(beam or LOCAL), restart)
    with os.fdopen(os.dup(2), "w") as terminal, hold_stderr():
        import_shared()
        import_ahead(MODULES)
        done = score_rows(loaded, order, partial(_progress, terminal))
    _print(done, loaded.problem.name, as_json=as_json)


def _print(done: "Scored", name: str, *, as_json: bool) -> None:
    if as_json:
        print_json(done._asdict())
        return
    before = f", {done.scored_before:,} of them by an earlier run" if done.scored_before else ""
    typer.echo(f"wrote {done.out}: {done.rows:,} rows by version {done.version} of {name}{before}")
    speed = (done.rows - done.scored_before) / max(done.seconds, 1e-3)
    typer.echo(f"{done.seconds:.1f} s ({done.read_s:.1f} s of them reading), {speed:,.0f} rows/s", err=True)
    if done.rejected:
        count = "1 row was" if done.rejected == 1 else f"{done.rejected:,} rows were"
        rejected = Path(done.out).with_name(f"{Path(done.out).stem}.rejected.jsonl")
        typer.echo(f"{count} not readable, with the reason: {rejected}", err=True)


@contextmanager
def _progress(terminal: IO[str], parts: "Parts", staged: "Staged") -> "Iterator[None]":
    """Show how many rows have a part; on a terminal only, for a runner elsewhere tells nothing else."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(file=terminal)
    columns = (TextColumn("{task.completed:,.0f} of {task.total:,.0f} rows"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=staged.rows)
        over = threading.Event()

        def look() -> None:
            while not over.wait(POLL_S):
                bar.update(task, completed=sum(piece.rows for piece in staged.pieces if parts.find(piece.number)))

        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
