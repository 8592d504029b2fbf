"""What a table's columns hold: counts, ranges and values, by DuckDB over every row."""

from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.guess import DATE, MOMENT
from pipeline.sql import identifier, quote
from pipeline.tables import Column, describe, explain_errors

if TYPE_CHECKING:
    import duckdb

LISTED_VALUES = 200
"""A column with more distinct values is described by its count alone."""
TABLE = "__profiled"
MISSING_WORDS = (
    "?", "-", "--", ".", "NA", "N/A", "n/a", "na", "#N/A", "<NA>", "null", "NULL", "Null", "None", "none", "nan", "NaN",
    "missing", "Missing", "unknown", "Unknown",
)  # fmt: skip
"""Cell texts that mean "missing" when everything else in the column is a number or a date."""


class Profile(NamedTuple):
    """One column's facts.

    Attributes:
        column: name and type.
        rows: of the table.
        present: rows with a value.
        distinct: different values.
        values: each value as text with its rows, most frequent first; empty if there are more than LISTED_VALUES.
        repeated: values that are seen in at least `often(rows)` rows.
        low: smallest number.
        high: largest number.
        is_whole: whether every number is a whole one.
        rises: whether numbers follow the order of the rows, as a row's number does.
        length: mean number of characters of a text.
        words: mean number of words of a text.
        shortest: values of the shortest list.
        longest: values of the longest list.
        is_moment: whether it holds dates or times, also as ISO 8601 text.
        has_clock: whether any of them is not midnight.
    """

    column: Column
    rows: int
    present: int
    distinct: int
    values: tuple[tuple[str, int], ...] = ()
    repeated: int = 0
    low: float = 0.0
    high: float = 0.0
    is_whole: bool = False
    rises: bool = False
    length: float = 0.0
    words: float = 0.0
    shortest: int = 0
    longest: int = 0
    is_moment: bool = False
    has_clock: bool = False

    @property
    def name(self) -> str:
        """The column's name."""
        return self.column.name

    @property
    def texts(self) -> tuple[str, ...]:
        """The values in order; empty if there are more than LISTED_VALUES."""
        return tuple(sorted(text for text, _ in self.values))

    @property
    def missing(self) -> int:
        """Rows without a value."""
        return self.rows - self.present

    @property
    def is_number(self) -> bool:
        """Whether it is a number; a boolean is one."""
        return self.column.raw_type != "bytes"

    @property
    def is_boolean(self) -> bool:
        """Whether it is true or false."""
        return self.column.sql_type == "BOOLEAN"

    @property
    def is_text(self) -> bool:
        """Whether it is text and no date."""
        return not self.is_number and not self.is_moment


def often(rows: int) -> int:
    """Return how often a category must be seen before a network can learn what it means."""
    return 3 if rows < 1_000 else 5 if rows < 10_000 else 10 if rows < 100_000 else 20


def read_profiles(connection: "duckdb.DuckDBPyConnection") -> dict[str, Profile]:
    """Return the profiles of the view `source`'s columns by name; the rows stay in the temporary table TABLE."""
    columns = describe(connection)
    selected = ", ".join(f"{_without_nan(column)} AS {identifier(column.name)}" for column in columns.values())
    with explain_errors():
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {TABLE} AS SELECT {selected} FROM source")
        (rows,) = _first(connection, f"SELECT count(*) FROM {TABLE}")
        return {name: _profile(connection, column, rows) for name, column in columns.items()}


def _without_nan(column: Column) -> str:
    name = identifier(column.name)
    return f"CASE WHEN isnan({name}) THEN NULL ELSE {name} END" if column.sql_type in {"FLOAT", "DOUBLE"} else name


def _profile(connection: "duckdb.DuckDBPyConnection", column: Column, rows: int) -> Profile:
    name = identifier(column.name)
    if column.is_list:
        facts = f"count({name}), count(DISTINCT {name}), min(len({name})), max(len({name}))"
        present, distinct, shortest, longest = _first(connection, f"SELECT {facts} FROM {TABLE}")
        return Profile(column, rows, present, distinct, shortest=shortest or 0, longest=longest or 0)
    present, distinct = _first(connection, f"SELECT count({name}), count(DISTINCT {name}) FROM {TABLE}")
    counted = f"SELECT CAST({name} AS VARCHAR), count(*) FROM {TABLE} WHERE {name} IS NOT NULL GROUP BY 1"
    values: tuple[tuple[str, int], ...] = ()
    repeated = 0
    if distinct <= LISTED_VALUES:
        values = tuple(connection.execute(f"{counted} ORDER BY 2 DESC, 1").fetchall())
        repeated = sum(count >= often(rows) for _, count in values)
    elif column.raw_type != "float":
        (repeated,) = _first(connection, f"SELECT count(*) FROM ({counted} HAVING count(*) >= {often(rows)})")
    return Profile(column, rows, present, distinct, values, repeated)._replace(**_details(connection, column))


def _details(connection: "duckdb.DuckDBPyConnection", column: Column) -> dict[str, Any]:
    """Return the facts that a column's type has room for."""
    name = identifier(column.name)
    if column.is_moment:
        clock = f"coalesce(bool_or(date_trunc('day', {name}) <> {name}), false)"
        return {"is_moment": True, "has_clock": _first(connection, f"SELECT {clock} FROM {TABLE}")[0]}
    if column.raw_type != "bytes":
        number = f"CAST({name} AS DOUBLE)"
        facts = f"min({number}), max({number}), bool_and({number} = trunc({number})), corr({number}, rowid) > 0.9999999"
        low, high, is_whole, rises = _first(connection, f"SELECT {facts} FROM {TABLE}")
        return {"low": low or 0.0, "high": high or 0.0, "is_whole": bool(is_whole), "rises": bool(rises)}
    facts = (
        f"avg(length({name})), avg(length({name}) - length(replace({name}, ' ', '')) + 1), "
        f"bool_and(regexp_full_match({name}, {quote(MOMENT)})), bool_and(regexp_full_match({name}, {quote(DATE)}))"
    )
    text = f"(SELECT CAST({name} AS VARCHAR) AS {name} FROM {TABLE})"
    length, words, is_moment, is_date = _first(connection, f"SELECT {facts} FROM {text}")
    return {"length": length or 0.0, "words": words or 0.0, "is_moment": bool(is_moment), "has_clock": not is_date}


def mirrors(connection: "duckdb.DuckDBPyConnection", profile: Profile, label: Profile) -> bool:
    """Return whether the column tells the label: one value for each of its values, or a number that moves in step."""
    x, y = identifier(profile.name), identifier(label.name)
    if profile.distinct <= LISTED_VALUES and label.distinct <= LISTED_VALUES:
        facts = f"count(*), count(DISTINCT {x}), count(DISTINCT {y}), count(DISTINCT ({x}, {y}))"
        both, values, labels, pairs = _first(
            connection, f"SELECT {facts} FROM {TABLE} WHERE {x} IS NOT NULL AND {y} IS NOT NULL"
        )
        if values == labels == pairs > 1 and both >= max(30, 5 * pairs):
            return True
    if not (profile.is_number and label.is_number) or min(profile.distinct, label.distinct) < 3:
        return False
    (step,) = _first(connection, f"SELECT abs(corr(CAST({x} AS DOUBLE), CAST({y} AS DOUBLE))) > 0.99999 FROM {TABLE}")
    return bool(step)


def missing_words(connection: "duckdb.DuckDBPyConnection", profiles: dict[str, Profile]) -> tuple[str, ...]:
    """Return the texts that keep columns of numbers or dates from being read as such: `?` among numbers, for one."""
    found: set[str] = set()
    texts = [
        name for name, profile in profiles.items() if profile.column.sql_type == "VARCHAR" and profile.distinct > 1
    ]
    for name in texts:
        column = identifier(name)
        for sql_type in ("DOUBLE", "TIMESTAMP"):
            odd = f"SELECT DISTINCT {column} FROM {TABLE} WHERE try_cast({column} AS {sql_type}) IS NULL"
            words = {word for (word,) in connection.execute(f"{odd} LIMIT 5").fetchall() if word is not None}
            if words and words <= set(MISSING_WORDS) and len(words) < profiles[name].distinct:
                found |= words
    return tuple(sorted(found))


def _first(connection: "duckdb.DuckDBPyConnection", query: str) -> tuple[Any, ...]:
    row: tuple[Any, ...] = connection.execute(query).fetchall()[0]
    return row
