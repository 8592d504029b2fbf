"""A small model with inputs of every kind, for those who want to see a server stumble: `_typed_model.py FOLDER`."""

import sys
from pathlib import Path

import tensorflow as tf

ROWS = {
    "number": tf.TensorSpec([None], tf.float32, "number"),
    "whole": tf.TensorSpec([None], tf.int64, "whole"),
    "small": tf.TensorSpec([None], tf.uint8, "small"),
    "text": tf.TensorSpec([None], tf.string, "text"),
    "flag": tf.TensorSpec([None], tf.bool, "flag"),
    "vector": tf.TensorSpec([None, 3], tf.float32, "vector"),
}


def main() -> None:
    module = tf.Module()
    module.weight = tf.Variable(2.0)

    @tf.function(input_signature=list(ROWS.values()))
    def serve(number, whole, small, text, flag, vector):
        score = number * module.weight + tf.cast(whole, tf.float32) + tf.cast(small, tf.float32)
        score += tf.where(flag, 1.0, 0.0) + tf.reduce_sum(vector, axis=1)
        return {"score": score, "text_bytes": tf.strings.lower(text)}

    @tf.function(input_signature=[tf.TensorSpec([], tf.float32, "x")])
    def scalar(x):
        return {"y": x * module.weight}

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float64, "x")])
    def anything(x):
        return {"y": x}

    signatures = {"serving_default": serve, "scalar": scalar, "anything": anything}
    tf.saved_model.save(module, sys.argv[1], signatures)
    Path(sys.argv[1], "assets.extra").mkdir()
    Path(sys.argv[1], "assets.extra", "spec.json").write_text("{}")


if __name__ == "__main__":
    main()
