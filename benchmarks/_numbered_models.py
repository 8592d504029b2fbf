"""Models that answer with a number of their own, so that each answer tells which version gave it.

`_numbered_models.py FOLDER COUNT` writes FOLDER/1 up to FOLDER/COUNT.
"""

from __future__ import annotations

import sys
from pathlib import Path

import tensorflow as tf


def save_numbered(path: Path, number: int) -> None:
    """Write a SavedModel: x float [n] -> echo float [n] (x itself), graph int64 [n] and weights float [n].

    `graph` is the number out of saved_model.pb, `weights` the number out of variables/: were they ever of two versions,
    it would show. The model says that rows do not touch each other, so requests share batches.
    """
    module = tf.Module()
    module.number = tf.Variable(float(number))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def serve(x):
        return {
            "echo": x,
            "graph": tf.fill(tf.shape(x), tf.constant(number, tf.int64)),
            "weights": tf.fill(tf.shape(x), module.number),
        }

    tf.saved_model.save(module, str(path), {"serving_default": serve})
    (path / "assets.extra").mkdir()
    (path / "assets.extra" / "spec.json").write_text("{}")


if __name__ == "__main__":
    for index in range(1, int(sys.argv[2]) + 1):
        save_numbered(Path(sys.argv[1], str(index)), index)
