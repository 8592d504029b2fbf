"""Kinds of sources: one file each; the file's name is the `kind:` of the source in the YAML."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Protocol


class SourceKind(Protocol):
    """The parts of a source kind that reads files."""

    Params: Any
    """Settings: `files`, `query`, `fetch` and what the kind needs."""

    def scan(self, files: Sequence[Path], params: Any, texts: Collection[str] = (), *, whole: bool) -> str:
        """Return DuckDB's SQL table expression that reads `files` as one table.

        `texts` are columns that stay text whatever they look like, where the format does not know its types.
        `whole` asks for types that hold for every row; without it the first rows may decide (for a quick look).
        """


def quote(text: str) -> str:
    """Return `text` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
