"""Parquet files."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

from models.settings import Settings
from pipeline.fetch import Fetch
from pipeline.sources import quote


class Params(Settings):
    """Settings of a Parquet source.

    Attributes:
        files: a path or pattern, or several by table name; a single one is the table `data`. Relative to the root.
        query: an SQL file over those tables (DuckDB); left out: the only table as it is.
        fetch: where the files come from when they are not here yet.
    """

    kind: Literal["parquet"] = "parquet"
    files: str | dict[str, str]
    query: str | None = None
    fetch: Fetch | None = None


def scan(files: Sequence[Path], params: Params, texts: Collection[str] = (), *, whole: bool) -> str:
    """Return DuckDB's `read_parquet` over `files`; Parquet knows its types."""
    return f"read_parquet([{', '.join(quote(str(file)) for file in files)}])"
