"""Which rows train, evaluate and test: the SQL expression run by DuckDB."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

import pipeline.splits
from pipeline.errors import InputError
from pipeline.splits import Cuts, Split, columns, cuts, expression, judged, names, with_fold
from pipeline.yaml_file import load_yaml

Connection = duckdb.DuckDBPyConnection
Values = Sequence[Any]
KEY = 'the "key"'
SPLIT: TypeAdapter[Split] = TypeAdapter(Split)


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    with duckdb.connect() as connection:
        connection.execute("SET timezone = 'America/New_York'")
        yield connection


def read(by: str, **settings: Any) -> Split:
    """The settings as ingestion gets them: out of JSON."""
    column = {} if by == "hash" else {"column": KEY}
    return SPLIT.validate_json(SPLIT.dump_json(SPLIT.validate_python({"by": by, **column, **settings})))


def fill(connection: Connection, keys: Values, ids: Sequence[int] = ()) -> None:
    """The table `rows`: `id`, a column of keys, and the hash that ingestion computes."""
    kind = "FLOAT" if any(isinstance(key, int | float) for key in keys) else "VARCHAR"
    connection.execute(
        f"CREATE OR REPLACE TABLE rows AS SELECT *, md5_number_lower(CAST(id AS VARCHAR)) AS __hash FROM "
        f'(SELECT unnest($1::INT[]) AS id, unnest($2::{kind}[]) AS "the ""key""")',
        [list(ids or range(len(keys))), list(keys)],
    )


def assign(connection: Connection, split: Split, known: Cuts | None = None) -> dict[int, str]:
    known = known or cuts(split, connection, "(SELECT * FROM rows)")
    sql = expression(split, Cuts.model_validate_json(known.model_dump_json()))
    return dict(connection.sql(f"SELECT id, {sql} FROM rows").fetchall())


def split_all(connection: Connection, split: Split, keys: Values) -> dict[int, str]:
    fill(connection, keys)
    return assign(connection, split)


def sizes(assigned: Mapping[int, str]) -> dict[str, int]:
    return dict(Counter(assigned.values()))


MOMENTS = [f"2024-{month:02}-{day:02}" for month in range(1, 11) for day in range(1, 11)]
keys_of_rows = st.lists(st.sampled_from([None, "a", "it's", "", "="]), min_size=1, max_size=80)
shared = st.sampled_from(
    [{}, {"eval": 0.5, "test": 0}, {"named": {"a": 0.3, "b": 0.1}}, {"folds": 3, "fold": 1, "named": {"a": 0.2}}]
)
by_hash = st.builds(lambda by, more: read(by, **more), st.sampled_from(["hash", "group"]), shared)
by_strata = shared.map(lambda more: read("stratified", **more))
CUT_OFFS = read("time", eval="2024-02-03", test="2024-03-01", named={"later": "2024-07-01"})
by_time = st.sampled_from([CUT_OFFS, read("time"), read("time", test=0, named={"later": 0.3})])
moments_of_rows = st.lists(st.sampled_from([None, *MOMENTS]), min_size=1, max_size=80).filter(any)


@given(keys=moments_of_rows, split=by_hash | st.just(CUT_OFFS), kept=st.integers(1, 80))
def test_more_rows_move_no_row(connection: Connection, keys: Values, split: Split, kept: int) -> None:
    few = split_all(connection, split, keys[:kept])
    many = split_all(connection, split, keys)
    assert few == {row: many[row] for row in few}


@settings(max_examples=25)
@given(
    pair=st.one_of(st.tuples(keys_of_rows, by_hash | by_strata), st.tuples(moments_of_rows, by_time)), data=st.data()
)
def test_neither_order_nor_parts_matter(
    connection: Connection, pair: tuple[Values, Split], data: st.DataObject
) -> None:
    keys, split = pair
    whole = split_all(connection, split, keys)
    known = cuts(split, connection, "rows")
    order = data.draw(st.permutations(range(len(keys))))
    fill(connection, [keys[row] for row in order], order)
    assert assign(connection, split) == whole
    part = order[: len(order) // 2 + 1]
    fill(connection, [keys[row] for row in part], part)
    assert assign(connection, split, known) == {row: whole[row] for row in part}


@given(keys=keys_of_rows, more=shared)
def test_an_entity_is_in_one_split(connection: Connection, keys: Values, more: dict[str, Any]) -> None:
    found = defaultdict(set)
    for row, split in split_all(connection, read("group", **more), keys).items():
        found[keys[row]].add(split)
    assert all(len(splits) == 1 for key, splits in found.items() if key is not None)


@given(keys=keys_of_rows, more=shared.filter(lambda more: "folds" not in more))
def test_strata_are_exact_to_the_row(connection: Connection, keys: Values, more: dict[str, Any]) -> None:
    split = read("stratified", **more)
    given_shares = {"eval": split.eval, **({"test": split.test} if split.test else {}), **split.named}
    shares = {name: Fraction(str(share)) for name, share in given_shares.items()}
    shares = {"train": 1 - sum(shares.values()), **shares}
    assigned = split_all(connection, split, keys)
    for key, rows in Counter(keys).items():
        got = sizes({row: name for row, name in assigned.items() if keys[row] == key})
        assert all(rows * share // 1 <= got.get(name, 0) <= -(-rows * share // 1) for name, share in shares.items())
        assert rows > 1 or got == {max(shares, key=lambda name: shares[name]): 1}


@settings(max_examples=25)
@given(keys=keys_of_rows, by=st.sampled_from(["hash", "group", "stratified"]), folds=st.integers(2, 7))
def test_each_row_is_in_the_eval_split_of_one_fold(connection: Connection, keys: Values, by: str, folds: int) -> None:
    split = read(by, folds=folds, named={"a": 0.1}, test=0.2)
    found = [split_all(connection, with_fold(split, fold), keys) for fold in range(folds)]
    for row in range(len(keys)):
        told = Counter(assigned[row] for assigned in found)
        assert told in ({"test": folds}, {"a": folds}, {"eval": 1, "train": folds - 1})


def test_odd_rows_go_to_the_largest_remainders(connection: Connection) -> None:
    # 3, 2.28 and 0.72 of 6 rows; 1.5, 1.14 and 0.36 of 3
    split = read("stratified", eval=0.38, test=0.12)
    assert sizes(split_all(connection, split, ["a"] * 6)) == {"train": 3, "eval": 2, "test": 1}
    assert sizes(split_all(connection, split, ["a"] * 3)) == {"train": 2, "eval": 1}
    # 0.5 each: train goes first
    assert sizes(split_all(connection, read("stratified", eval=0.25, test=0.25), ["a", "a"])) == {"train": 1, "eval": 1}


def test_folds_of_many_small_strata_are_of_like_size(connection: Connection) -> None:
    assigned = split_all(connection, read("stratified", folds=4, test=0), [f"v{row}" for row in range(40)])
    assert sizes(assigned) == {"train": 30, "eval": 10}


def test_buckets_of_the_hash_stay_as_they_were(connection: Connection) -> None:
    assigned = split_all(connection, read("hash"), [None] * 20_000)
    place = dict(connection.sql("SELECT id, __hash % 1000000 FROM rows").fetchall())
    assert assigned == {
        row: "test" if at >= 900_000 else "eval" if at >= 700_000 else "train" for row, at in place.items()
    }
    named = assign(connection, read("hash", named={"calibration": 0.05}))
    assert {name for row, name in assigned.items() if named[row] == "calibration"} == {"train"}
    assert all(name in (assigned[row], "calibration") for row, name in named.items())
    assert sizes(named)["calibration"] == pytest.approx(1_000, abs=125)


def test_groups_get_their_shares_and_rows_without_one_too(connection: Connection) -> None:
    for keys in (range(20_000), [None] * 20_000):
        found = sizes(split_all(connection, read("group"), list(keys)))
        assert found == pytest.approx({"train": 14_000, "eval": 4_000, "test": 2_000}, abs=260)


def test_too_many_strata(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.splits, "MOST_STRATA", 2)
    with pytest.raises(InputError, match="'the \"key\"' has more than 2 values"):
        split_all(connection, read("stratified"), ["a", "b", None])


def test_a_value_unknown_to_the_cuts_trains(connection: Connection) -> None:
    fill(connection, ["a"] * 9)
    known = cuts(read("stratified"), connection, "rows")
    fill(connection, ["b"] * 9)
    assert sizes(assign(connection, read("stratified"), known)) == {"train": 9}
    assert expression(read("stratified"), Cuts()) == "'train'"


def test_time_goes_train_eval_test_named_in_the_shares_asked_for(connection: Connection) -> None:
    assigned = split_all(connection, read("time", named={"b": 0.1, "a": 0.2}), MOMENTS)
    assert list(dict.fromkeys(assigned.values())) == ["train", "eval", "test", "b", "a"]
    assert sizes(assigned) == pytest.approx({"train": 40, "eval": 20, "test": 10, "b": 10, "a": 20}, abs=1)


@given(keys=moments_of_rows, split=by_time)
def test_no_moment_is_in_two_splits_nor_before_an_earlier_one(
    connection: Connection, keys: Values, split: Split
) -> None:
    assigned = split_all(connection, split, keys)
    by_moment = sorted((key, names(split).index(assigned[row])) for row, key in enumerate(keys) if key)
    assert [place for _, place in by_moment] == sorted(place for _, place in by_moment)
    assert len(set(by_moment)) == len({key for key in keys if key})
    assert all(assigned[row] == "train" for row, key in enumerate(keys) if key is None)


def test_shares_of_time_stay_as_they_were(connection: Connection) -> None:
    days = [None, *MOMENTS[:10]]
    # the moment where a share of 0.8 is reached is the eval split's
    assert list(split_all(connection, read("time", eval=0.2, test=0), days).values()) == ["train"] * 8 + ["eval"] * 3
    assert cuts(read("time"), connection, "rows").moments == (MOMENTS[7], MOMENTS[8])


def test_numbers_are_times_and_nan_is_none(connection: Connection) -> None:
    keys = [float("nan"), 2001.5, 2003.1, 2002, 2004, float("inf")]
    assert [*split_all(connection, read("time", eval=2003, test=2004), keys).values()] == [
        *["train", "train", "eval", "train", "test", "train"]
    ]
    assert sizes(split_all(connection, read("time", eval=0.5, test=0), keys)) == {"train": 3, "eval": 3}


@pytest.mark.parametrize(
    ("cut_off", "before", "since"),
    [
        (date(2013, 10, 1), ["2013-09-30", "2013-09-30T23:59:59Z"], ["2013-10-01", "2013-10-01T00:00:00Z"]),
        ("2013-10-01T02:00:00+02:00", ["2013-09-30T23:59:59.9Z"], ["2013-10-01", "2013-10-01 00:00:00"]),
        ("2013-10-01T10:00Z", ["2013-10-01", "2013-10-01 09:59:59"], ["2013-10-01T10:00:00.5Z", "2013-10-02"]),
        ("2013-10-01", ["2013-10-01T00:30:00+01:00"], ["2013-09-30T23:00:00-01:00"]),
    ],
)
def test_cut_offs_are_moments_in_utc(connection: Connection, cut_off: Any, before: Values, since: Values) -> None:
    split = read("time", eval=cut_off)
    assert names(split) == ["train", "eval"]
    expected = ["train"] * len(before) + ["eval"] * len(since)
    assert list(split_all(connection, split, [*before, *since]).values()) == expected


def test_cut_offs_as_yaml_reads_them(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(
        "{by: time, column: t, eval: 2013-10-01, test: 2013-10-01T01:00:00-01:00, named: {b: 2013-10-01 02:00:01, "
        "a: '2013-10-01T02:00:01.25Z'}}"
    )
    split = SPLIT.validate_python(load_yaml(tmp_path / "x.yaml").content)
    assert isinstance(split, pipeline.splits.TimeSplit)
    hours = ["00:00:00", "02:00:00", "02:00:01", "02:00:01.250000"]
    assert list(split.cuts.items()) == [
        (name, f"2013-10-01T{hour}Z") for name, hour in zip(["eval", "test", "b", "a"], hours, strict=True)
    ]


@pytest.mark.parametrize(
    ("keys", "settings", "message"),
    [
        (["2024-01-01", "soon"], {"eval": "2024-01-01"}, "expected moments such as .*, received 'soon'"),
        (["2024-01-01"], {"eval": 2013}, "has text: expected a cut-off such as 2013-10-01, received 2013"),
        ([2013], {"eval": "2024-01-01"}, "has numbers: expected a cut-off such as 2013, received 2024-01-01T"),
        ([None], {}, "expected moments in 'the \"key\"', received none"),
    ],
)
def test_times_that_do_not_fit_are_refused(connection: Connection, keys: Values, settings: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        split_all(connection, read("time", **settings), keys)


def test_names_judged_and_columns() -> None:
    assert names(read("hash", named={"b": 0.1, "a": 0.1})) == ["train", "eval", "test", "b", "a"]
    assert (judged(read("hash")), judged(read("time", eval="2013-10-01"))) == ("test", "eval")
    assert names(read("group", folds=2, test=0)) == ["train", "eval"]
    assert (columns(read("hash")), columns(read("stratified"))) == ({}, {"column": KEY})


def test_a_column_names_the_split(connection: Connection) -> None:
    split = read("column", named=["later"])
    assert (names(split), judged(split), columns(split)) == (
        ["train", "eval", "test", "later"],
        "test",
        {"column": KEY},
    )
    keys = ["test", "later", "train", "eval", "test"]
    assert list(split_all(connection, split, keys).values()) == keys
    assert names(read("column", test=False)) == ["train", "eval"]


@pytest.mark.parametrize(("odd", "told"), [("Train", "'Train'"), (None, "'nothing'")])
def test_a_column_that_names_no_split_is_refused(connection: Connection, odd: str | None, told: str) -> None:
    with pytest.raises(InputError, match=f"expected train, eval, test in 'the \"key\"', received {told}"):
        split_all(connection, read("column"), ["train", "eval", "test", odd])


def test_a_group_in_two_splits_is_refused(connection: Connection) -> None:
    split = read("column", group="id")
    assert columns(split) == {"column": KEY, "group": "id"}
    fill(connection, ["train", "train", "eval", "test"], [7, 7, 8, 9])
    assert assign(connection, split) == {7: "train", 8: "eval", 9: "test"}
    fill(connection, ["train", "train", "eval", "test"], [7, 8, 8, 9])
    expected = "split.group: expected all rows of one 'id' in one split, received '8' in eval and train"
    with pytest.raises(InputError, match=expected):
        assign(connection, split)


def test_fold_is_chosen_or_refused() -> None:
    assert with_fold(read("hash", folds=3, fold=1), 2) == read("hash", folds=3, fold=2)
    for split, fold, message in [
        (read("hash"), 0, "split.folds: required to choose fold 0, but missing"),
        (read("time"), 0, "split.folds: required"),
        (read("column"), 0, "split.folds: required"),
        (read("group", folds=3), 3, "fold: expected 0 to 2 as split.folds is 3, received 3"),
    ]:
        with pytest.raises(InputError, match=message):
            with_fold(split, fold)


@pytest.mark.parametrize("by", ["hash", "group", "stratified", "time"])
@pytest.mark.parametrize(
    "settings",
    [{"eval": 0.6, "test": 0.4}, {"eval": 0}, {"eval": 1}, {"test": -0.1}, {"eval": True}, {"eval": 0.2, "unknown": 1},
     {"named": {"Big": 0.1}}, {"named": {"eval": 0.1}}, {"named": {"a": 0.7}}, {"named": {"a": 0}}, {"fold": 1},
     {"folds": 1}, {"folds": 3, "fold": 3}, {"folds": 3, "eval": 0.2}],
)  # fmt: skip
def test_settings_that_do_not_agree_are_refused(by: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read(by, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eval": "2013-10-01", "test": 0.1}, "expected shares only, moments only or numbers only, received eval 2013"),
        ({"eval": "2013-10-01", "test": "2013-10-01"}, "expected each cut-off later than the one before it"),
        ({"eval": 20, "test": 10}, "expected each cut-off later"),
        (
            {"eval": "soon"},
            "expected a share between 0 and 1, a moment such as 2013-10-01 or a number, received 'soon'",
        ),
    ],
)
def test_cut_offs_that_do_not_agree_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        read("time", **settings)
