"""Where rows stand in their files."""

from collections.abc import Iterable
from typing import NamedTuple

from pipeline.tables import explain_errors
from pipeline.validation.candidate import Candidate

PLACED = "__placed"


class Place(NamedTuple):
    """Where a row stands: a file and a line from 1; of a binary file the number of the row or record."""

    file: str
    line: int


class Places:
    """The places of a table's rows; the files are read for them once, when somebody asks."""

    def __init__(self, candidate: Candidate) -> None:
        self._candidate = candidate
        self._known: bool | None = None

    @property
    def known(self) -> bool:
        """Whether rows have a place. Not if a query made them, or if as many lines as rows were not found."""
        if self._known is None:
            self._known = self._candidate.places is not None and self._find()
        return self._known

    def find(self, rows: Iterable[int]) -> dict[int, Place]:
        """Return the places of rows by their `rowid`; nothing if they are not known."""
        listed = ", ".join(map(str, sorted(set(rows))))
        if not listed or not self.known:
            return {}
        found = self._candidate.connection.sql(f"SELECT rowid, file, line FROM {PLACED} WHERE rowid IN ({listed})")
        return {row: Place(file, line) for row, file, line in found.fetchall()}

    def join(self, rows: str) -> str:
        """Return SQL of `rows`, whose `__row` is the `rowid`, with columns `__file` and `__line`."""
        if not self.known:
            return f"SELECT *, NULL::VARCHAR AS __file, NULL::BIGINT AS __line FROM {rows}"
        placed = f"(SELECT rowid AS __row, file AS __file, line AS __line FROM {PLACED})"
        return f"SELECT * FROM {rows} JOIN {placed} USING (__row)"

    def _find(self) -> bool:
        connection, relation = self._candidate.connection, self._candidate.relation
        with explain_errors():
            connection.execute(f"CREATE OR REPLACE TEMP TABLE {PLACED} AS {self._candidate.places}").fetchall()
            counts = f"(SELECT count(*) FROM {PLACED}), (SELECT count(*) FROM {relation})"
            placed, rows = connection.sql(f"SELECT {counts}").fetchall()[0]
        return bool(placed == rows)
