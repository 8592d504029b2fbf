"""Which rows train, evaluate and test: the SQL expression run by DuckDB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import pytest
from pydantic import ValidationError

from pipeline.splits import HashSplit, Split, TimeSplit, expression, identifier, names

ROWS = 20_000
Connection = duckdb.DuckDBPyConnection


@pytest.fixture
def connection() -> Iterator[Connection]:
    with duckdb.connect() as connection:
        yield connection


def hashed(connection: Connection, count: int) -> str:
    """A table of `count` rows with the hash that ingestion computes."""
    table = f"rows_{count}"
    connection.execute(
        f"CREATE TABLE {table} AS SELECT i, md5_number_lower(concat_ws(chr(31), i, 'x')) AS __hash "
        f"FROM range({count}) t(i)"
    )
    return table


def moments(connection: Connection, values: list[str | None]) -> str:
    """A table with the column `the "time"`."""
    connection.execute('CREATE TABLE moments ("the ""time""" VARCHAR)')
    connection.executemany("INSERT INTO moments VALUES (?)", [[value] for value in values])
    return "moments"


def assign(connection: Connection, split: Split, table: str, key: str) -> list[tuple[Any, str]]:
    return connection.sql(f"SELECT {key}, {expression(split, table)} FROM {table}").fetchall()


def shares(assigned: list[tuple[Any, str]]) -> Mapping[str, float]:
    splits = [split for _, split in assigned]
    return {name: splits.count(name) / len(splits) for name in set(splits)}


def time_split(**settings: float) -> TimeSplit:
    return TimeSplit(column='the "time"', **settings)


TIME = identifier('the "time"')


def test_hash_shares_are_about_right(connection: Connection) -> None:
    found = shares(assign(connection, HashSplit(eval=0.2, test=0.1), hashed(connection, ROWS), "i"))
    # four standard deviations of a share of 0.2 in 20,000 rows: 0.011
    assert found == pytest.approx({"train": 0.7, "eval": 0.2, "test": 0.1}, abs=0.012)


def test_hash_without_a_test_split(connection: Connection) -> None:
    split = HashSplit(eval=0.5, test=0)
    assert names(split) == ["train", "eval"]
    assert shares(assign(connection, split, hashed(connection, ROWS), "i")) == pytest.approx(
        {"train": 0.5, "eval": 0.5}, abs=0.015
    )


def test_more_rows_move_no_row(connection: Connection) -> None:
    split = HashSplit()
    few = dict(assign(connection, split, hashed(connection, 1_000), "i"))
    many = dict(assign(connection, split, hashed(connection, ROWS), "i"))
    assert few == {row: many[row] for row in few}


def test_time_goes_train_eval_test_in_the_shares_asked_for(connection: Connection) -> None:
    days = [f"2024-{month:02}-{day:02}" for month in range(1, 11) for day in range(1, 11)]
    assigned = assign(connection, time_split(eval=0.2, test=0.1), moments(connection, days), TIME)
    assert [split for _, split in sorted(assigned)] == sorted(
        (split for _, split in assigned), key=["train", "eval", "test"].index
    )
    assert shares(assigned) == pytest.approx({"train": 0.7, "eval": 0.2, "test": 0.1}, abs=0.011)


def test_no_moment_is_in_two_splits(connection: Connection) -> None:
    days = [f"2024-01-{day:02}" for day in range(1, 11) for _ in range(day * 7)]
    assigned = assign(connection, time_split(eval=0.3, test=0.2), moments(connection, days), TIME)
    by_day = {day: {split for other, split in assigned if other == day} for day in days}
    assert all(len(splits) == 1 for splits in by_day.values())
    first, last = (
        {split: pick(day for day, other in assigned if other == split) for split in names(HashSplit())}
        for pick in (min, max)
    )
    assert last["train"] < first["eval"] <= last["eval"] < first["test"]


def test_time_without_a_test_split(connection: Connection) -> None:
    days = [f"2024-01-{day:02}" for day in range(1, 11)]
    assigned = dict(assign(connection, time_split(eval=0.2, test=0), moments(connection, days), TIME))
    # the moment at the bound, where a share of 0.8 is reached, is the eval split's
    assert [day for day, split in assigned.items() if split == "eval"] == days[-3:]


def test_rows_without_a_time_train(connection: Connection) -> None:
    values = [None, *(f"2024-01-{day:02}" for day in range(1, 11))]
    assigned = assign(connection, time_split(), moments(connection, values), TIME)
    assert [split for day, split in assigned if day is None] == ["train"]


@pytest.mark.parametrize(
    "settings",
    [{"eval": 0.6, "test": 0.4}, {"eval": 0}, {"eval": 1}, {"test": -0.1}, {"eval": 0.2, "unknown": 1}],
)
@pytest.mark.parametrize("kind", [HashSplit, TimeSplit])
def test_settings_that_leave_no_rows_are_refused(kind: Any, settings: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        kind(**settings, **({"column": "t"} if kind is TimeSplit else {}))
