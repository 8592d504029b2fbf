"""`penstock predict`: a few rows to a table on the screen, or a file of any size to a file of answers."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pipeline.arguments import AsJson
from pipeline.errors import InputError

if TYPE_CHECKING:
    from pipeline.rows.files import Chunk, Refused
    from pipeline.rows.parts import Job
    from pipeline.rows.scoring import Asked, Outcome

SHOWN_ROWS = 50
STDIN = Path("-")
DEFAULT_URL = "http://localhost:8501"


def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The served model's name.")],
    rows: Annotated[
        Path, typer.Argument(metavar="ROWS", help="CSV, Parquet, JSON or JSON lines; - reads standard input.")
    ] = STDIN,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write the rows with their answers: .csv, .parquet, .jsonl or .json. Left out: a table here."
        ),
    ] = None,
    url: Annotated[
        str, typer.Option(help="Where TensorFlow Serving or `penstock serve` answers over REST.")
    ] = DEFAULT_URL,
    grpc: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Ask over gRPC instead.")] = None,
    version: Annotated[int | None, typer.Option(help="Ask this version; left out, the newest.", min=0)] = None,
    label: Annotated[str | None, typer.Option(help="Ask the version with this label.")] = None,
    signature: Annotated[str, typer.Option(help="What to run.")] = "serving_default",
    on_error: Annotated[
        Literal["fail", "skip"],
        typer.Option(help="A row that does not fit: stop there, or leave it out and write why beside OUT."),
    ] = "fail",
    prefix: Annotated[str, typer.Option(help="Begin the answers' names in OUT with this.")] = "",
    restart: Annotated[
        bool, typer.Option("--restart", help="Forget what an earlier, stopped run has answered.")
    ] = False,
    token: Annotated[str | None, typer.Option(envvar="PENSTOCK_TOKEN", help="Bearer token.")] = None,
    ca: Annotated[
        Path | None, typer.Option(help="Certificates (PEM) to trust, for https:// and gRPC with TLS.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds for one request.", min=0.001)] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Ask a served model about rows; columns that the model does not know are left out.

    All answers come from one version, also when a newer one appears meanwhile. With --out it goes on after an
    interruption where it stopped.
    """
    from pipeline.rows.formats import check_suffix
    from pipeline.rows.parts import Job, digest, to_json
    from pipeline.rows.scoring import Asked
    from serving.client import Options, PredictionClient

    address = f"{'grpcs' if ca else 'grpc'}://{grpc}" if grpc else url
    asked_of = Options(version=version, label=label, token=token, ca_file=ca, timeout_s=timeout)
    if out is not None:
        check_suffix(out)
    with PredictionClient(address, model, asked_of) as client:
        served = client.describe()
    pinned = Options(version=served.version, token=token, ca_file=ca, timeout_s=timeout)
    with PredictionClient(address, model, pinned) as client:
        asked = Asked(client, served.version, signature, client.metadata(signature), on_error, prefix)
        if out is None:
            _show(rows, asked, as_json=as_json)
            return
        job = Job(digest(rows), model, served.version, signature, on_error, prefix)
        written = _write(rows, out, asked, job, restart=restart)
    if as_json:
        sys.stdout.write(to_json(written).decode() + "\n")
    else:
        _print_written(written, model)


def _show(file: Path, asked: "Asked", *, as_json: bool) -> None:
    """Print the answers to all rows as JSON, or those to the first ones as a table."""
    from pipeline.rows.files import cut, read_chunks
    from pipeline.rows.parts import to_json
    from pipeline.rows.scoring import ask, to_list

    chunks = read_chunks(file)
    first = _look(chunks, file, asked)
    if as_json:
        answers: list[Any] = []
        for chunk in chain([first], chunks):
            kept, found = ask(chunk, file, asked)
            _tell_refused(kept.refused, file)
            answers += to_list(found)
        sys.stdout.write(to_json(answers).decode() + "\n")
        return
    from pipeline.render import open_console, render_answers

    kept, found = ask(cut(first, SHOWN_ROWS), file, asked)
    _tell_refused(kept.refused, file)
    rows = kept.rows if isinstance(kept.rows, list) else kept.rows.to_pylist()
    open_console().print(render_answers(to_list(found), rows=rows))
    if len(first.places) > SHOWN_ROWS:
        typer.echo(f"the first {SHOWN_ROWS} rows; --out FILE answers all", err=True)


def _look(chunks: "Iterator[Chunk]", file: Path, asked: "Asked") -> "Chunk":
    """Return the first chunk; say which inputs the rows don't have, for a typo would be answered as well."""
    first = next(chunks, None)
    if first is None:
        raise InputError(f"{file}: expected at least one row, received none")
    rows = first.rows
    known = {name for row in rows for name in row} if isinstance(rows, list) else set(rows.column_names)
    absent = [name for name in asked.signature.inputs if name not in known]
    if absent and first.places:
        typer.echo(f"{file}: no column {', '.join(absent)}: asked as missing", err=True)
    return first


def _tell_refused(refused: "list[Refused]", file: Path) -> None:
    for each in refused:
        typer.echo(each.describe(file), err=True)


def _write(file: Path, out: Path, asked: "Asked", job: "Job", *, restart: bool) -> dict[str, Any]:
    """Answer all rows into `out`; return what was done."""
    from pipeline.errors import name_full_disk
    from pipeline.rows.files import read_chunks
    from pipeline.rows.formats import assemble
    from pipeline.rows.parts import open_parts, remove_parts
    from pipeline.rows.scoring import score

    began = time.monotonic()
    _look(read_chunks(file), file, asked)
    done: list[Outcome] = []
    with name_full_disk(out.absolute().parent), open_parts(out, job, restart=restart) as parts:
        with _progress(file) as advance:
            for outcome in score(file, asked, parts):
                done.append(outcome)
                advance(outcome)
        rejected = assemble(parts, out)
        remove_parts(parts)
    return {
        "out": str(out),
        "rows": sum(outcome.answered for outcome in done),
        "answered_before": sum(outcome.answered for outcome in done if outcome.is_old),
        "rejected": sum(outcome.refused for outcome in done),
        "rejected_rows": str(rejected) if rejected else None,
        "version": asked.version,
        "seconds": round(time.monotonic() - began, 3),
    }


def _print_written(written: dict[str, Any], model: str) -> None:
    speed = (written["rows"] - written["answered_before"]) / max(written["seconds"], 1e-3)
    before = f", {written['answered_before']:,} of them by an earlier run" if written["answered_before"] else ""
    typer.echo(f"wrote {written['out']}: {written['rows']:,} rows by version {written['version']} of {model}{before}")
    typer.echo(f"{written['seconds']:.1f} s, {speed:,.0f} rows/s", err=True)
    if written["rejected"]:
        count = "1 row was" if written["rejected"] == 1 else f"{written['rejected']:,} rows were"
        typer.echo(f"{count} left out, with the reason: {written['rejected_rows']}", err=True)


@contextmanager
def _progress(file: Path) -> "Iterator[Callable[[Outcome], None]]":
    """Yield what moves a bar; there is one on a terminal only."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(file.name, total=1.0, rows=0)
        rows = 0

        def advance(outcome: "Outcome") -> None:
            nonlocal rows
            rows += outcome.answered
            bar.update(task, completed=outcome.fraction, rows=rows)

        yield advance
