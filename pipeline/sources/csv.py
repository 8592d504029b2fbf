"""Comma-separated text, also compressed; the delimiter is detected, the header is required."""

from collections.abc import Sequence
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


def scan(files: Sequence[Path], params: Params, *, whole: bool) -> str:
    """Return DuckDB's `read_csv` over `files`, which must share one header."""
    paths = ", ".join(quote(str(file)) for file in files)
    nulls = ", ".join(quote(text) for text in params.null)
    sample = -1 if whole else 2_000
    return f"read_csv([{paths}], header = true, nullstr = [{nulls}], sample_size = {sample}, strict_mode = true)"
