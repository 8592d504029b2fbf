"""Feature kinds that read lists, texts or several columns, through tf.Transform, against values worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.encoded import embed_steps, sequence
from models.features import pca, text
from models.features import sequence as sequences

pytestmark = [
    pytest.mark.tensorflow,
    # tf.Transform's mean of a column without a single value
    pytest.mark.filterwarnings("ignore:invalid value encountered in divide"),
]

ROWS = 40
ANGLES = [2 * math.pi * row / ROWS for row in range(ROWS)]

# name: (raw type, values of the train split)
COLUMNS: dict[str, tuple[str, list[Any]]] = {
    # steps 1 to 4: mean 2.5, variance 1.25
    "sales": ("float", [[1.0, 2.0, 3.0], [4.0], [], None] * 10),
    "clicks": ("int", [[5], [5, 5]] * 20),
    "no steps": ("float", [None] * ROWS),
    "tags": ("bytes", [["a", "b", "a"], ["a"], ["c", "b"], None] * 10),
    "items": ("int", [[7, 8], [7], [9, 7, 7], []] * 10),
    "point": ("float", [[0.0, 10.0], [2.0, 30.0], None, [5.0], [math.nan, 7.0]] * 8),
    "comment": ("bytes", ["The good, the BAD!", "good bad", "the end", None] * 10),
    "pairs": ("bytes", ["new york", "new york city", "york", ""] * 10),
    "nothing said": ("bytes", [None] * ROWS),
    "shop": ("bytes", ["a", "b", None, "a"] * 10),
    "day": ("int", [1, 2, None, None] * 10),
    # two columns in step, one that is independent of them
    "x": ("float", [math.cos(angle) for angle in ANGLES]),
    "2 x + 5": ("float", [2 * math.cos(angle) + 5 for angle in ANGLES]),
    "y": ("int", [round(1000 * math.sin(angle)) for angle in ANGLES]),
    # open for 0, 1, 2 and 3 days
    "opened": ("bytes", ["2024-02-28T12:00Z", "2024-02-28", "2024-02-28", "2024-02-28"] * 10),
    "closed": ("bytes", ["2024-02-28T14:00+02:00", "2024-02-29", "2024-03-01", "2024-03-02"] * 10),
    "epoch": ("int", [0, None] * 20),
}
FEATURES: dict[str, dict[str, Any]] = {
    "sales": {"kind": "sequence", "length": 3},
    "clicks": {"kind": "sequence", "length": 2},
    "no steps": {"kind": "sequence", "length": 2},
    "tags": {"kind": "sequence", "of": "ids", "length": 2},
    "items": {"kind": "sequence", "of": "ids", "length": 4, "min_count": 15},
    "point": {"kind": "vector", "length": 2},
    "amounts": {"kind": "vector", "length": 2, "column": "point", "scale": "log"},
    "comment": {"kind": "text", "max_tokens": 3},
    "pairs": {"kind": "text", "max_tokens": 3, "ngrams": 3, "vocabulary": 3},
    "nothing said": {"kind": "text", "max_tokens": 2},
    "shop on day": {"kind": "crossed", "columns": ["shop", "day"], "hash_buckets": 50},
    "the plane": {"kind": "pca", "columns": ["x", "2 x + 5", "y"], "components": 2},
    "again": {"kind": "pca", "columns": ["y", "x"], "components": 1},
    "days open": {"kind": "elapsed", "columns": ["opened", "closed"]},
    "hours since": {
        "kind": "elapsed",
        "columns": ["epoch", "opened"],
        "unit": "hours",
        "scale": "none",
        "missing": -1.0,
    },
    # y: a column's name that stands for another column
    "y": {"kind": "bucketized", "column": "x", "bounds": [0.0]},
    "last tag": {"kind": "sequence", "column": "tags", "of": "ids", "length": 1},
}


@pytest.fixture(scope="module")
def apply(transform_table: Any) -> Any:
    return transform_table(COLUMNS, FEATURES, ["yes", "no"] * (ROWS // 2))


def test_numbers_of_a_sequence_are_standardized_by_all_steps(apply: Any) -> None:
    steps = apply("sales", [[1.0, 2.5], None, [2.0, 3.0, 4.0], [], [math.nan, 4.0], [1e9]])
    deviation = 1.25**0.5
    scaled = {value: (value - 2.5) / deviation for value in (1.0, 2.0, 2.5, 3.0, 4.0)}
    gone = [0, 0]
    np.testing.assert_allclose(
        steps,
        [
            [[scaled[1], 1], [0, 1], gone],
            [gone, gone, gone],
            [[scaled[2], 1], [scaled[3], 1], [scaled[4], 1]],
            [gone, gone, gone],
            [gone, [scaled[4], 1], gone],
            # no more than ten deviations
            [[10, 1], gone, gone],
        ],
        atol=1e-5,
    )


def test_a_sequence_of_one_value_or_of_none_is_bounded(apply: Any) -> None:
    np.testing.assert_array_equal(apply("clicks", [[5, 5], [5], [10**9]])[:, 0], [[0, 1], [0, 1], [10, 1]])
    np.testing.assert_array_equal(apply("no steps", [None, [2.0]]), [[[0, 0], [0, 0]], [[0, 1], [0, 0]]])


@pytest.mark.parametrize(
    ("column", "lists", "expected"),
    [
        # the last two of each list: b 20 times, a 20 (equal counts by name, backwards), c 10
        ("tags", [["b", "a"], ["c"], ["b", "new"], None, ["", "a"]], [[2, 3], [4, 0], [2, 1], [0, 0], [0, 3]]),
        # 7 40 times, 8 and 9 10 times each
        ("items", [[7, 8, 9, 10], [7], None], [[2, 1, 1, 1], [2, 0, 0, 0], [0, 0, 0, 0]]),
    ],
)
def test_ids_of_a_sequence(apply: Any, column: str, lists: list[Any], expected: Any) -> None:
    assert apply(column, lists).tolist() == expected


def test_a_vector_of_amounts_is_standardized_by_its_logarithms(apply: Any) -> None:
    # whole vectors: 0 and 2, 10 and 30
    logs = np.log1p([[0.0, 10.0], [2.0, 30.0]])
    found = apply("amounts", {"point": [[0.0, 10.0], [2.0, 30.0]]})
    np.testing.assert_allclose(found[:, :2], (logs - logs.mean(axis=0)) / logs.std(axis=0), rtol=1e-4)


def test_a_vector_is_standardized_by_its_places_or_missing_as_a_whole(apply: Any) -> None:
    # only whole vectors count: 0 and 2, 10 and 30
    rows = [[0.0, 10.0], [1.0, 30.0], [2.0, 1e9], [5.0], [math.nan, 10.0], None]
    expected = [[-1, -1, 0], [0, 1, 0], [1, 10, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]]
    np.testing.assert_allclose(apply("point", rows), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        # good 20, bad 10 (of the first it is the fourth word), the 30, end 10
        ("the good end", [2, 3, 4]),
        ("THE... good-bad?", [2, 3, 5]),
        ("what is the", [1, 1, 2]),
        ("end", [4, 0, 0]),
        ("the the the good", [2, 2, 2]),
        ("?!", [0, 0, 0]),
        ("", [0, 0, 0]),
        (None, [0, 0, 0]),
    ],
)
def test_words_of_a_text(apply: Any, said: str | None, expected: list[int]) -> None:
    assert apply("comment", [said]).tolist() == [expected]


def test_neighbouring_words(apply: Any) -> None:
    # york 30 times, new york 20, new 20 (by name, backwards); the vocabulary has no room for others
    found = apply("pairs", ["New York City", "york", None])
    assert found.tolist() == [[4, 2, 1, 3, 1, 0, 1, 0, 0], [2, *[0] * 8], [0] * 9]


def test_a_text_that_training_never_had(apply: Any) -> None:
    assert apply("nothing said", ["one two three", None]).tolist() == [[1, 1], [0, 0]]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Größe, ÜBER \t alles", ["größe", "über", "alles"]),
        ("don't can’t", ["dont", "cant"]),
        ("e-mail: a.b@c.de", ["e", "mail", "a", "b", "c", "de"]),
        ("42 naïve 東京", ["42", "naïve", "東京"]),
        (b"bad \xff\xfe bytes", ["bad", "bytes"]),
        (" ", []),
    ],
)
def test_tokenize(said: Any, words: list[str]) -> None:
    import tensorflow as tf

    tokens = text.tokenize(tf.constant([said]), text.Params(max_tokens=8)).numpy()[0]
    assert [token.decode() for token in tokens] == words + [""] * (8 - len(words))


def test_tokenize_no_rows() -> None:
    import tensorflow as tf

    assert text.tokenize(tf.constant([], tf.string), text.Params(max_tokens=8, ngrams=2)).shape == (0, 16)


@pytest.mark.parametrize(
    ("said", "pieces"),
    [
        ("Don't :)", ["<do", "don", "on'", "n't", "'t>", "<:)", ":)>", "", "<don", "don'", "on't", "n't>", "<:)>"]),
        ("ü a", ["<ü>", "<a>"]),
        ("beautifully", ["<be", "bea", "eau", "aut", "uti", "tif", "ifu", "ful", "<bea", "beau", "eaut", "auti"]),
        ("", []),
    ],
)
def test_pieces_of_words(said: str, pieces: list[str]) -> None:
    import tensorflow as tf

    tokens = text.tokenize(tf.constant([said]), text.Params(letters=(3, 4), max_tokens=8)).numpy()[0]
    found = [token.decode() for token in tokens]
    assert found[: len(pieces)] == pieces
    assert len(found) == 16


def test_letters_and_ngrams_exclude_each_other() -> None:
    for wrong in ({"letters": (4, 3)}, {"letters": (3, 4), "ngrams": 2}):
        with pytest.raises(ValueError, match="letters: expected a range"):
            text.Params(**wrong)


def test_a_root_pool_and_words_left_out() -> None:
    import keras

    column = keras.Input((4,), dtype="int64", name="said")
    params = text.Params(pool="root", dropout=0.5, embedding=2)
    network = keras.Model(column, text.encode(column, params, "said", 5).dense)
    table = network.get_layer("said_embedding").embeddings.numpy()
    said = np.array([[2, 3, 0, 0], [0, 0, 0, 0]])
    expected = [(table[2] + table[3]) / math.sqrt(2), [0, 0]]
    np.testing.assert_allclose(network(said), expected, atol=1e-6)
    # one of two words, twice as large, or both, or none
    kept = [np.zeros(2), 2 * table[2], 2 * table[3], 2 * (table[2] + table[3])]
    for _ in range(5):
        found = network(said, training=True).numpy()[0] * math.sqrt(2)
        assert any(np.allclose(found, each, atol=1e-6) for each in kept)


def test_a_cross_is_an_id_of_its_own(apply: Any) -> None:
    shops, days = ["a", "a", "b", None, "a", None, "never seen"], [1, 2, 1, 1, None, None, 99]
    ids = apply("shop on day", {"shop": shops, "day": days})
    assert len(set(ids.tolist())) == len(shops)
    assert ids[5] == 50
    assert max(np.delete(ids, 5)) < 50
    assert apply("shop on day", {"shop": ["a"], "day": [1]}).tolist() == [ids[0]]


def test_principal_components_are_those_of_the_standardized_columns(apply: Any) -> None:
    columns = {name: COLUMNS[name][1] for name in FEATURES["the plane"]["columns"]}
    found = apply("the plane", columns)
    # x twice and y: the first component is sqrt(2) times the z-score of x, the second that of y
    expected = [[2 * math.cos(angle), 2**0.5 * math.sin(angle), 0] for angle in ANGLES]
    signs = np.sign([found[1, 0], found[1, 1], 1])
    np.testing.assert_allclose(found * signs, expected, atol=1e-3)


def test_a_missing_value_of_principal_components_is_the_mean(apply: Any) -> None:
    rows = {"x": [None, 0.0, math.inf], "2 x + 5": [5.0, 5.0, None], "y": [0, None, None]}
    np.testing.assert_allclose(apply("the plane", rows), [[0, 0, 0], [0, 0, 0], [0, 0, 1]], atol=1e-3)
    assert apply("again", {"y": [None, 5], "x": [None, None]})[:, 1].tolist() == [1, 0]


def test_no_rows(apply: Any) -> None:
    shapes = {
        "sales": (0, 3, 2), "clicks": (0, 2, 2), "no steps": (0, 2, 2), "tags": (0, 2), "items": (0, 4),
        "point": (0, 3), "amounts": (0, 3), "comment": (0, 3), "pairs": (0, 9), "nothing said": (0, 2),
        "shop on day": (0,), "the plane": (0, 3), "again": (0, 2), "days open": (0, 2), "hours since": (0, 2),
        "y": (0,), "last tag": (0, 1),
    }  # fmt: skip
    found = {name: apply(name, {column: [] for column in apply.inputs.columns}).shape for name in FEATURES}
    assert found == shapes


def test_time_elapsed_is_scaled_and_may_be_missing(apply: Any) -> None:
    opened = ["2024-02-28", "2024-02-28T00:00Z", "2024-02-29", None, "2024-02-28", "no day"]
    closed = ["2024-02-29T12:00Z", "2024-03-02T01:00+01:00", "2024-02-29", "2024-02-29", None, "2024-02-29"]
    # 0 to 3 days: mean 1.5, variance 1.25
    expected = [0, 1.5 / 1.25**0.5, -1.5 / 1.25**0.5, 0, 0, 0]
    found = apply("days open", {"opened": opened, "closed": closed})
    np.testing.assert_allclose(found[:, 0], expected, atol=0.01)
    assert found[:, 1].tolist() == [0, 0, 0, 1, 1, 1]


def test_time_elapsed_may_be_below_zero_and_have_a_number_for_missing(apply: Any) -> None:
    rows = {"epoch": [3600, 0, None], "opened": ["1970-01-01", "1970-01-02T12:00Z", "1970-01-01"]}
    assert apply("hours since", rows).tolist() == [[-1, 0], [36, 0], [-1, 1]]


def test_a_feature_reads_the_column_that_it_names(apply: Any) -> None:
    assert apply("y", {"x": [-0.5, 0.5, None], "y": [9, 9, 9]}).tolist() == [0, 1, 2]
    # of its own length and vocabulary: the last tag alone, of which a is the most frequent, then b
    assert apply("last tag", {"tags": [["c", "a"], ["a", "b"], ["c"], None]}).tolist() == [[2], [3], [1], [0]]


def test_a_feature_of_several_columns_names_no_other(apply: Any) -> None:
    assert apply.inputs.columns.count("x") == 1
    with pytest.raises(ValidationError, match="columns says what is read"):
        pca.Params(columns=("a", "b"), column="c")


def test_vocabularies_are_found_by_their_feature(apply: Any) -> None:
    from models.network import vocabulary_sizes

    sizes = vocabulary_sizes(apply.inputs, apply.output)
    assert {name: sizes[name] for name in ("tags", "items", "comment", "pairs")} == {
        "tags": 3,
        "items": 1,
        "comment": 4,
        "pairs": 3,
    }
    assert set(sizes) == {"tags", "items", "comment", "pairs", "nothing said", "last tag"}


def test_the_dense_part_of_a_sequence_is_the_mean_of_its_steps() -> None:
    import tensorflow as tf

    steps = tf.constant([[[1.0, 10.0], [3.0, 20.0], [9.0, 99.0]], [[5.0, 5.0]] * 3])
    encoded = sequence(steps, tf.constant([[True, True, False], [False] * 3]))
    np.testing.assert_array_equal(encoded.dense, [[2, 15], [0, 0]])
    assert encoded.steps is steps


def test_steps_of_ids_are_embedded_and_masked() -> None:
    import keras

    column = keras.Input((3,), dtype="int64")
    encoded = embed_steps(column, 5, None, "x")
    model = keras.Model(column, [encoded.dense, encoded.steps, encoded.mask])
    table = np.arange(5 * encoded.dense.shape[1], dtype="float32").reshape(5, -1)
    model.set_weights([table])
    dense, steps, mask = model(np.array([[2, 4, 0], [0, 0, 0]]))
    np.testing.assert_array_equal(dense, [(table[2] + table[4]) / 2, 0 * table[0]])
    np.testing.assert_array_equal(steps[0], table[[2, 4, 0]])
    assert np.array(mask).tolist() == [[True, True, False], [False] * 3]
    assert encoded.ids is None


def test_numbers_of_a_sequence_keep_their_mask() -> None:
    import keras

    column = keras.Input((2, 2))
    encoded = sequences.encode(column, sequences.Params(length=2), "x", 0)
    model = keras.Model(column, [encoded.dense, encoded.steps, encoded.mask])
    dense, steps, mask = model(np.float32([[[3, 1], [0, 0]], [[1, 1], [-3, 1]]]))
    np.testing.assert_array_equal(dense, [[3], [-1]])
    np.testing.assert_array_equal(steps[..., 0], [[3, 0], [1, -3]])
    assert np.array(mask).tolist() == [[True, False], [True, True]]


def test_settings_that_contradict_each_other() -> None:
    with pytest.raises(ValidationError, match="at most as many components as columns, 2, received 3"):
        pca.Params(columns=["a", "b"], components=3)
    with pytest.raises(
        ValidationError, match="expected of: ids, since only ids are embedded by a vocabulary, received top_k"
    ):
        sequences.Params(top_k=5)
