"""Which rows train, which evaluate, which test: SQL that says it from the row alone and a few facts of the table."""

import functools
import itertools
import math
import operator
from collections.abc import Collection, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from pydantic import Field

from models.settings import Settings
from pipeline.errors import InputError
from pipeline.splits.settings import (
    HASH,
    ColumnSplit,
    GroupSplit,
    HashSplit,
    Shares,
    Split,
    StratifiedSplit,
    TimeSplit,
    columns,
    group_of,
    is_share,
    judged,
    names,
    shares,
    with_fold,
)
from pipeline.sql import identifier, quote

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "HASH",
    "ColumnSplit",
    "Cuts",
    "GroupSplit",
    "HashSplit",
    "Split",
    "StratifiedSplit",
    "TimeSplit",
    "columns",
    "cuts",
    "expression",
    "group_of",
    "judged",
    "names",
    "with_fold",
]

BUCKETS = 1_000_000
MOST_STRATA = 10_000
LAST_HASH = 2**64 - 1


class Cuts(Settings):
    """What a split by time with shares, or by strata, must know of the whole table; empty for the others.

    Attributes:
        moments: first moment of each split but train, in the order of TimeSplit.cuts.
        strata: by value (`=` and its text, or nothing for rows without one): hashes that part its splits, ascending.
    """

    moments: tuple[float | int | str, ...] = ()
    strata: dict[str, tuple[int, ...]] = Field(default_factory=dict)


def cuts(split: Split, connection: "duckdb.DuckDBPyConnection", table: str) -> Cuts:
    """Read the cuts from `table`: a name or a subquery, with the column HASH.

    Raises:
        InputError: times that the cut-offs can't be compared with, no time at all, too many strata, rows whose column
            names no split, or a group that is in two.
    """
    if isinstance(split, ColumnSplit):
        _refuse_others(split, connection, table)
        _refuse_parted(split, connection, table)
    if isinstance(split, StratifiedSplit):
        return Cuts(strata=_read_strata(split, connection, table))
    if not isinstance(split, TimeSplit):
        return Cuts()
    has_text = str(connection.sql(f"SELECT {identifier(split.column)} FROM {table}").types[0]) == "VARCHAR"
    if is_share(split.eval):
        return Cuts(moments=_read_moments(split, connection, table, has_text=has_text))
    _refuse_times(split, connection, table, has_text=has_text)
    return Cuts()


def expression(split: Split, cuts: Cuts) -> str:
    """Return SQL that gives a row with the column HASH the name of its split, whatever other rows there are.

    `cuts` are those of the whole table; a row whose value is not among their strata trains.
    """
    if isinstance(split, TimeSplit):
        return _by_time(split, cuts)
    if isinstance(split, StratifiedSplit):
        return _by_stratum(split, cuts)
    if isinstance(split, ColumnSplit):
        return identifier(split.column)
    place = entity(split.column) if isinstance(split, GroupSplit) else HASH
    *lower, (last, _) = _pieces(split, _buckets(split))
    whens = " ".join(f"WHEN {place} % {BUCKETS} < {end} THEN '{name}'" for name, end in lower)
    return f"CASE {whens} ELSE '{last}' END"


def entity(column: str) -> str:
    """Return SQL of the entity's hash, the row's own where it has none."""
    return f"coalesce(md5_number_lower(CAST({identifier(column)} AS VARCHAR)), {HASH})"


def _buckets(split: Shares) -> dict[str, int]:
    """Return each split's number of the buckets of the hash."""
    parts = shares(split)
    ends = [round(end * BUCKETS) for end in itertools.accumulate(parts.values())]
    return dict(zip(parts, (end - start for start, end in itertools.pairwise([0, *ends])), strict=True))


def _pieces(split: Shares, sizes: Mapping[str, int], turn: int = 0) -> list[tuple[str, int]]:
    """Return name and end of each piece of the range that `sizes` fill, with the fold cut out of train.

    `turn` (below `folds`) says which folds are the larger ones where they can't be equal.
    """
    pieces = []
    for name, size in sizes.items():
        if name == "train" and split.folds:
            start, end = ((index * size + turn) // split.folds for index in (split.fold, split.fold + 1))
            pieces += [("train", start), ("eval", end - start), ("train", size - end)]
        else:
            pieces.append((name, size))
    ends = itertools.accumulate(size for _, size in pieces)
    return [(name, end) for (name, _), end in zip(pieces, ends, strict=True)]


def _read_moments(
    split: TimeSplit, connection: "duckdb.DuckDBPyConnection", table: str, *, has_text: bool
) -> tuple[float | int | str, ...]:
    """Return the first moment of each split but train."""
    time, later = identifier(split.column), [float(share) for share in split.cuts.values()]
    is_time = f"{time} IS NOT NULL" if has_text else f"isfinite(CAST({time} AS DOUBLE))"
    ((count,),) = connection.sql(f"SELECT count(*) FROM {table} WHERE {is_time}").fetchall()
    if not count:
        raise InputError(f"split.column: expected moments in '{split.column}', received none")
    # not a quantile, which would hold every row's time in memory
    before = [functools.reduce(operator.sub, later[index:], 1.0) for index in range(len(later))]
    firsts = ", ".join(f"min(moment) FILTER (upto >= {math.ceil(Fraction(repr(share)) * count)})" for share in before)
    found = connection.sql(
        f"SELECT {firsts} FROM (SELECT moment, sum(rows) OVER (ORDER BY moment) AS upto FROM "
        f"(SELECT {time} AS moment, count(*) AS rows FROM {table} WHERE {is_time} GROUP BY 1))"
    )
    return tuple(found.fetchall()[0])


def _refuse_times(split: TimeSplit, connection: "duckdb.DuckDBPyConnection", table: str, *, has_text: bool) -> None:
    """Refuse times that can't be compared with the cut-offs."""
    time, kind, example = identifier(split.column), *(("text", "2013-10-01") if has_text else ("numbers", "2013"))
    if has_text != isinstance(split.eval, str):
        raise InputError(
            f"split.eval: '{split.column}' has {kind}: expected a cut-off such as {example}, received {split.eval}"
        )
    if not has_text:
        return
    odd = connection.sql(
        f"SELECT {time} FROM {table} WHERE {time} IS NOT NULL AND TRY({_moment(time)}) IS NULL LIMIT 1"
    ).fetchall()
    if odd:
        expected = f"moments such as {example}T10:00:00Z in '{split.column}'"
        raise InputError(f"split.column: expected {expected}, received {odd[0][0]!r:.80}")


def _refuse_others(split: ColumnSplit, connection: "duckdb.DuckDBPyConnection", table: str) -> None:
    """Refuse rows whose column names no split: they would be in none."""
    name, known = f"CAST({identifier(split.column)} AS VARCHAR)", names(split)
    odd = connection.sql(
        f"SELECT coalesce({name}, 'nothing') FROM {table} "
        f"WHERE coalesce({name}, '') NOT IN ({', '.join(map(quote, known))}) LIMIT 1"
    ).fetchall()
    if odd:
        raise InputError(f"split.column: expected {', '.join(known)} in '{split.column}', received {odd[0][0]!r:.80}")


def _refuse_parted(split: ColumnSplit, connection: "duckdb.DuckDBPyConnection", table: str) -> None:
    """Refuse a group that the column puts into two splits."""
    if split.group is None:
        return
    group, name = identifier(split.group), identifier(split.column)
    odd = connection.sql(
        f"SELECT CAST({group} AS VARCHAR), min({name}), max({name}) FROM {table} WHERE {group} IS NOT NULL "
        f"GROUP BY {group} HAVING min({name}) <> max({name}) ORDER BY 1 LIMIT 1"
    ).fetchall()
    if odd:
        value, *two = odd[0]
        expected = f"all rows of one '{split.group}' in one split"
        raise InputError(f"split.group: expected {expected}, received {value!r:.80} in {' and '.join(two)}")


def _by_time(split: TimeSplit, cuts: Cuts) -> str:
    starts = cuts.moments if is_share(split.eval) else tuple(split.cuts.values())
    time = clock(split, has_text=isinstance(starts[0], str))
    later = list(zip(split.cuts, starts, strict=True))
    whens = " ".join(f"WHEN {time} >= {_literal(start)} THEN '{name}'" for name, start in reversed(later))
    return f"CASE {whens} ELSE 'train' END"


def clock(split: TimeSplit, *, has_text: bool) -> str:
    """Return SQL of a row's time, in the form that the split sorts by; null where there is none."""
    time = identifier(split.column)
    if not has_text:
        # DuckDB puts NaN behind every number; it stands for no time
        return f"CASE WHEN isfinite(CAST({time} AS DOUBLE)) THEN {time} END"
    return time if is_share(split.eval) else _moment(time)


def _moment(time: str) -> str:
    """Return SQL of ISO 8601 text in UTC: text itself would put 2013-10-01 before 2013-10-01T00:00:00Z."""
    # a cast to TIMESTAMP ignores an offset, one to TIMESTAMPTZ reads text without one in the session's time zone
    has_offset = f"{time} LIKE '%:%+%' OR {time} LIKE '%:%-%'"
    in_utc = f"timezone('UTC', CAST({time} AS TIMESTAMPTZ))"
    return f"CASE WHEN {has_offset} THEN {in_utc} ELSE CAST({time} AS TIMESTAMP) END"


def _literal(value: float | int | str) -> str:
    if isinstance(value, str):
        return quote(value)
    # a float with a point in it would be a DECIMAL
    return str(value) if isinstance(value, int) else f"CAST('{value!r}' AS DOUBLE)"


def stratum(column: str) -> str:
    """Return SQL of the stratum's name, never null, that no text can be taken for another's."""
    return f"coalesce('=' || CAST({identifier(column)} AS VARCHAR), '')"


def _read_strata(
    split: StratifiedSplit, connection: "duckdb.DuckDBPyConnection", table: str
) -> dict[str, tuple[int, ...]]:
    """Return for each stratum the hash of the first row behind each of its pieces but the last."""
    value = stratum(split.column)
    sizes = connection.sql(
        f"SELECT {value}, count(*) FROM {table} GROUP BY 1 ORDER BY 1 LIMIT {MOST_STRATA + 1}"
    ).fetchall()
    if len(sizes) > MOST_STRATA:
        raise InputError(
            f"split.column: '{split.column}' has more than {MOST_STRATA} values, too many to have the same shares of "
            "each; split by hash, or by group"
        )
    parts = shares(split)
    # the larger folds are others in each stratum, or those of many small strata would add up
    ends = {
        name: [end for _, end in _pieces(split, _apportion(rows, parts), index % (split.folds or 1))][:-1]
        for index, (name, rows) in enumerate(sizes)
    }
    hashes = _read_hashes(value, {(name, end) for name, found in ends.items() for end in found}, connection, table)
    return {name: tuple(hashes.get((name, end), LAST_HASH) for end in found) for name, found in ends.items()}


def _read_hashes(
    value: str, wanted: Collection[tuple[str, int]], connection: "duckdb.DuckDBPyConnection", table: str
) -> dict[tuple[str, int], int]:
    """Return the hash at each stratum's wanted ranks, from 0; a rank behind the last row has none."""
    ranked = connection.execute(
        "SELECT stratum, rank, hash FROM (SELECT stratum, hash, row_number() OVER (PARTITION BY stratum ORDER BY hash) "
        f"- 1 AS rank FROM (SELECT {value} AS stratum, {HASH} AS hash FROM {table})) SEMI JOIN (SELECT "
        "unnest(CAST($1 AS VARCHAR[])) AS stratum, unnest(CAST($2 AS BIGINT[])) AS rank) USING (stratum, rank)",
        [[name for name, _ in wanted], [rank for _, rank in wanted]],
    ).fetchall()
    return {(name, rank): value for name, rank, value in ranked}


def _apportion(rows: int, parts: Mapping[str, Fraction]) -> dict[str, int]:
    """Return how many of `rows` each split gets: the largest remainders are rounded up."""
    sizes = {name: int(rows * part) for name, part in parts.items()}
    first = {"train": 0, "eval": 1, "test": 2}
    by_remainder = sorted(parts, key=lambda name: (sizes[name] - rows * parts[name], first.get(name, 3)))
    rounded_up = by_remainder[: rows - sum(sizes.values())]
    return {name: size + (name in rounded_up) for name, size in sizes.items()}


def _by_stratum(split: StratifiedSplit, cuts: Cuts) -> str:
    """Look the hashes up in lists, by the stratum's place in an ENUM: DuckDB has no faster way without a join."""
    if not cuts.strata:
        return "'train'"
    place = f"enum_code(try_cast({stratum(split.column)} AS ENUM({', '.join(map(quote, cuts.strata))}))) + 1"
    split_names = [name for name, _ in _pieces(split, _buckets(split))]
    whens = " ".join(
        f"WHEN {HASH} < CAST([{', '.join(map(str, ends))}] AS UBIGINT[])[{place}] THEN '{name}'"
        for name, ends in zip(split_names, zip(*cuts.strata.values(), strict=True), strict=False)
    )
    return f"CASE WHEN {place} IS NULL THEN 'train' {whens} ELSE '{split_names[-1]}' END"
