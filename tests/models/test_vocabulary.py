"""Vocabularies of many columns at once are those that tft.vocabulary makes one at a time."""

import pytest

pytestmark = pytest.mark.tensorflow

TEXTS = [b"b", b"a", b"", b"c", b"a", b"\xff\x00", b"two\nlines", b"b", b"d", b"return\r", b"\xc3\xa9"] * 3 + [b"e"]
LIMITS = {"all": (None, None), "top": (2, None), "often": (None, 4), "none": (None, 100)}


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    import tensorflow as tf
    import tensorflow_transform as tft
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

    from models.vocabulary import Wanted, make_vocabularies

    def preprocess(columns):
        wanted = {name: Wanted([name, f"{name} too"], *limits) for name, limits in LIMITS.items()}
        paths = make_vocabularies(dict.fromkeys(LIMITS, columns["text"]), wanted)
        ids = {name: tft.apply_vocabulary(columns["text"], path, default_value=-1) for name, path in paths.items()}
        for name, (top_k, least) in LIMITS.items():
            tft.vocabulary(columns["text"], top_k=top_k, frequency_threshold=least, vocab_filename=f"their_{name}")
        return ids

    spec = {"text": tf.io.FixedLenFeature([], tf.string)}
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    folder = tmp_path_factory.mktemp("vocabulary")
    with tft_beam.Context(temp_dir=str(folder / "temporary")):
        rows = [{"text": text} for text in TEXTS]
        transform = (rows, metadata) | tft_beam.AnalyzeDataset(preprocess)
        transform | tft_beam.WriteTransformFn(str(folder / "graph"))
    return tft.TFTransformOutput(str(folder / "graph"))


@pytest.mark.parametrize("name", LIMITS)
def test_file_and_order_are_those_of_tf_transform(output, name):
    from models.raw import safe_name

    found = output.vocabulary_by_name(name)
    assert found == output.vocabulary_by_name(f"their_{name}")
    assert output.vocabulary_by_name(safe_name(f"{name} too")) == found
    assert output.vocabulary_size_by_name(name) == len(found)


def test_ids_are_places_in_the_file(output):
    import tensorflow as tf

    found = output.transform_features_layer().call({"text": tf.constant([b"d", b"a", b"", b"nobody"])})
    places = output.vocabulary_by_name("all")
    assert found["all"].numpy().tolist() == [places.index(b"d"), places.index(b"a"), -1, -1]
    assert found["top"].numpy().tolist() == [-1, 1, -1, -1]


def test_counts_of_parts_add_up():
    import numpy as np

    from models.vocabulary import CountTexts, Wanted, choose

    counting = CountTexts(2)
    parts = [
        counting.add_input(counting.create_accumulator(), (np.array(texts, object), np.array([[b"x"], [b"y"]], object)))
        for texts in ([b"a", b"b"], [b"b", b"c"])
    ]
    first, second = counting.extract_output(counting.merge_accumulators(iter(parts)))
    assert first == {b"a": 1, b"b": 2, b"c": 1}
    assert second == {b"x": 2, b"y": 2}
    assert choose(first, Wanted(["f"], top_k=2)) == [b"b", b"c"]
