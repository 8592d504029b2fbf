"""One column at a time: its values counted by split and class of the label, and all that follows from that count.

DuckDB counts on disk if it must; Python sees bins, quantiles and a few top values. A column with more different
numbers than MOST_VALUES is counted by steps of a thousandth of a percent of its range, so that memory stays bounded.
Quantiles of up to MOST_ROWS rows are selected from the rows themselves where counting them does not make them fewer.
"""

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.examples.bins import Bins
from pipeline.examples.information import Information, mutual_information
from pipeline.examples.load import DATA, Field
from pipeline.examples.summary import MOST_VALUES

if TYPE_CHECKING:
    import duckdb

GROUPED = "grouped"
"""Table of a column's `value`, `series`, `class` and how many `rows` have them."""
STEPS = 100_000
MOST_ROWS = 10_000_000
"""DuckDB keeps the numbers that it selects quantiles of in memory: 80 MB."""
FEWER = 4
"""A count that has so many times fewer rows than the data gives quantiles in less time."""
INFORMATION_BINS = 16
INFORMATION_VALUES = 100
"""Bins of a number, and most values of a text, for mutual information; missing is one more, rarer values too."""
INFORMATION_SHARES = tuple(index / INFORMATION_BINS for index in range(1, INFORMATION_BINS))
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TENTHS = tuple(index / 10 for index in range(1, 10))
SHARES = tuple(sorted({*QUANTILES, *INFORMATION_SHARES, *TENTHS}))
STEPS_OF_ONE = 400
"""All shares above are multiples of this part."""


def double(number: float) -> str:
    """Return SQL of exactly that number: a float with a point in it would be a DECIMAL."""
    return f"CAST('{float(number)!r}' AS DOUBLE)"


class Quantiles(NamedTuple):
    """Quantiles of a column in one split: the smallest values that so many do not exceed (Hyndman and Fan's type 1).

    Attributes:
        values: by share.
    """

    values: dict[float, float]

    def at(self, share: float) -> float:
        """Return the quantile at one of SHARES."""
        return self.values[share]


class Top(NamedTuple):
    """A frequent value, its rows by series, and how many different values there are."""

    value: Any
    rows: tuple[int, ...]
    distinct: int


class Farthest(NamedTuple):
    """The L-infinity distance of two splits' categories: the largest difference of a value's share, and whose it is."""

    distance: float
    value: str
    first: float
    second: float


class Groups:
    """A column's values, counted.

    Attributes:
        connection: to the database with DATA.
        field: the column.
        series: how many splits there are, with an earlier run's.
        compared: how many of them are this run's.
    """

    def __init__(self, connection: "duckdb.DuckDBPyConnection", field: Field, series: int, compared: int) -> None:
        self.connection, self.field, self.series, self.compared = connection, field, series, compared
        self.is_counted = True

    def count(self, class_sql: str, different: int, rows: int) -> None:
        """Count the values by series and class: GROUPED. `different`: about how many values `rows` have."""
        value = self.field.value
        if self.field.kind != "text" and different > MOST_VALUES:
            value = self._stepped(value)
        ((groups,),) = self._rows(
            f"CREATE OR REPLACE TEMP TABLE {GROUPED} AS SELECT {value} AS value, series, {class_sql} AS class, "
            f"count(*) AS rows FROM {DATA} GROUP BY ALL"
        )
        self.is_counted = rows > MOST_ROWS or groups * FEWER < rows

    def _stepped(self, value: str) -> str:
        ((low, high),) = self._rows(
            f"SELECT approx_quantile({value}, 0.01), approx_quantile({value}, 0.99) FROM {DATA}"
        )
        step = (high - low) / STEPS
        return f"round({value} / {double(step)}) * {double(step)}" if step > 0 else value

    def _rows(self, query: str) -> list[Any]:
        # not sql(), which binds a query twice
        rows: list[Any] = self.connection.execute(query).fetchall()
        return rows

    @functools.cached_property
    def quantiles(self) -> dict[int, Quantiles]:
        """The quantiles by series; a series without a number has none."""
        return self._count_quantiles() if self.is_counted else self._select_quantiles()

    def _select_quantiles(self) -> dict[int, Quantiles]:
        value = self.field.value
        found = self._rows(
            f"SELECT series, quantile_disc(CAST({value} AS DOUBLE), {list(SHARES)}) FROM {DATA} "
            f"WHERE {value} IS NOT NULL GROUP BY 1"
        )
        return {series: Quantiles(dict(zip(SHARES, values, strict=True))) for series, values in found}

    def _count_quantiles(self) -> dict[int, Quantiles]:
        # a value is read if it is the first one to reach a step: aggregates with filters take DuckDB long to plan
        reached, before = (f"CAST({part} * {STEPS_OF_ONE} // total AS BIGINT)" for part in ("upto", "(upto - rows)"))
        counted = f"SELECT series, value, sum(rows) AS rows FROM {GROUPED} WHERE value IS NOT NULL GROUP BY ALL"
        summed = (
            "SELECT series, value, rows, sum(rows) OVER (PARTITION BY series ORDER BY value) AS upto, "
            f"sum(rows) OVER (PARTITION BY series) AS total FROM ({counted})"
        )
        found = self._rows(
            f"SELECT series, CAST(value AS DOUBLE), {before}, {reached} FROM ({summed}) WHERE {reached} > {before}"
        )
        steps: dict[int, dict[int, float]] = {}
        for series, value, first, last in found:
            steps.setdefault(series, {}).update(dict.fromkeys(range(first + 1, last + 1), value))
        return {
            series: Quantiles({share: values[round(share * STEPS_OF_ONE)] for share in SHARES})
            for series, values in steps.items()
        }

    def histogram(self, bins: Bins) -> list[list[int]]:
        """Return by series the rows below the bins, in each of them, and above."""
        place = f"floor((CAST(value AS DOUBLE) - {double(bins.start)}) / {double(bins.width)} + 1e-9)"
        found = self._rows(
            f"SELECT series, CAST(greatest(-1, least({bins.number}, {place})) AS BIGINT) AS bin, "
            f"CAST(sum(rows) AS BIGINT) FROM {GROUPED} WHERE value IS NOT NULL GROUP BY ALL"
        )
        counts = [[0] * (bins.number + 2) for _ in range(self.series)]
        for series, index, rows in found:
            counts[series][index + 1] = rows
        return counts

    def top(self, limit: int) -> list[Top]:
        """Return the most frequent values of this run's data."""
        counts = ", ".join(self._sum(f"series = {index}") for index in range(self.series))
        found = self._rows(
            f"WITH counted AS MATERIALIZED (SELECT value, sum(rows) AS ours FROM {GROUPED} WHERE value IS NOT NULL "
            f"AND series < {self.compared} GROUP BY 1), "
            f"frequent AS (SELECT * FROM counted ORDER BY ours DESC, value LIMIT {limit}) "
            f"SELECT value, (SELECT count(*) FROM counted), {counts} FROM {GROUPED} JOIN frequent USING (value) "
            "GROUP BY value, ours ORDER BY ours DESC, value"
        )
        return [Top(value, tuple(rows), different) for value, different, *rows in found]

    @staticmethod
    def _sum(condition: str) -> str:
        return f"CAST(coalesce(sum(rows) FILTER ({condition}), 0) AS BIGINT)"

    def farthest(self, first: int, second: int) -> Farthest | None:
        """Return how far apart two series' categories are; None if one of them has none."""
        found = self._rows(
            f"WITH counted AS (SELECT value, {self._sum(f'series = {first}')} AS a, {self._sum(f'series = {second}')} "
            f"AS b FROM {GROUPED} WHERE value IS NOT NULL GROUP BY 1), shared AS (SELECT value, "
            "a / nullif(sum(a) OVER (), 0) AS p, b / nullif(sum(b) OVER (), 0) AS q FROM counted) "
            "SELECT abs(p - q), value, p, q FROM shared WHERE p IS NOT NULL AND q IS NOT NULL "
            "ORDER BY abs(p - q) DESC, value LIMIT 1"
        )
        return Farthest(*found[0]) if found else None

    def unseen(self) -> list[int]:
        """Return by series the rows whose value the first series does not have."""
        counts = ", ".join(self._sum(f"series = {index}") for index in range(self.series))
        (found,) = self._rows(
            f"SELECT {counts} FROM {GROUPED} WHERE value IS NOT NULL AND value NOT IN "
            f"(SELECT value FROM {GROUPED} WHERE series = 0 AND value IS NOT NULL)"
        )
        return list(found)

    def information(self) -> Information | None:
        """Return what the column tells of the label, by the first series' rows that have one."""
        found = self._rows(
            f"SELECT bin, class, CAST(sum(rows) AS BIGINT) FROM (SELECT {self._bin()} AS bin, class, rows "
            f"FROM {GROUPED} WHERE series = 0 AND class IS NOT NULL) GROUP BY ALL ORDER BY ALL"
        )
        return mutual_information(found)

    def _bin(self) -> str:
        """Return SQL of a value's bin: equally many rows each, or the frequent values; -1 is missing."""
        if self.field.kind == "text":
            frequent = (
                f"SELECT value, row_number() OVER (ORDER BY sum(rows) DESC, value) AS place FROM {GROUPED} "
                f"WHERE series = 0 AND value IS NOT NULL GROUP BY 1 ORDER BY 2 LIMIT {INFORMATION_VALUES}"
            )
            known = f"(SELECT map_from_entries(list((value, place))) FROM ({frequent}))"
            return f"CASE WHEN value IS NULL THEN -1 ELSE coalesce({known}[value], 0) END"
        ends = {self.quantiles[0].at(share) for share in INFORMATION_SHARES} if 0 in self.quantiles else set()
        place = " + ".join(["0", *(f"CAST(value > {double(end)} AS INTEGER)" for end in sorted(ends))])
        return f"CASE WHEN value IS NULL THEN -1 ELSE {place} END"
