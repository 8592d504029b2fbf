"""Feature kinds through tf.Transform, on one table of 200 rows, against values worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.discovery import discover
from models.features import bucketized, categorical, embedding, numeric
from models.raw import safe_name

pytestmark = pytest.mark.tensorflow

ROWS = 200
RISING = [float(i) for i in range(1, ROWS + 1)]
IDS = {"categorical", "bucketized", "embedding"}
WEEK = ["Mo", "Tu", "We", "Th", "Fr"]

# name: (raw type, settings, values of the train split)
COLUMNS: dict[str, tuple[str, dict[str, Any], list[Any]]] = {
    "z score": ("float", {"kind": "numeric", "clip": [0, 1]}, [*RISING[:-50], *[None] * 50]),
    "min.max": ("float", {"kind": "numeric", "scale": "minmax", "clip": [0, 1]}, RISING),
    "clipped": ("float", {"kind": "numeric", "scale": "minmax", "clip": [0.1, 0.9]}, [*RISING[:-1], 1e9]),
    "as_is": ("float", {"kind": "numeric", "scale": "none"}, RISING),
    "logs": ("float", {"kind": "numeric", "scale": "log", "clip": [0, 1]}, [0.0, math.e - 1, 1 - math.e, None] * 50),
    "ranks": ("float", {"kind": "numeric", "scale": "quantile", "missing": "median"}, RISING),
    "median": ("float", {"kind": "numeric", "scale": "none", "missing": "median"}, [1.0, 2.0, 2.0, 1e9, None] * 40),
    "zero": ("float", {"kind": "numeric", "scale": "minmax", "clip": [0, 1], "missing": 50.5}, RISING),
    "größe": ("int", {"kind": "numeric", "scale": "minmax", "clip": [0, 1]}, [0, 10, None, 5] * 50),
    "nothing": ("float", {"kind": "numeric"}, [None] * ROWS),
    "always 7": ("float", {"kind": "numeric"}, [7.0] * ROWS),
    "infinite": ("float", {"kind": "numeric", "scale": "minmax", "clip": [0, 1]}, [math.inf, 0.0, 8.0, -math.inf] * 50),
    "age (years)": ("float", {"kind": "bucketized", "bounds": [18, 65]}, RISING),
    "quarters": ("int", {"kind": "bucketized", "buckets": 4}, [*range(1, ROWS + 1)]),
    "no age": ("float", {"kind": "bucketized", "buckets": 4}, [None] * ROWS),
    "one age": ("float", {"kind": "bucketized", "buckets": 4}, [7.0] * ROWS),
    "colour": ("bytes", {"kind": "categorical"}, ["red", "red", "größe", None] * 50),
    "code": ("int", {"kind": "categorical"}, [5, 5, -1, None] * 50),
    "top 2": ("bytes", {"kind": "categorical", "top_k": 2, "oov_buckets": 3}, [*["a"] * 90, *["b"] * 60, *["c"] * 50]),
    "often": ("bytes", {"kind": "categorical", "min_count": 60}, [*["a"] * 90, *["b"] * 60, *["c"] * 50]),
    "class": ("bytes", {"kind": "categorical"}, [None] * ROWS),
    "label_classes": ("bytes", {"kind": "categorical"}, ["same"] * ROWS),
    "hashed": ("bytes", {"kind": "categorical", "hash_buckets": 5}, [f"value {i}" for i in range(ROWS)]),
    "from": ("bytes", {"kind": "categorical", "shared": "place"}, ["a", "a", "b", None] * 50),
    "to": ("bytes", {"kind": "categorical", "shared": "place", "embedding": 3}, ["b", "c", "c", "b"] * 50),
    "user id": ("int", {"kind": "embedding", "min_count": 60, "units": 3}, [7, 7, 8, 9] * 50),
    "flag": ("bytes", {"kind": "boolean"}, ["yes", "no"] * 100),
    "count": ("float", {"kind": "boolean"}, [0.0, 1.0] * 100),
    "when": ("bytes", {"kind": "datetime", "parts": ["hour"]}, ["2024-01-01"] * ROWS),
    "age": ("bytes", {"kind": "datetime", "parts": ["hour"], "age": True}, ["1970-01-01", "1990-01-01"] * 100),
    "never": ("bytes", {"kind": "datetime", "parts": ["hour"]}, [None] * ROWS),
}
LABEL = [WEEK[i % 5] for i in range(ROWS)]


@pytest.fixture(scope="module")
def apply(transform_table: Any) -> Any:
    """`apply(column, values)`: the transformed values; the other columns are missing."""
    columns = {name: (raw_type, values) for name, (raw_type, _, values) in COLUMNS.items()}
    return transform_table(columns, {name: settings for name, (_, settings, _) in COLUMNS.items()}, LABEL)


def test_zscore_has_zero_mean_and_unit_deviation_over_present_values(apply: Any) -> None:
    known = np.arange(1, 151)
    scaled = apply("z score", [1.0, 75.5, 150.0, None])
    expected = (np.array([1, 75.5, 150]) - known.mean()) / known.std()
    # the statistics are read off a grid of quantiles
    np.testing.assert_allclose(scaled[:3, 0], expected, atol=0.02)
    np.testing.assert_allclose(scaled[3], [0, 1], atol=1e-6)
    assert scaled[:3, 1].tolist() == [0, 0, 0]


def test_values_beyond_the_train_split_are_clipped(apply: Any) -> None:
    low, lowest, high, highest = apply("z score", [1.0, -1e6, 150.0, 1e6])[:, 0]
    assert (lowest, highest) == (low, high)


def test_minmax_is_exact(apply: Any) -> None:
    np.testing.assert_allclose(
        apply("min.max", [1.0, 200.0, 100.5, 1000.0]), [[0, 0], [1, 0], [0.5, 0], [1, 0]], rtol=1e-6
    )


def test_clip_cuts_off_the_extremes(apply: Any) -> None:
    # the 10 % and 90 % quantiles of 1 to 199 and 1e9: 20 and 180
    expected = [0, 0, (100 - 20) / 160, 1, 1]
    np.testing.assert_allclose(apply("clipped", [1.0, 20.0, 100.0, 180.0, 1e9])[:, 0], expected, atol=0.01)


def test_scale_none_changes_nothing(apply: Any) -> None:
    np.testing.assert_array_equal(apply("as_is", [-5.5, 1e6]), np.float32([[-5.5, 0], [1e6, 0]]))


def test_whole_numbers_are_numbers(apply: Any) -> None:
    np.testing.assert_allclose(apply("größe", [0, 10, 5]), [[0, 0], [1, 0], [0.5, 0]])


def test_log_is_the_z_score_of_the_signed_logarithm(apply: Any) -> None:
    # logarithms 0, 1, -1 a third each: mean 0, variance 2/3
    values = [0.0, math.e - 1, 1 - math.e, 1e9, None]
    np.testing.assert_allclose(apply("logs", values)[:, 0], [0, 1.5**0.5, -(1.5**0.5), 1.5**0.5, 0], atol=0.01)


def test_quantile_is_the_rank(apply: Any) -> None:
    ranks = apply("ranks", [-5.0, 1.0, 50.0, 100.5, 150.0, 200.0, 1e9])[:, 0]
    np.testing.assert_allclose(ranks, [0, 0, 0.25, 0.5, 0.75, 1, 1], atol=0.01)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        # the mean of 1 to 200, before and after scaling; a third each of 0, 5 and 10
        ("as_is", 100.5),
        ("min.max", 0.5),
        ("größe", 0.5),
        # half of 1, 2, 2 and 1e9 are 2 or less; in the middle
        ("median", 2.0),
        ("ranks", 0.5),
        # a number of its own, scaled as any
        ("zero", 49.5 / 199),
    ],
)
def test_a_missing_number_is_what_the_settings_say(apply: Any, column: str, expected: float) -> None:
    value, flag = apply(column, [None])[0]
    assert flag == 1
    assert value == pytest.approx(expected, rel=0.01)


def test_a_column_without_values_is_constant_with_the_flag(apply: Any) -> None:
    np.testing.assert_array_equal(apply("nothing", [None, 3.0]), [[0, 1], [0, 0]])


def test_a_constant_column_is_zero(apply: Any) -> None:
    np.testing.assert_array_equal(apply("always 7", [7.0, None, 8.0]), [[0, 0], [0, 1], [0, 0]])


def test_infinite_values_are_missing_and_spoil_no_statistics(apply: Any) -> None:
    scaled = apply("infinite", [0.0, 8.0, 2.0, math.inf, -math.inf])
    np.testing.assert_allclose(scaled, [[0, 0], [1, 0], [0.25, 0], [0.5, 1], [0.5, 1]], atol=0.01)


def test_bounds_belong_to_the_bucket_above(apply: Any) -> None:
    values = [-1.0, 17.9, 18.0, 64.9, 65.0, 1e9, None]
    assert apply("age (years)", values).tolist() == [0, 0, 1, 1, 2, 2, 3]


def test_quantile_buckets_have_equal_weight(apply: Any) -> None:
    buckets = apply("quarters", [*range(1, ROWS + 1)])
    np.testing.assert_allclose(np.bincount(buckets), [50, 50, 50, 50], atol=1)
    assert (np.diff(buckets) >= 0).all()
    assert apply("quarters", [-100, 1000, None]).tolist() == [0, 3, 4]


def test_buckets_of_a_column_without_values_are_ids(apply: Any) -> None:
    buckets = apply("no age", [None, 1.0, -1e9])
    assert buckets[0] == 4
    assert set(buckets[1:]) <= {0, 1, 2, 3}


def test_a_constant_column_has_buckets_below_and_from_the_constant(apply: Any) -> None:
    below, at, above, missing = apply("one age", [6.0, 7.0, 8.0, None])
    assert (below, missing) == (0, 4)
    assert below < at <= above < missing


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        # by frequency, then out of vocabulary, then missing
        ("colour", ["red", "größe", "blue", None], [0, 1, 2, 3]),
        ("code", [5, -1, 77, None], [0, 1, 2, 3]),
        ("often", ["a", "b", "c", None], [0, 1, 2, 3]),
        ("label_classes", ["same", "other", None], [0, 1, 2]),
    ],
)
def test_categories(apply: Any, column: str, values: list[Any], expected: list[int]) -> None:
    assert apply(column, values).tolist() == expected


def test_several_ids_out_of_vocabulary_are_shared_by_hash(apply: Any) -> None:
    unseen = ["c", *(f"new {index}" for index in range(50))]
    known, others, missing = np.split(apply("top 2", ["a", "b", *unseen, None]), [2, -1])
    assert known.tolist() == [0, 1]
    assert set(others) == {2, 3, 4}
    assert missing.tolist() == [5]
    assert apply("top 2", unseen).tolist() == others.tolist()


def test_a_column_without_a_single_category(apply: Any) -> None:
    unseen, missing = apply("class", ["anything", None])
    assert unseen < missing


def test_moments_and_the_flag(apply: Any) -> None:
    np.testing.assert_allclose(
        apply("when", ["2024-06-01T06:00", "1999-01-01T12:00", "soon", None]),
        [[1, 0, 0], [0, -1, 0], [0, 0, 1], [0, 0, 1]],
        atol=1e-6,
    )
    np.testing.assert_array_equal(apply("never", [None]), [[0, 0, 1]])


def test_hashed_categories_need_no_vocabulary(apply: Any) -> None:
    ids = apply("hashed", [*(f"value {index}" for index in range(50)), "never seen", None])
    assert set(ids[:-1]) == {0, 1, 2, 3, 4}
    assert ids[-1] == 5
    assert apply.output.vocabulary_file_by_name("hashed") is None


def test_shared_vocabulary_is_of_all_columns(apply: Any) -> None:
    # b: 50 + 100, a: 100, c: 100, by frequency and then backwards by name
    origins, destinations = (apply(column, ["b", "c", "a", "d", None]).tolist() for column in ("from", "to"))
    assert origins == destinations == [0, 1, 2, 3, 4]
    found = {apply.output.vocabulary_file_by_name(safe_name(column)) for column in ("from", "to")}
    assert len(found) == 1


def test_ids_of_an_embedding(apply: Any) -> None:
    assert apply("user id", [7, 8, 9, 10, None]).tolist() == [0, 1, 1, 1, 2]


@pytest.mark.parametrize(
    ("column", "yes", "no", "missing"),
    [
        (
            "flag",
            ["true", " TRUE\n", "t", "yes", "Y", "on", "1", "1.0", "-2"],
            ["false", "F", "no", "N", "Off", "0", " 0.0"],
            ["", None, "maybe", "truee", "nan"],
        ),
        ("count", [1.0, -3.0, 0.5], [0.0, -0.0], [None, math.inf]),
    ],
)
def test_yes_and_no(apply: Any, column: str, yes: list[Any], no: list[Any], missing: list[Any]) -> None:
    expected = [*[[1, 0]] * len(yes), *[[0, 0]] * len(no), *[[0, 1]] * len(missing)]
    np.testing.assert_array_equal(apply(column, [*yes, *no, *missing]), expected)


def test_age_is_standardized_and_stays_within_the_train_split(apply: Any) -> None:
    moments = ["1970-01-01", "1990-01-01", "1980-01-01", "2024-01-01", None]
    expected = [-1, 1, 0, 1, 0]
    aged = apply("age", moments)
    np.testing.assert_allclose(aged[:, 0], expected, atol=0.01)
    np.testing.assert_allclose(aged[:, 1:], [*[[0, 1, 0]] * 4, [0, 0, 1]], atol=1e-6)


def test_no_rows(apply: Any) -> None:
    shapes = {name: apply(name, []).shape for name in COLUMNS}
    width: dict[str, tuple[int, ...]] = {"numeric": (0, 2), "datetime": (0, 3), "boolean": (0, 2)}
    expected = {name: width.get(settings["kind"], (0,)) for name, (_, settings, _) in COLUMNS.items()}
    assert shapes == expected | {"age": (0, 4)}


def test_every_id_fits_its_embedding(apply: Any) -> None:
    import keras

    from models.network import vocabulary_sizes

    inputs = apply.inputs
    sizes = vocabulary_sizes(inputs, apply.output)
    categories = {name for name in COLUMNS if COLUMNS[name][1]["kind"] in {"categorical", "embedding"}}
    assert set(sizes) == categories - {"hashed"}
    unseen = {
        "bytes": [None, *(f"new {index}" for index in range(20))],
        "int": [None, 10**6],
        "float": [None, -1e9, 1e9],
    }
    for name, (raw_type, settings, values) in COLUMNS.items():
        params = inputs.features[name]
        column = keras.Input((), dtype="int64") if settings["kind"] in IDS else None
        if column is not None:
            size = discover("models.features")[params.kind].encode(column, params, "x", sizes.get(name, 0)).size
            ids = apply(name, [*values, *unseen[raw_type]])
            assert (ids.min() >= 0, ids.max()) == (True, size - 1), name


def test_a_vocabulary_with_a_label_of_the_same_name_stays_apart(apply: Any) -> None:
    assert apply.output.vocabulary_by_name("label_classes") == sorted((day.encode() for day in WEEK), reverse=True)


def test_encode_passes_numbers_on() -> None:
    import keras

    column = keras.Input((2,))
    encoded = numeric.encode(column, numeric.Params(), "x", 0)
    assert encoded.dense is column
    assert (encoded.ids, encoded.size) == (None, 0)


@pytest.mark.parametrize(("width", "expected"), [(None, 5), (3, 3)])
def test_encode_embeds_ids(width: int | None, expected: int) -> None:
    import keras

    column = keras.Input((), dtype="int64")
    # 5 in the vocabulary, 2 for the unseen, 1 for missing
    encoded = categorical.encode(column, categorical.Params(oov_buckets=2, embedding=width), "x", 5)
    assert encoded.size == 8
    assert encoded.ids is column
    assert encoded.dense.shape == (None, expected)


def test_l2_adds_the_squares_of_the_table_to_the_loss() -> None:
    import keras

    column = keras.Input((), dtype="int64")
    # 2 in the vocabulary, 1 for the unseen, 1 for missing
    encoded = embedding.encode(column, embedding.Params(units=3, l2=0.5), "x", 2)
    model = keras.Model(column, encoded.dense)
    model.set_weights([np.full((4, 3), 2.0)])
    assert (encoded.size, encoded.dense.shape) == (4, (None, 3))
    assert [float(loss) for loss in model.losses] == [0.5 * 12 * 4]


def test_what_stands_for_missing_is_a_word_or_a_number() -> None:
    assert [numeric.Params(missing=given).missing for given in ("median", 0, -1.5)] == ["median", 0.0, -1.5]
    with pytest.raises(ValidationError, match="expected mean, median or a number, received 'med'"):
        numeric.Params(missing="med")


def test_a_hash_makes_no_vocabulary() -> None:
    for params in (categorical.Params, embedding.Params):
        with pytest.raises(ValidationError, match="no vocabulary's settings beside hash_buckets, received top_k"):
            params(hash_buckets=10, top_k=5)


def test_bounds_must_rise() -> None:
    for bounds in ([1, 1], [2, 1], []):
        with pytest.raises(ValidationError, match=r"bounds must rise|at least 1 item"):
            bucketized.Params(bounds=bounds)
    assert (bucketized.Params(bounds=[1, 2]).size, bucketized.Params(buckets=7).size) == (3, 7)
