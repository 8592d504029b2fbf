"""Feature kinds through tf.Transform, on one table of 200 rows, against values worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.discovery import discover
from models.features import bucketized, categorical, numeric
from models.preprocess import transformed_name
from models.raw import MISSING, tensor_dtype
from models.spec import InputSpec

pytestmark = pytest.mark.tensorflow

Array = np.ndarray[Any, Any]
Apply = Callable[[str, list[Any]], Array]

ROWS = 200
RISING = [float(i) for i in range(1, ROWS + 1)]
WEEK = ["Mo", "Tu", "We", "Th", "Fr"]

# name: (raw type, settings, values of the train split)
COLUMNS: dict[str, tuple[str, dict[str, Any], list[Any]]] = {
    "z score": ("float", {"kind": "numeric", "clip": [0, 1]}, [*RISING[:-50], *[None] * 50]),
    "min.max": ("float", {"kind": "numeric", "scale": "minmax", "clip": [0, 1]}, RISING),
    "clipped": ("float", {"kind": "numeric", "scale": "minmax", "clip": [0.1, 0.9]}, [*RISING[:-1], 1e9]),
    "as_is": ("float", {"kind": "numeric", "scale": "none"}, RISING),
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
    "when": ("bytes", {"kind": "datetime", "parts": ["hour"]}, ["2024-01-01"] * ROWS),
    "never": ("bytes", {"kind": "datetime", "parts": ["hour"]}, [None] * ROWS),
}
LABEL = ("bytes", [WEEK[i % 5] for i in range(ROWS)])


@pytest.fixture(scope="module")
def inputs() -> InputSpec:
    types = {name: raw_type for name, (raw_type, _, _) in COLUMNS.items()}
    features = {name: settings for name, (_, settings, _) in COLUMNS.items()}
    return InputSpec.model_validate(
        {
            "types": {**types, "label": LABEL[0]},
            "features": features,
            "target": {"kind": "multiclass", "column": "label"},
        }
    )


@pytest.fixture(scope="module")
def transform(analyze: Any, inputs: InputSpec) -> Any:
    return analyze(inputs, {**{name: values for name, (_, _, values) in COLUMNS.items()}, "label": LABEL[1]})


@pytest.fixture(scope="module")
def apply(transform: Any, inputs: InputSpec) -> Apply:
    """`apply(column, values)`: the transformed values; the other columns are missing."""
    import tensorflow as tf

    layer = transform.transform_features_layer()

    def run(column: str, values: list[Any]) -> Array:
        raw = {}
        for name in inputs.features:
            marker = MISSING[inputs.types[name]]
            filled = (
                [marker if value is None else value for value in values] if name == column else [marker] * len(values)
            )
            raw[name] = tf.constant(filled, tensor_dtype(inputs.types[name]))
        result: Array = layer(raw)[transformed_name(column)].numpy()
        return result

    return run


def test_zscore_has_zero_mean_and_unit_deviation_over_present_values(apply: Apply) -> None:
    known = np.arange(1, 151)
    scaled = apply("z score", [1.0, 75.5, 150.0, None])
    expected = (np.array([1, 75.5, 150]) - known.mean()) / known.std()
    # the statistics are read off a grid of quantiles
    np.testing.assert_allclose(scaled[:3, 0], expected, atol=0.02)
    np.testing.assert_array_equal(scaled[3], [0, 1])
    assert scaled[:3, 1].tolist() == [0, 0, 0]


def test_values_beyond_the_train_split_are_clipped(apply: Apply) -> None:
    low, lowest, high, highest = apply("z score", [1.0, -1e6, 150.0, 1e6])[:, 0]
    assert (lowest, highest) == (low, high)


def test_minmax_is_exact(apply: Apply) -> None:
    np.testing.assert_allclose(
        apply("min.max", [1.0, 200.0, 100.5, 1000.0, None]), [[0, 0], [1, 0], [0.5, 0], [1, 0], [0, 1]], rtol=1e-6
    )


def test_clip_cuts_off_the_extremes(apply: Apply) -> None:
    # the 10 % and 90 % quantiles of 1 to 199 and 1e9: 20 and 180
    expected = [0, 0, (100 - 20) / 160, 1, 1]
    np.testing.assert_allclose(apply("clipped", [1.0, 20.0, 100.0, 180.0, 1e9])[:, 0], expected, atol=0.01)


def test_scale_none_changes_nothing(apply: Apply) -> None:
    np.testing.assert_array_equal(apply("as_is", [-5.5, 1e6, None]), np.float32([[-5.5, 0], [1e6, 0], [0, 1]]))


def test_whole_numbers_are_numbers(apply: Apply) -> None:
    np.testing.assert_allclose(apply("größe", [0, 10, 5, None]), [[0, 0], [1, 0], [0.5, 0], [0, 1]])


def test_a_column_without_values_is_constant_with_the_flag(apply: Apply) -> None:
    np.testing.assert_array_equal(apply("nothing", [None, 3.0]), [[0, 1], [0, 0]])


def test_a_constant_column_is_zero(apply: Apply) -> None:
    np.testing.assert_array_equal(apply("always 7", [7.0, None, 8.0]), [[0, 0], [0, 1], [0, 0]])


def test_infinite_values_are_missing_and_spoil_no_statistics(apply: Apply) -> None:
    scaled = apply("infinite", [0.0, 8.0, 2.0, math.inf, -math.inf])
    np.testing.assert_allclose(scaled, [[0, 0], [1, 0], [0.25, 0], [0, 1], [0, 1]])


def test_bounds_belong_to_the_bucket_above(apply: Apply) -> None:
    values = [-1.0, 17.9, 18.0, 64.9, 65.0, 1e9, None]
    assert apply("age (years)", values).tolist() == [0, 0, 1, 1, 2, 2, 3]


def test_quantile_buckets_have_equal_weight(apply: Apply) -> None:
    buckets = apply("quarters", [*range(1, ROWS + 1)])
    np.testing.assert_allclose(np.bincount(buckets), [50, 50, 50, 50], atol=1)
    assert (np.diff(buckets) >= 0).all()
    assert apply("quarters", [-100, 1000, None]).tolist() == [0, 3, 4]


def test_buckets_of_a_column_without_values_are_ids(apply: Apply) -> None:
    buckets = apply("no age", [None, 1.0, -1e9])
    assert buckets[0] == 4
    assert set(buckets[1:]) <= {0, 1, 2, 3}


def test_a_constant_column_has_buckets_below_and_from_the_constant(apply: Apply) -> None:
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
def test_categories(apply: Apply, column: str, values: list[Any], expected: list[int]) -> None:
    assert apply(column, values).tolist() == expected


def test_several_ids_out_of_vocabulary_are_shared_by_hash(apply: Apply) -> None:
    unseen = ["c", *(f"new {index}" for index in range(50))]
    known, others, missing = np.split(apply("top 2", ["a", "b", *unseen, None]), [2, -1])
    assert known.tolist() == [0, 1]
    assert set(others) == {2, 3, 4}
    assert missing.tolist() == [5]
    assert apply("top 2", unseen).tolist() == others.tolist()


def test_a_column_without_a_single_category(apply: Apply) -> None:
    unseen, missing = apply("class", ["anything", None])
    assert unseen < missing


def test_moments_and_the_flag(apply: Apply) -> None:
    np.testing.assert_allclose(
        apply("when", ["2024-06-01T06:00", "1999-01-01T12:00", "soon", None]),
        [[1, 0, 0], [0, -1, 0], [0, 0, 1], [0, 0, 1]],
        atol=1e-6,
    )
    np.testing.assert_array_equal(apply("never", [None]), [[0, 0, 1]])


def test_no_rows(apply: Apply) -> None:
    shapes = {name: apply(name, []).shape for name in COLUMNS}
    width = {"numeric": (0, 2), "datetime": (0, 3), "bucketized": (0,), "categorical": (0,)}
    assert shapes == {name: width[settings["kind"]] for name, (_, settings, _) in COLUMNS.items()}


def test_every_id_fits_its_embedding(apply: Apply, transform: Any, inputs: InputSpec) -> None:
    import keras

    from models.network import vocabulary_sizes

    sizes = vocabulary_sizes(inputs, transform)
    assert set(sizes) == {name for name in COLUMNS if COLUMNS[name][1]["kind"] == "categorical"}
    unseen = {
        "bytes": [None, *(f"new {index}" for index in range(20))],
        "int": [None, 10**6],
        "float": [None, -1e9, 1e9],
    }
    for name, (raw_type, settings, values) in COLUMNS.items():
        params = inputs.features[name]
        column = keras.Input((), dtype="int64") if settings["kind"] in {"categorical", "bucketized"} else None
        if column is not None:
            size = discover("models.features")[params.kind].encode(column, params, "x", sizes.get(name, 0)).size
            ids = apply(name, [*values, *unseen[raw_type]])
            assert (ids.min() >= 0, ids.max()) == (True, size - 1), name


def test_a_vocabulary_with_a_label_of_the_same_name_stays_apart(transform: Any) -> None:
    assert transform.vocabulary_by_name("label_classes") == sorted((day.encode() for day in WEEK), reverse=True)


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


def test_bounds_must_rise() -> None:
    for bounds in ([1, 1], [2, 1], []):
        with pytest.raises(ValidationError, match=r"bounds must rise|at least 1 item"):
            bucketized.Params(bounds=bounds)
    assert (bucketized.Params(bounds=[1, 2]).size, bucketized.Params(buckets=7).size) == (3, 7)
