"""The examples in a table of DuckDB: one row an example, one value a column, missing ones null."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from models.settings import Settings
from pipeline.errors import InputError
from pipeline.sql import identifier, quote
from pipeline.tables import Column, memory_mb

if TYPE_CHECKING:
    import duckdb

PREVIOUS = "previous"
DATA = "data"
LOOKED_AT = 1000
WIDE = 200
COLUMN_MB = 2
"""A table of more columns stays in its files: DuckDB keeps a megabyte a column in memory while it writes one."""
MISSING_INT = -(2**63)
"""Marker of a missing whole number (`models.raw`), should a writer have kept it."""
Kind = Literal["number", "time", "text"]


class Label(Settings):
    """What the model predicts.

    Attributes:
        column: its name.
        kind: `binary` shows the share of yes, `regression` the mean, `multiclass` the share of each class.
        positive: the text or number that means yes; without one it is a number above 0.5. Only for `binary`.
    """

    column: str
    kind: Literal["binary", "multiclass", "regression"]
    positive: str | None = None


class Field(NamedTuple):
    """A column of DATA.

    Attributes:
        name: as the examples have it.
        place: its name in DATA, which needs no quotes.
        kind: `time` is text that is ISO 8601 throughout.
        whole: whether its numbers are whole.
    """

    name: str
    place: str
    kind: Kind
    whole: bool

    @property
    def value(self) -> str:
        """Column of DATA with what is counted: a number, a time's in seconds since 1970, or text."""
        return f"{self.place}_s" if self.kind == "time" else self.place


class ExamplesFolder(NamedTuple):
    """Examples as ingestion wrote them.

    Attributes:
        folder: with `Split-NAME/examples-*.parquet`.
        splits: their names.
        label: what the model predicts.
        previous: folder of an earlier run's examples, whose first split is read as well.
    """

    folder: Path
    splits: tuple[str, ...]
    label: Label
    previous: Path | None = None


class Loaded(NamedTuple):
    """What DATA holds.

    Attributes:
        series: names of the splits, in the order of DATA's column `series`; then PREVIOUS if there is an earlier run.
        compared: how many of them are this run's.
        fields: the columns.
    """

    series: tuple[str, ...]
    compared: int
    fields: tuple[Field, ...]

    def find(self, name: str) -> Field:
        """Return the column of that name.

        Raises:
            InputError: there is none.
        """
        for field in self.fields:
            if field.name == name:
                return field
        raise InputError(f"expected a column '{name}' in the examples, received none")


def load(connection: "duckdb.DuckDBPyConnection", examples: ExamplesFolder) -> Loaded:
    """Read the examples into DATA: `series` (number of the split), c0, c1, ... and `y` (the label as a number).

    Raises:
        InputError: no files of a split, or no column of the label.
    """
    scans = [(split, _scan(examples.folder, split)) for split in examples.splits]
    if examples.previous is not None:
        scans.append((PREVIOUS, _scan(examples.previous, examples.splits[0])))
    return load_rows(connection, scans, examples.label, len(examples.splits))


def load_rows(
    connection: "duckdb.DuckDBPyConnection", series: Sequence[tuple[str, str]], label: Label, compared: int = 1
) -> Loaded:
    """Read the rows of each series, its name and SQL of a table, into DATA; the columns are the first one's.

    Raises:
        InputError: no column of the label.
    """
    names, scans = zip(*series, strict=True)
    types = _describe(connection, scans[0])
    fields = [
        Field(name, f"c{index}", "text" if _is_text(sql_type) else "number", "INT" in sql_type)
        for index, (name, sql_type) in enumerate(types.items())
    ]
    labels = Loaded((), 0, tuple(fields)).find(label.column)
    times = _find_times(connection, fields, f"(SELECT {_select(types, fields)} FROM {scans[0]} LIMIT {LOOKED_AT})")
    added = [f"{_number(label, labels)} AS y", *(f"{_seconds(each)} AS {each.value}" for each in times)]
    _fill(connection, scans, fields, added)
    known = {each.place: each for each in _find_times(connection, times, DATA)}
    return Loaded(names, compared, tuple(known.get(field.place, field) for field in fields))


def _fill(connection: "duckdb.DuckDBPyConnection", scans: Sequence[str], fields: list[Field], added: list[str]) -> None:
    """Make DATA of the scans' rows, with the `added` columns."""
    parts = [
        f"SELECT {index}::UTINYINT AS series, {_select(_describe(connection, scan), fields)} FROM {scan}"
        for index, scan in enumerate(scans)
    ]
    # nothing here depends on the order of rows, and keeping it takes a third longer
    connection.execute("SET preserve_insertion_order = false").fetchall()
    query = f"SELECT *, {', '.join(added)} FROM ({' UNION ALL '.join(parts)})"
    kind = "TABLE" if len(fields) <= WIDE else "VIEW"
    if kind == "VIEW":
        # a scan of a Parquet file keeps a page of each column
        connection.execute(f"SET threads = 1; SET memory_limit = '{max(memory_mb(), COLUMN_MB * len(fields))}MB'")
    connection.execute(f"CREATE TEMP {kind} {DATA} AS {query}").fetchall()


def _scan(folder: Path, split: str) -> str:
    files = sorted(folder.glob(f"Split-{split}/examples-*.parquet"))
    if not files:
        raise InputError(f"{folder / f'Split-{split}'}: expected files examples-*.parquet, received none")
    return f"read_parquet([{', '.join(quote(str(file)) for file in files)}])"


def _describe(connection: "duckdb.DuckDBPyConnection", scan: str) -> dict[str, str]:
    rows = connection.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()
    return {name: re.sub(r"\(.*?\)", "", sql_type) for name, sql_type, *_ in rows}


def _is_text(sql_type: str) -> bool:
    return Column("", sql_type).value_type in {"BLOB", "VARCHAR"}


def _select(types: dict[str, str], fields: list[Field]) -> str:
    """Return SQL of all fields over a scan of such types; a column that it lacks is null."""
    return ", ".join(f"{_read(field, types.get(field.name))} AS {field.place}" for field in fields)


def _read(field: Field, sql_type: str | None) -> str:
    if sql_type is None:
        return "NULL"
    value = identifier(field.name) + ("[1]" if sql_type.endswith("[]") else "")
    if field.kind == "text":
        # bytes that are no UTF-8 are shown as \xFF; empty text is what the models take for missing
        text = f"coalesce(TRY(decode({value})), CAST({value} AS VARCHAR))" if "BLOB" in sql_type else value
        return f"nullif(CAST({text} AS VARCHAR), '')"
    if _is_text(sql_type):
        return f"TRY_CAST(TRY(decode({value})) AS DOUBLE)"
    if field.whole and "INT" in sql_type:
        return f"nullif(CAST({value} AS BIGINT), {MISSING_INT})"
    return f"CASE WHEN isfinite(CAST({value} AS DOUBLE)) THEN CAST({value} AS DOUBLE) END"


def _number(label: Label, field: Field) -> str:
    """Return SQL of the label as a number: 1 and 0 for yes and no; null if it is none."""
    if label.kind == "multiclass":
        return "CAST(NULL AS DOUBLE)"
    if label.kind == "binary" and label.positive is not None:
        same = quote(label.positive) if field.kind == "text" else f"CAST({quote(label.positive)} AS DOUBLE)"
        return f"CAST({field.place} = {same} AS DOUBLE)"
    number = f"TRY_CAST({field.place} AS DOUBLE)"
    return f"CAST({number} > 0.5 AS DOUBLE)" if label.kind == "binary" else number


def _seconds(field: Field) -> str:
    """Return SQL of ISO 8601 text as seconds since 1970; null if it is another text."""
    moment = f"epoch(TRY_CAST({field.place} AS TIMESTAMPTZ))"
    return f"CASE WHEN {field.place} LIKE '____-__-__%' THEN {moment} END"


def _find_times(connection: "duckdb.DuckDBPyConnection", fields: list[Field], table: str) -> list[Field]:
    """Return which of the fields are times by `table`, as such: text that is ISO 8601 in every row that has any."""
    found = []
    for field in fields:
        if field.kind == "number":
            continue
        seconds = field.value if field.kind == "time" else _seconds(field)
        ((texts, times),) = connection.execute(f"SELECT count({field.place}), count({seconds}) FROM {table}").fetchall()
        if texts and texts == times:
            found.append(field._replace(kind="time"))
    return found
