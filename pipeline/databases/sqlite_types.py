"""What is in SQLite's columns: any value of a column may be of any type, whatever the column is declared to be."""

import re
import sqlite3
from contextlib import closing
from typing import NamedTuple

from pipeline.databases.credentials import Database
from pipeline.databases.streams import read_only
from pipeline.errors import InputError
from pipeline.sql import identifier, quote

ODD = "__penstock_odd"
"""Column with what is wrong in a row: null in a good one, empty in the first one, which is there for its types only."""
DECLARED = (
    ("BIGINT", r"(UNSIGNED )?(TINY|SMALL|MEDIUM|BIG)? ?INT(EGER|[248])?\b"),
    ("DOUBLE", r"REAL|FLOAT|DOUBLE|NUMERIC|DECIMAL"),
    ("VARCHAR", r"(N|VAR|NVAR)?CHAR|TEXT|CLOB"),
    ("BOOLEAN", r"BOOL"),
    ("DATE", r"DATE\b"),
    ("TIMESTAMP", r"DATETIME|TIMESTAMP"),
)
STORED = {"BIGINT": "'integer'", "DOUBLE": "'integer', 'real'", "VARCHAR": "'text'"}
WORDS = {"BIGINT": "a whole number", "DOUBLE": "a number", "VARCHAR": "text"}
SAMPLE = {"BIGINT": "0", "DOUBLE": "0.0", "VARCHAR": "''"}


class Column(NamedTuple):
    """A column of a query.

    Attributes:
        name: as the query has it.
        sql_type: DuckDB's type that it gets.
        stored: BIGINT, DOUBLE or VARCHAR, as SQLite hands it out; None: there is no value at all.
    """

    name: str
    sql_type: str
    stored: str | None

    @property
    def expression(self) -> str:
        """DuckDB's SQL of the value; what has no place in the type fails the query."""
        name = identifier(self.name)
        if self.stored is None:
            return f"CAST(NULL AS {self.sql_type}) AS {name}"
        if self.sql_type == self.stored:
            return name
        moment = f"timezone('UTC', TRY_CAST({name} AS TIMESTAMPTZ))"
        test, value, expected = {
            "BOOLEAN": (f"{name} IN (0, 1)", f"{name} = 1", "0 or 1"),
            "DATE": (f"{moment} = date_trunc('day', {moment})", f"CAST({moment} AS DATE)", "a date"),
            "TIMESTAMP": (f"{moment} IS NOT NULL", moment, "a date and a time"),
        }[self.sql_type]
        message = quote(f"column '{self.name}': expected {expected}, received ")
        return (
            f"CASE WHEN {name} IS NULL THEN NULL WHEN {test} THEN {value} "
            f"ELSE error({message} || CAST({name} AS VARCHAR)) END AS {name}"
        )


def find_columns(database: Database, query: str, place: str) -> list[Column]:
    """Return the columns of `query`; those whose declaration tells no type are read for it.

    Raises:
        InputError: no database, a refused query, a column with texts and numbers, or one of blobs.
    """
    try:
        with closing(sqlite3.connect(read_only(database), uri=True)) as connection:
            connection.execute(f"CREATE TEMP VIEW penstock AS {query}")
            declared = [
                (name, _declared(text)) for _, name, text, *_ in connection.execute("PRAGMA table_info(penstock)")
            ]
            unsure = [name for name, sql_type in declared if sql_type not in STORED]
            stored = _stored(connection, unsure, place) if unsure else {}
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise InputError(f"{place}: expected rows from {database}, received: {error}") from None
    return [_column(name, sql_type, stored.get(name, sql_type)) for name, sql_type in declared]


def _declared(text: str) -> str | None:
    return next((sql_type for sql_type, pattern in DECLARED if re.match(pattern, text, re.IGNORECASE)), None)


def _stored(connection: sqlite3.Connection, names: list[str], place: str) -> dict[str, str | None]:
    """Return how each column's values are stored: numbers sort before texts, and texts before blobs."""
    asked = ", ".join(
        "typeof(min({0})), typeof(max({0})), max(typeof({0}) = 'real')".format(identifier(n)) for n in names
    )
    found = connection.execute(f"SELECT {asked} FROM penstock").fetchone()
    stored: dict[str, str | None] = {}
    for index, name in enumerate(names):
        least, most, has_real = found[3 * index : 3 * index + 3]
        kinds = {"number" if kind in ("integer", "real") else kind for kind in (least, most)}
        if len(kinds) > 1 or "blob" in kinds:
            raise InputError(
                f"{place}: column '{name}': expected numbers or text, received {' and '.join(sorted(kinds))}; "
                "CAST it in the query"
            )
        number = "DOUBLE" if has_real else "BIGINT"
        stored[name] = {"number": number, "text": "VARCHAR", "null": None}[kinds.pop()]
    return stored


def _column(name: str, declared: str | None, stored: str | None) -> Column:
    fits = {"BOOLEAN": "BIGINT", "DATE": "VARCHAR", "TIMESTAMP": "VARCHAR"}
    if declared in STORED:
        return Column(name, declared, declared)
    if declared and stored in (None, fits[declared]):
        return Column(name, declared, stored)
    return Column(name, stored or "VARCHAR", stored)


def typed_query(columns: list[Column], query: str) -> str:
    """Return SQLite's SQL of the rows, each column of one type from the first row on; WHERE may follow."""
    first = ", ".join(f"{SAMPLE.get(column.stored or '', 'NULL')} AS {identifier(column.name)}" for column in columns)
    values = ", ".join(_value(column) for column in columns)
    return f"SELECT '' AS {ODD}, {first} UNION ALL SELECT {_odd(columns)}, {values} FROM ({query}\n) AS q"


def _value(column: Column) -> str:
    name = identifier(column.name)
    if column.stored is None:
        return "NULL"
    value = f"CAST({name} AS REAL)" if column.stored == "DOUBLE" else name
    return f"CASE WHEN typeof({name}) IN ({STORED[column.stored]}) THEN {value} END"


def _odd(columns: list[Column]) -> str:
    """Return SQLite's SQL of the first column and value that is not stored as it is declared, null if all are."""
    cases = []
    for column in columns:
        if column.stored:
            name = identifier(column.name)
            expected = quote(f"column '{column.name}': expected {WORDS[column.stored]}, received ")
            stored = f"{STORED[column.stored]}, 'null'"
            cases.append(f"WHEN typeof({name}) NOT IN ({stored}) THEN {expected} || substr(quote({name}), 1, 80)")
    return f"CASE {' '.join(cases)} END" if cases else "NULL"


def good_rows() -> str:
    """Return DuckDB's condition that leaves the first row out and fails the query on an odd value."""
    return f"CASE WHEN {ODD} IS NULL THEN true WHEN {ODD} = '' THEN false ELSE error({ODD}) END"
