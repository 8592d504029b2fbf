"""Ways in which a month of flights goes wrong in practice, as SQL over the table `month` (columns of flights.sql)."""

from typing import NamedTuple


class Corruption(NamedTuple):
    """One kind of fault.

    Attributes:
        name: in words.
        sql: the broken month.
        named: checks, or words of a refusal before the gate; one of them has to be in what is found ...
        column: ... together with this column; empty: the table.
    """

    name: str
    sql: str
    named: tuple[str, ...]
    column: str = ""


def change(column: str, expression: str) -> str:
    """Return SQL of the month with a column computed anew."""
    return f"SELECT * REPLACE ({expression} AS {column}) FROM month"


def some(every: int, then: str, column: str) -> str:
    """Return SQL of the month with one row in `every` changed, always the same rows."""
    return change(column, f"CASE WHEN {ROW} % {every} = 0 THEN {then} ELSE {column} END")


ROW = "hash(time_hour, dest, sched_dep_minute)"
DAY = "date_trunc('day', time_hour - INTERVAL 9 HOUR)"
"""The local day: no flight leaves between 1 and 5 in the morning."""
FIRST = f"(SELECT min({DAY}) FROM month)"
A_DAY = f"{DAY} = {FIRST} + INTERVAL 11 DAY"
A_WEEK = f"{DAY} BETWEEN {FIRST} + INTERVAL 8 DAY AND {FIRST} + INTERVAL 14 DAY"
ORDER = "time_hour, carrier, dest, sched_dep_minute"
MISJOINED = f"""
SELECT left_.* EXCLUDE (plane_seats, place), right_.plane_seats
FROM (SELECT *, row_number() OVER (ORDER BY {ORDER}) AS place FROM month) AS left_
JOIN (SELECT plane_seats, row_number() OVER (ORDER BY hash(plane_seats, {ORDER})) AS place FROM month) AS right_
USING (place)
"""
LAST_TENTH = "time_hour >= (SELECT quantile_disc(time_hour, 0.9) FROM month)"
EARLIER = f"SELECT * REPLACE ((SELECT min(time_hour) FROM month) AS time_hour) FROM month WHERE {LAST_TENTH}"
SWAPPED = "CASE origin WHEN 'EWR' THEN 'JFK' WHEN 'JFK' THEN 'EWR' ELSE origin END"
HALF_SD = "dep_delay + CAST(0.5 * (SELECT stddev(dep_delay) FROM month) AS INTEGER)"
TRIPLED = (
    f"CASE WHEN late = 0 AND {ROW} % 100 < 200 * (SELECT avg(late) / (1 - avg(late)) FROM month) THEN 1 ELSE late END"
)
LEAKED = f"CASE WHEN {ROW} % 50 = 0 THEN 1 - late ELSE late END * 10 + hash(dest, carrier) % 7"
CORRUPTIONS = (
    Corruption("number becomes text", change("dep_delay", "dep_delay || ' min'"), ("expected",), "dep_delay"),
    Corruption("new column", "SELECT *, distance / 100 AS fuel FROM month", ("schema",), "fuel"),
    Corruption("missing column", "SELECT * EXCLUDE (visib) FROM month", ("no column",), "visib"),
    Corruption("unit, times 1000", change("distance", "distance * 1000"), ("drift", "range", "shift"), "distance"),
    Corruption("unit, Fahrenheit to Celsius", change("temp", "(temp - 32) * 5 / 9"), ("drift", "shift"), "temp"),
    Corruption("mean shifted by 0.5 sd", change("dep_delay", HALF_SD), ("drift", "shift"), "dep_delay"),
    Corruption("two categories swapped", change("origin", SWAPPED), ("relations", "drift"), "origin"),
    Corruption("new category in 3 %", some(33, "'ZZ'", "carrier"), ("schema",), "carrier"),
    Corruption("lower case in 1 %", some(100, "lower(origin)", "origin"), ("schema",), "origin"),
    Corruption("nulls +5 %", some(20, "NULL", "temp"), ("missing", "schema"), "temp"),
    Corruption("all null", change("wind_speed", "CAST(NULL AS DOUBLE)"), ("empty", "schema"), "wind_speed"),
    Corruption("constant", change("visib", "CAST(10 AS DOUBLE)"), ("constant",), "visib"),
    Corruption("missing filled with 0", change("wind_gust", "coalesce(wind_gust, 0)"), ("missing",), "wind_gust"),
    Corruption("-999 for missing in 1 %", some(100, "-999", "temp"), ("range", "schema"), "temp"),
    Corruption("a day twice", f"SELECT * FROM month UNION ALL SELECT * FROM month WHERE {A_DAY}", ("duplicates",)),
    Corruption(
        "label flipped for a carrier",
        change("late", "CASE WHEN carrier = 'DL' THEN 1 - late ELSE late END"),
        ("slices",),
        "carrier",
    ),
    Corruption("three times as many positives", change("late", TRIPLED), ("label", "drift"), "late"),
    Corruption("one class only", change("late", "CASE WHEN late IS NOT NULL THEN 0 END"), ("one class",), "late"),
    Corruption("a week without rows", f"SELECT * FROM month WHERE NOT ({A_WEEK})", ("gaps",), "time_hour"),
    Corruption("two thirds of the rows lost", f"SELECT * FROM month WHERE {ROW} % 3 = 0", ("rows",)),
    Corruption("leak: the label with 2 % noise", change("wind_gust", LEAKED), ("leakage",), "wind_gust"),
    Corruption("a column joined to the wrong rows", MISJOINED, ("relations",), "plane_seats"),
    Corruption("evaluated rows in training", f"SELECT * FROM month UNION ALL {EARLIER}", ("overlap",)),
    Corruption("clock 5 hours off", change("time_hour", "time_hour + INTERVAL 5 HOUR"), ("relations",), "time_hour"),
)
