"""A problem, and a version of its model that answers what a test can work out."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.problem import LoadedProblem, load_problem

YAML = """name: sales
source: {kind: jsonl, files: sales.jsonl}
target: {column: sold, kind: binary}
features: {price: numeric, units: numeric, shop: categorical, seen: {kind: sequence, length: 3}}
"""
SCHEMA = """
feature { name: "price" type: FLOAT value_count { min: 1 max: 1 } }
feature { name: "units" type: INT value_count { min: 1 max: 1 } }
feature { name: "shop" type: BYTES value_count { min: 1 max: 1 } }
feature { name: "seen" type: INT value_count { min: 0 max: 9 } }
feature { name: "sold" type: INT value_count { min: 1 max: 1 } }
"""


FORMS = (((), "float32"), ((), "float64"), ((3,), "float64"))
"""A number, a whole number, a list of whole numbers, as a request has them."""


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedProblem:
    (tmp_path / "sales.yaml").write_text(YAML, "utf-8")
    (tmp_path / "sales.jsonl").write_text('{"price": 1, "units": 2, "shop": "a", "seen": [1], "sold": 1}\n', "utf-8")
    return load_problem(tmp_path / "sales.yaml")


@pytest.fixture(scope="session")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pushed version: `total` is price + units + the seen ones, missing as -1000; `places` shop and length."""
    import tensorflow as tf

    from models.raw import RawType
    from models.spec import ModelSpec

    types: dict[str, RawType] = {"price": "float", "units": "int", "shop": "bytes", "seen": "int", "sold": "int"}
    features = {"price": "numeric", "units": "numeric", "shop": "categorical"}
    spec = ModelSpec.model_validate(
        {
            "inputs": {
                "types": types,
                "features": {name: {"kind": kind} for name, kind in features.items()}
                | {"seen": {"kind": "sequence", "length": 3}},
                "target": {"kind": "binary", "column": "sold"},
            },
            "model": {"family": "mlp"},
        }
    )
    numbers, whole, lists = (tf.TensorSpec([None, *shape], kind) for shape, kind in FORMS)

    def known(values: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.where(tf.math.is_nan(values), tf.cast(-1000, values.dtype), values), tf.float32)

    @tf.function(input_signature=[numbers, whole, tf.TensorSpec([None], tf.string), lists])
    def default(price: tf.Tensor, units: tf.Tensor, shop: tf.Tensor, seen: tf.Tensor) -> dict[str, tf.Tensor]:
        steps = tf.cast(tf.where(tf.math.is_nan(seen), tf.zeros_like(seen), seen), tf.float32)
        total = known(price) + known(units) + tf.reduce_sum(steps, axis=1)
        return {"total": total, "places": tf.stack([shop, tf.strings.as_string(tf.strings.length(shop))], axis=1)}

    folder = tmp_path_factory.mktemp("sales") / "7"
    tf.saved_model.save(tf.Module(), str(folder), {"serving_default": default})
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "spec.json").write_text(spec.model_dump_json(), "utf-8")
    (folder / "assets.extra" / "schema.pbtxt").write_text(SCHEMA, "utf-8")
    return folder
