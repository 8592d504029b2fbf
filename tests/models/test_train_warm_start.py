"""Starting from another model's weights: what is the same by name and shape, and rows of the same words."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models.spec import ModelSpec
from models.targets import LabelFacts

pytestmark = pytest.mark.tensorflow

NO_FACTS = LabelFacts()
BEFORE, NOW = ["a", "b", "c"], ["c", "new", "a", "also new"]


def make_spec(layers: list[int], target: str = "binary") -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "inputs": {
                "types": {"n": "float", "shop": "bytes", "y": "int"},
                "features": {"n": {"kind": "numeric"}, "shop": {"kind": "categorical", "embedding": 2}},
                "target": {"kind": target, "column": "y"},
            },
            "model": {"family": "mlp", "layers": layers},
        }
    )


def transform_with(words: list[str]) -> Any:
    """Stands in for tf.Transform's output, with a vocabulary of the shops."""
    return SimpleNamespace(
        vocabulary_file_by_name=lambda name: "/x/shop" if name == "shop" else None,
        vocabulary_by_name=lambda name: [word.encode() for word in words],
        vocabulary_size_by_name=lambda name: len(words),
    )


def make_network(spec: ModelSpec, words: list[str], facts: LabelFacts = NO_FACTS) -> Any:
    import keras
    import tensorflow as tf

    from models.network import build_network, vocabulary_sizes

    keras.utils.clear_session()
    shapes = {
        "n_transformed": tf.TensorSpec([None, 2], "float32"),
        "shop_transformed": tf.TensorSpec([None], "int64"),
    }
    return build_network(spec, shapes, vocabulary_sizes(spec.inputs, transform_with(words)), facts)


def write_base(folder: Path, network: Any, words: list[str], classes: tuple[str, ...] = ()) -> None:
    """Write what export_model writes of a network's weights."""
    import tensorflow as tf

    from models.export import CLASSES_FILE, WEIGHTS_FILE

    module = tf.Module()
    module.variables_of_network = [variable.value for variable in network.variables]
    tf.saved_model.save(module, str(folder))
    (folder / WEIGHTS_FILE).parent.mkdir()
    (folder / WEIGHTS_FILE).write_text(json.dumps([variable.path for variable in network.variables]))
    (folder / "assets").mkdir(exist_ok=True)
    (folder / "assets" / "shop").write_text("\n".join(words) + "\n")
    if classes:
        (folder / CLASSES_FILE).write_text(json.dumps(classes))


def start(network: Any, base: Path, words: list[str], facts: LabelFacts = NO_FACTS, **settings: Any) -> int:
    from models.fit.warm_start import warm_start

    return warm_start(network, base, make_spec([4], **settings), transform_with(words), facts)


def by_path(network: Any) -> dict[str, Any]:
    return {variable.path: variable.numpy() for variable in network.trainable_variables}


def test_the_same_network_takes_every_weight(tmp_path: Path) -> None:
    first = make_network(make_spec([4]), BEFORE)
    write_base(tmp_path, first, BEFORE)
    second = make_network(make_spec([4]), BEFORE)
    assert start(second, tmp_path, BEFORE) == len(second.trainable_variables) == 5
    assert {name: array.tolist() for name, array in by_path(second).items()} == {
        name: array.tolist() for name, array in by_path(first).items()
    }


def test_rows_of_words_that_both_have_move_to_their_new_places(tmp_path: Path) -> None:
    first = make_network(make_spec([4]), BEFORE)
    write_base(tmp_path, first, BEFORE)
    second = make_network(make_spec([4]), NOW)
    fresh = by_path(second)["shop_transformed_embedding/embeddings"].copy()
    assert start(second, tmp_path, NOW) == 5
    old, new = (by_path(each)["shop_transformed_embedding/embeddings"] for each in (first, second))
    assert (len(old), len(new)) == (5, 6)
    # c, new, a, also new, out of vocabulary, missing
    np.testing.assert_array_equal(new, [old[2], fresh[1], old[0], fresh[3], old[3], old[4]])


def test_a_vocabulary_of_the_same_size_is_not_taken_as_it_is(tmp_path: Path) -> None:
    first = make_network(make_spec([4]), BEFORE)
    write_base(tmp_path, first, BEFORE)
    second = make_network(make_spec([4]), ["b", "a", "c"])
    start(second, tmp_path, ["b", "a", "c"])
    old, new = (by_path(each)["shop_transformed_embedding/embeddings"] for each in (first, second))
    np.testing.assert_array_equal(new, old[[1, 0, 2, 3, 4]])


def test_layers_of_another_width_stay_as_they_are(tmp_path: Path) -> None:
    write_base(tmp_path, make_network(make_spec([7]), BEFORE), BEFORE)
    second = make_network(make_spec([4]), BEFORE)
    fresh = by_path(second)
    # the embedding and the bias of the one output
    assert start(second, tmp_path, BEFORE) == 2
    np.testing.assert_array_equal(by_path(second)["hidden_0/kernel"], fresh["hidden_0/kernel"])


def test_other_classes_leave_the_outputs_as_they_are(tmp_path: Path) -> None:
    facts = LabelFacts(("x", "y", "z"))
    spec = make_spec([4], "multiclass")
    write_base(tmp_path, make_network(spec, BEFORE, facts), BEFORE, ("z", "y", "x"))
    second = make_network(spec, BEFORE, facts)
    fresh = by_path(second)
    assert start(second, tmp_path, BEFORE, facts, target="multiclass") == 3
    np.testing.assert_array_equal(by_path(second)["outputs/kernel"], fresh["outputs/kernel"])
    write_base(tmp_path / "same", make_network(spec, BEFORE, facts), BEFORE, facts.classes)
    assert start(second, tmp_path / "same", BEFORE, facts, target="multiclass") == 5


def test_a_model_without_names_gives_nothing(tmp_path: Path) -> None:
    network = make_network(make_spec([4]), BEFORE)
    assert start(network, tmp_path, BEFORE) == 0
