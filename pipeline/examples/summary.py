"""What one reading of all rows tells of every column by split."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.examples.load import DATA, Field, Loaded

if TYPE_CHECKING:
    import duckdb

COLUMNS_A_QUERY = 50
MOST_VALUES = 1_000_000
"""A column with more different numbers is counted by small steps."""


class Values(NamedTuple):
    """A column in one split; numbers are None for text, and where they are not defined.

    Attributes:
        present: rows with a value.
        different: values, about; at most.
        zeros: rows with the number 0.
        mean: of the numbers.
        sd: sample standard deviation (n - 1).
        low: smallest number.
        high: largest number.
        correlation: Pearson's, with the label as a number.
    """

    present: int = 0
    different: int = 0
    zeros: int = 0
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    correlation: float | None = None


class Summary(NamedTuple):
    """All columns in all series.

    Attributes:
        rows: by series.
        values: by place of the column, then by series.
    """

    rows: tuple[int, ...]
    values: dict[str, tuple[Values, ...]]

    def of(self, field: Field) -> tuple[Values, ...]:
        """Return a column's values by series."""
        return self.values[field.place]

    def different(self, field: Field) -> int:
        """Return about how many different values a column has, at most."""
        return sum(values.different for values in self.of(field))


def summarize(connection: "duckdb.DuckDBPyConnection", loaded: Loaded) -> Summary:
    """Read DATA once for every COLUMNS_A_QUERY columns."""
    count = len(loaded.series)
    counted = dict(connection.execute(f"SELECT series, count(*) FROM {DATA} GROUP BY 1").fetchall())
    values: dict[str, tuple[Values, ...]] = {}
    for start in range(0, len(loaded.fields), COLUMNS_A_QUERY):
        fields = loaded.fields[start : start + COLUMNS_A_QUERY]
        asked = ", ".join(_aggregates(field, sum(counted.values())) for field in fields)
        found = {
            series: rest
            for series, *rest in connection.execute(f"SELECT series, {asked} FROM {DATA} GROUP BY 1").fetchall()
        }
        for index, field in enumerate(fields):
            values[field.place] = tuple(_values(found.get(series, ()), index) for series in range(count))
    return Summary(tuple(counted.get(series, 0) for series in range(count)), values)


def _aggregates(field: Field, rows: int) -> str:
    """Return SQL of the fields of Values, in their order."""
    value = field.value
    # few rows can't have many values
    different = f"approx_count_distinct({value})" if rows > MOST_VALUES else f"count({value})"
    both = f"count({value}), {different}"
    if field.kind == "text":
        return both + ", 0, NULL, NULL, NULL, NULL, NULL"
    number = f"CAST({value} AS DOUBLE)"
    return (
        f"{both}, count(*) FILTER ({value} = 0), avg({number}), stddev_samp({number}), min({number}), max({number}), "
        f"corr({number}, y)"
    )


def _values(found: Sequence[Any], index: int) -> Values:
    width = len(Values._fields)
    present, different, zeros, *numbers = found[index * width : (index + 1) * width] or (0, 0, 0)
    return Values(present, different, zeros, *(finite(number) for number in numbers))


def finite(number: float | None) -> float | None:
    """Return the number, None for one that is infinite or none at all."""
    return float(number) if number is not None and math.isfinite(number) else None
