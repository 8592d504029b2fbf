"""Refused rows: kept with file, line, column, value and reason, counted, and too many of them block a run."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import BlockedError, InputError
from pipeline.problem import LoadedProblem
from pipeline.sql import quote
from pipeline.stage import Stage, rejected_files
from pipeline.workspace import Workspace

SHOWN = 5
FORMATS = (".parquet", ".csv", ".jsonl")


def write_quarantine(workspace: Workspace, stages: Iterable[Stage]) -> None:
    """Put the refused rows of all stages into the workspace's quarantine; without any there is no such file."""
    files = [file for each in stages for file in rejected_files(workspace.stages, each.digest)]
    workspace.quarantine.unlink(missing_ok=True)
    if len(files) == 1:
        shutil.copyfile(files[0], workspace.quarantine)
    elif files:
        listed = ", ".join(quote(str(file)) for file in files)
        _copy(f"SELECT * FROM read_parquet([{listed}])", workspace.quarantine, "FORMAT parquet, COMPRESSION zstd")


def read_quarantine(workspace: Workspace, limit: int) -> tuple[list[dict[str, Any]], int]:
    """Return refused rows (`table`, `file`, `line`, `column`, `value`, `reason`, `row`), and how many there are."""
    import duckdb

    if not workspace.quarantine.exists():
        return [], 0
    rows = duckdb.sql(f"SELECT * FROM read_parquet({quote(str(workspace.quarantine))})")
    ((total,),) = rows.aggregate("count(*)").fetchall()
    return rows.limit(limit).to_arrow_table().to_pylist(), total


def export_quarantine(workspace: Workspace, out: Path) -> int:
    """Write the refused rows to `out`, a Parquet, CSV or JSON lines file by its name; return how many.

    Raises:
        InputError: nothing was refused, or another suffix.
    """
    if out.suffix not in FORMATS:
        raise InputError(f"{out}: expected a file ending in {', '.join(FORMATS)}, received '{out.name}'")
    if not workspace.quarantine.exists():
        raise InputError(f"{workspace.quarantine}: no such file: the last run refused no row")
    options = {".parquet": "FORMAT parquet", ".csv": "FORMAT csv, HEADER", ".jsonl": "FORMAT json"}[out.suffix]
    _copy(f"SELECT * FROM read_parquet({quote(str(workspace.quarantine))})", out, options)
    return read_quarantine(workspace, 1)[1]


def _copy(query: str, out: Path, options: str) -> None:
    import duckdb

    part = out.with_name(f".{out.name}.part")
    try:
        duckdb.sql(f"COPY ({query}) TO {quote(str(part))} ({options})")
    except duckdb.Error as error:
        raise InputError(f"{out}: can't be written: {str(error).splitlines()[0]}") from error
    part.replace(out)


def refuse_excess(loaded: LoadedProblem, workspace: Workspace, stages: Sequence[Stage]) -> None:
    """Stop a run that would leave out more rows than the problem allows.

    Raises:
        BlockedError: with the first refused rows.
    """
    source = loaded.problem.source
    messages = []
    for table in sorted({name for each in stages for name in each.rejected}):
        rejected, rows = (sum(getattr(each, part).get(table, 0) for each in stages) for part in ("rejected", "read"))
        if rejected > source.max_rejected * rows:
            messages.append(
                f"blocked: {rejected:,} of {rows:,} rows of table '{table}' ({rejected / rows:.2%}) were refused; "
                f"source.max_rejected allows {source.max_rejected:.2%}"
            )
    if messages:
        shown = [f"  {describe(row)}" for row in read_quarantine(workspace, SHOWN)[0]]
        path = loaded.file.path
        raise BlockedError("\n".join([*messages, *shown, f"all of them: penstock quarantine show {path}"]))


def describe(row: dict[str, Any]) -> str:
    """Return `file:line: column: reason, received value` of a refused row."""
    place = ":".join(str(part) for part in (row["file"] or row["table"], row["line"]) if part is not None)
    column = f"column '{row['column']}': " if row["column"] else ""
    received = f", received {row['value']!r:.80}" if row["value"] is not None else ""
    return f"{place}: {column}{row['reason']}{received}"
