"""The refused rows: how many there are, for which reason, and the first of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.settings import Settings
from pipeline.sql import quote

if TYPE_CHECKING:
    import duckdb

SHOWN_REASONS = 20
SHOWN_ROWS = 20
SHOWN_CHARACTERS = 200


class Reason(Settings):
    """Why rows of a table were refused, by column (empty: the row as a whole), and how many."""

    table: str
    column: str
    reason: str
    rows: int


class RefusedRow(Settings):
    """A refused row: where it stands, what is wrong with it, its value and its text."""

    place: str
    column: str
    reason: str
    value: str
    row: str


class Refused(Settings):
    """The refused rows.

    Attributes:
        total: faults that the quarantine holds; a row can have several.
        reasons: the most frequent ones.
        rows: the first ones.
    """

    total: int = 0
    reasons: tuple[Reason, ...] = ()
    rows: tuple[RefusedRow, ...] = ()


def read_refused(connection: "duckdb.DuckDBPyConnection", quarantine: Sequence[Path] | None) -> Refused | None:
    """Return what the quarantine holds; None if it is gone."""
    if not quarantine:
        return None if quarantine is None else Refused()
    scan = f"read_parquet([{', '.join(quote(str(file)) for file in quarantine)}])"
    ((total,),) = connection.execute(f"SELECT count(*) FROM {scan}").fetchall()
    reasons = connection.execute(
        f"SELECT coalesce(\"table\", ''), coalesce(\"column\", ''), coalesce(reason, ''), count(*) FROM {scan} "
        f"GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT {SHOWN_REASONS}"
    ).fetchall()
    rows = connection.execute(
        f'SELECT coalesce(file, "table"), line, "column", reason, value, row FROM {scan} LIMIT {SHOWN_ROWS}'
    ).fetchall()
    return Refused(
        total=total,
        reasons=tuple(Reason(table=a, column=b, reason=c, rows=count) for a, b, c, count in reasons),
        rows=tuple(_refused_row(*row) for row in rows),
    )


def _refused_row(file: str | None, line: int | None, *texts: Any) -> RefusedRow:
    column, reason, value, row = (str("" if text is None else text)[:SHOWN_CHARACTERS] for text in texts)
    place = ":".join(str(part) for part in (file, line) if part is not None)
    return RefusedRow(place=place, column=column, reason=reason, value=value, row=row)
