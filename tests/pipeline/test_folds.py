"""Which rows judge which fold, worked out by hand, and that they are the rows that lie in the examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter

from models.discovery import discover
from pipeline.ingest import Request, open_rows, write_examples
from pipeline.reader import Reading
from pipeline.splits import Split
from pipeline.splits.folds import Fold, find_fault, read_folds
from pipeline.stage import stage

SPLIT: TypeAdapter[Split] = TypeAdapter(Split)
NEVER = "9999-01-01"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def folds_of(connection: Any, keys: Sequence[Any], count: int, **split: Any) -> list[Fold]:
    """The folds of rows 0, 1, 2, ... whose hash is ten times their number; all of them train or evaluate."""
    kind = "DOUBLE" if any(isinstance(key, float) for key in keys) else "VARCHAR"
    connection.execute(
        f"CREATE OR REPLACE TABLE rows AS SELECT key, CAST(id * 10 AS UBIGINT) AS __hash FROM "
        f"(SELECT unnest($1::{kind}[]) AS key, unnest($2::INT[]) AS id)",
        [list(keys), list(range(len(keys)))],
    )
    column = {} if split["by"] == "hash" else {"column": "key"}
    return read_folds(connection, "rows", SPLIT.validate_python(split | column), count)


def as_lists(folds: Sequence[Fold]) -> list[tuple[list[int], list[int], list[int]]]:
    return [(fold.train.tolist(), fold.evaluation.tolist(), fold.judged.tolist()) for fold in folds]


def train_only(**split: Any) -> dict[str, Any]:
    """A split whose places are the hashes' order: no hash below a million buckets is in eval or test."""
    return {"eval": 1e-6, "test": 0, **split}


def test_ten_rows_by_hash(connection) -> None:
    # ranges of five rows; their first fifth is an eval split
    assert as_lists(folds_of(connection, ["x"] * 10, 2, **train_only(by="hash"))) == [
        ([6, 7, 8, 9], [5], [0, 1, 2, 3, 4]),
        ([1, 2, 3, 4], [0], [5, 6, 7, 8, 9]),
    ]


def test_a_group_beside_a_column_is_in_one_fold(connection) -> None:
    rows = range(100)
    connection.execute(
        "CREATE TABLE rows AS SELECT CAST(id AS UBIGINT) AS __hash, id % 10 AS engine, "
        "CASE WHEN engine = 9 THEN 'test' WHEN engine > 6 THEN 'eval' ELSE 'train' END AS part "
        "FROM (SELECT unnest($1::INT[]) AS id)",
        [list(rows)],
    )
    split = SPLIT.validate_python({"by": "column", "column": "part", "group": "engine"})
    ordered = [row for part in ((0, 7), (7, 9)) for row in rows if part[0] <= row % 10 < part[1]]
    for fold in read_folds(connection, "rows", split, 3):
        engines = [{ordered[row] % 10 for row in each} for each in fold]
        assert all(engines)
        assert sum(map(len, engines)) == len(set().union(*engines)) == 9


def test_strata_begin_with_another_fold_and_part_each(connection) -> None:
    keys = ["a"] * 10 + ["b"] * 10 + ["rare"]
    assert as_lists(folds_of(connection, keys, 2, **train_only(by="stratified"))) == [
        # of b the second range judges fold 0; what is the fourth fifth of a range there was the third before
        ([6, 7, 8, 9, 10, 11, 12, 13], [5, 14], [0, 1, 2, 3, 4, 15, 16, 17, 18, 19, 20]),
        ([1, 2, 3, 4, 15, 16, 17, 18, 20], [0, 19], [5, 6, 7, 8, 9, 10, 11, 12, 13, 14]),
    ]


def test_time_comes_in_order_and_its_last_rows_are_an_eval_split(connection) -> None:
    # three ranges of five: the first one only trains, and so does a row without a time; a fifth of rows is rounded up
    days = [f"2024-01-{day:02d}" for day in range(1, 16)]
    folds = folds_of(connection, [*days, None], 2, by="time", eval=NEVER)
    assert as_lists(folds) == [
        ([0, 1, 2, 15], [3, 4], [5, 6, 7, 8, 9]),
        ([0, 1, 2, 3, 4, 5, 6, 15], [7, 8, 9], [10, 11, 12, 13, 14]),
    ]


def test_a_moment_is_in_one_fold_and_offsets_are_read(connection) -> None:
    # the third row is the second's moment; as text it comes last
    times = ["2024-01-01", "2024-01-02T00:00:00Z", "2024-01-02T05:00:00+05:00", "2024-01-03"]
    folds = folds_of(connection, times, 3, by="time", eval=NEVER)
    assert [fold.judged.tolist() for fold in folds] == [[1, 2], [], [3]]


def test_numbers_are_times_too(connection) -> None:
    folds = folds_of(connection, [30.0, 10.0, 20.0, float("nan"), 40.0, 50.0, 60.0], 2, by="time", eval=1000.0)
    assert [fold.judged.tolist() for fold in folds] == [[0, 4], [5, 6]]


@pytest.mark.parametrize("by", ["hash", "group", "stratified", "time"])
@pytest.mark.parametrize("count", [2, 5])
def test_every_row_judges_once_and_nothing_judged_is_trained_on(connection, by: str, count: int) -> None:
    keys = [f"2024-01-{1 + number % 28:02d}" for number in range(500)]
    folds = folds_of(connection, keys, count, by=by)
    judged = Counter(row for fold in folds for row in fold.judged.tolist())
    assert set(judged.values()) == {1}
    total = sum(map(len, folds[-1]))
    assert len(judged) == total if by != "time" else len(judged) == pytest.approx(total * count / (count + 1), abs=20)
    for fold in folds:
        used = [set(rows.tolist()) for rows in fold]
        assert sum(map(len, used)) == len(set().union(*used))
        assert len(fold.evaluation) == pytest.approx((len(fold.train) + len(fold.evaluation)) / 5, abs=25)
    assert find_fault(folds) == ""


def test_too_few_rows_are_told(connection) -> None:
    few = folds_of(connection, ["x"] * 3, 5, **train_only(by="hash"))
    assert find_fault(few) == (
        "fold 3 of 5 got no row to judge, out of 3 of train and eval; ask for fewer folds or bring more rows"
    )
    moments = ["2024-01-01"] * 4 + ["2024-01-02"] * 3 + ["2024-01-03"] * 3
    alike = folds_of(connection, moments, 2, by="time", eval=NEVER)
    assert find_fault(alike).startswith("fold 1 of 2 got no row to train on, out of 10")


LINES = [
    f"{number % 2},{number / 8},shop {number % 37},{'' if number % 50 == 0 else f'2024-{1 + number % 12:02d}-15'}"
    for number in range(1200)
]


@pytest.mark.parametrize(
    "split",
    [
        {"by": "group", "column": "shop"},
        {"by": "stratified", "column": "shop"},
        {"by": "time", "column": "day"},
        {"by": "time", "column": "day", "eval": "2024-10-01", "test": "2024-12-01"},
    ],
)
def test_the_places_are_those_of_the_examples(split: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("label,x,shop,day\n" + "\n".join(LINES) + "\n")
    staged = stage(
        Reading(discover("pipeline.sources")["csv"].Params(files="data.csv"), tmp_path, {}, {}), tmp_path / "stages"
    )
    request = Request.model_validate(
        {"stages": [staged.digest], "folder": tmp_path / "stages", "split": split, "label": "label"}
    )
    counts = write_examples(request, tmp_path / "out")
    with open_rows(request) as connection:
        folds = read_folds(connection, "rows", request.split, 3)
    assert sum(map(len, folds[-1])) == counts.rows["train"] + counts.rows["eval"]
    values = np.concatenate([read_column(tmp_path / "out", name, split["column"]) for name in ("train", "eval")])
    by_fold = [values[fold.judged] for fold in folds]
    if split["by"] == "group":
        assert not set(by_fold[0]) & set(by_fold[1])
        assert not set(by_fold[1]) & set(by_fold[2])
    elif split["by"] == "stratified":
        assert max(abs(Counter(by_fold[0])[shop] - Counter(by_fold[2])[shop]) for shop in set(values)) <= 1
    else:
        assert max(by_fold[0]) < min(by_fold[1])
        assert max(by_fold[1]) < min(by_fold[2])
        assert all(max(values[fold.train]) < min(values[fold.evaluation]) for fold in folds)
        assert all(max(values[fold.evaluation]) < min(values[fold.judged]) for fold in folds)


def read_column(folder: Path, split: str, name: str) -> Any:
    (file,) = (folder / f"Split-{split}").iterdir()
    return np.array([row[0].decode() if row else "" for row in pq.read_table(file)[name].to_pylist()])
