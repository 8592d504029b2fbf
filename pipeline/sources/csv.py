"""Comma-separated text, also compressed; the delimiter is detected, the header is required."""

import csv
import gzip
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

from models.settings import Settings
from pipeline.fetch import Fetch
from pipeline.sources import quote


class Params(Settings):
    """Settings of a CSV source.

    Attributes:
        files: a path or pattern, or several by table name; a single one is the table `data`. Relative to the root.
        query: an SQL file over those tables (DuckDB); left out: the only table as it is.
        null: cell texts that mean "missing".
        fetch: where the files come from when they are not here yet.
    """

    kind: Literal["csv"] = "csv"
    files: str | dict[str, str]
    query: str | None = None
    null: tuple[str, ...] = ("", "NA")
    fetch: Fetch | None = None


def scan(files: Sequence[Path], params: Params, texts: Collection[str] = (), *, whole: bool) -> str:
    """Return DuckDB's `read_csv` over `files`, which must share one header."""
    paths = ", ".join(quote(str(file)) for file in files)
    nulls = ", ".join(quote(text) for text in params.null)
    sample = -1 if whole else 2_000
    known = set(read_names(files[0]))
    types = ", ".join(f"{quote(name)}: 'VARCHAR'" for name in texts if name in known)
    return (
        f"read_csv([{paths}], {_dialect(files[0])}, nullstr = [{nulls}], sample_size = {sample}, types = {{{types}}})"
    )


def strict_scans(files: Sequence[Path]) -> list[str]:
    """Return an expression per file that reads every cell as text: where it fails, it names the line.

    With types to detect, one ragged row makes DuckDB doubt the whole dialect, and its error names no line.
    """
    scans = []
    for file in files:
        columns = ", ".join(f"{quote(name or str(index))}: 'VARCHAR'" for index, name in enumerate(read_names(file)))
        scans.append(f"read_csv({quote(str(file))}, {_dialect(file)}, auto_detect = false, columns = {{{columns}}})")
    return scans


def _dialect(file: Path) -> str:
    # left to itself DuckDB takes a file with one ragged row for a file with one column
    return f"delim = {quote(detect_delimiter(file))}, quote = '\"', header = true, skip = 0, strict_mode = true"


def read_names(file: Path) -> list[str]:
    """Return the names in the header."""
    return next(csv.reader([read_header(file)], delimiter=detect_delimiter(file)), [])


def detect_delimiter(file: Path) -> str:
    """Return which of `, ; tab |` the header has most of, outside quotes; a comma for a single column."""
    bare = re.sub(r'"[^"]*"', "", read_header(file))
    return max(",;\t|", key=bare.count)


def read_header(file: Path) -> str:
    """Return the first line of a plain or gzip file."""
    opener = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rb") as stream:
        return str(stream.readline(1_000_000).decode("utf-8-sig", "replace")).rstrip("\r\n")
