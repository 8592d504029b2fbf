"""Which rows of train and eval judge which fold of a cross-validation, and which rows train its network."""

from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.splits import (
    HASH,
    Split,
    StratifiedSplit,
    TimeSplit,
    clock,
    cuts,
    entity,
    expression,
    group_of,
    stratum,
)
from pipeline.sql import identifier

if TYPE_CHECKING:
    import duckdb
    import numpy as np

    Array = np.ndarray[Any, Any]

PARTS = 5
"""One part in so many of the rows that a fold does not judge is its network's eval split."""


class Fold(NamedTuple):
    """A fold: the places of its rows, `[rows] int64` each, among those of train and then eval as they lie in examples.

    Attributes:
        train: the network learns from them.
        evaluation: the network's eval split: for early stopping and calibration.
        judged: the network has seen nothing of them.
    """

    train: "Array"
    evaluation: "Array"
    judged: "Array"


class Assigned(NamedTuple):
    """The rows of train and then eval, as they lie in the examples.

    Attributes:
        folds: which fold each row judges, `[rows] int64`; -1 for none: it comes before the first one in time.
        order: by time: the row's place in time, rows of one moment are at one; else the part of its fold, below PARTS.
            `[rows] int64`.
    """

    folds: "Array"
    order: "Array"


def read_folds(connection: "duckdb.DuckDBPyConnection", table: str, split: Split, count: int) -> list[Fold]:
    """Return `count` folds of the rows of `table` (with the column HASH) that are in the train or eval split.

    The folds have as many rows each as can be: ranges of the row's hash, of the entity's hash (an entity is in one
    fold), of the row's hash within each stratum, or of time. By time the network of a fold learns from what came before
    it alone, so one more range comes before the first fold (Hyndman & Athanasopoulos, Forecasting, 5.10).
    """
    assigned = _assign(connection, table, split, count)
    return [_fold(assigned, number, in_time=isinstance(split, TimeSplit)) for number in range(count)]


def find_fault(folds: list[Fold]) -> str:
    """Return why no network can be trained or judged for one of the folds; nothing if all can."""
    # the last fold and its network have every row between them
    rows = sum(map(len, folds[-1]))
    words = {"judged": "to judge", "train": "to train on", "evaluation": "for its network's own eval split"}
    for name, what in words.items():
        for number, fold in enumerate(folds, 1):
            if not len(getattr(fold, name)):
                found = f"fold {number} of {len(folds)} got no row {what}, out of {rows:,} of train and eval"
                return f"{found}; ask for fewer folds or bring more rows"
    return ""


def _assign(connection: "duckdb.DuckDBPyConnection", table: str, split: Split, count: int) -> Assigned:
    import numpy as np

    found = expression(split, cuts(split, connection, table))
    part, place = _ranges(split, connection, table)
    if isinstance(split, TimeSplit):
        fold, order = f"CASE WHEN place IS NULL THEN -1 ELSE rank * {count + 1} // size - 1 END", "rank"
    else:
        # strata begin with another fold and part each, or the first ones would have the rows of all rare strata
        fold, order = (
            f"(rank * {ends} // size + turn) % {most}" for ends, most in ((count, count), (count * PARTS, PARTS))
        )
    columns = connection.sql(
        f"SELECT CAST({fold} AS BIGINT) AS folds, CAST({order} AS BIGINT) AS order_ FROM ("
        "SELECT *, rank() OVER (PARTITION BY part ORDER BY place) - 1 AS rank, "
        "count(*) OVER (PARTITION BY part) AS size, dense_rank() OVER (ORDER BY part) - 1 AS turn "
        f"FROM (SELECT {found} AS split, {part} AS part, {place} AS place, {HASH} AS hash FROM {table}) "
        "WHERE split IN ('train', 'eval')) ORDER BY split = 'eval', hash"
    ).fetchnumpy()
    return Assigned(*(np.asarray(columns[name]) for name in ("folds", "order_")))


def _ranges(split: Split, connection: "duckdb.DuckDBPyConnection", table: str) -> tuple[str, str]:
    """Return SQL of what is cut into folds by itself, and of what its rows are ordered by."""
    if group := group_of(split):
        return "''", entity(group)
    if isinstance(split, StratifiedSplit):
        return stratum(split.column), HASH
    if isinstance(split, TimeSplit):
        has_text = str(connection.sql(f"SELECT {identifier(split.column)} FROM {table}").types[0]) == "VARCHAR"
        time = clock(split, has_text=has_text)
        # rows without a time are no part of any range
        return f"{time} IS NULL", time
    return "''", HASH


def _fold(assigned: Assigned, number: int, *, in_time: bool) -> Fold:
    import numpy as np

    known = assigned.folds < number if in_time else assigned.folds != number
    held = assigned.order == 0
    if in_time and known.any():
        # the last rows in time, as the eval split comes after train
        before = np.sort(assigned.order[known])
        held = assigned.order >= before[len(before) * (PARTS - 1) // PARTS]
    return Fold(*(np.flatnonzero(rows) for rows in (known & ~held, known & held, assigned.folds == number)))
