"""The tf.Transform half of every model: raw columns to transformed columns."""

from typing import TYPE_CHECKING, Any

from models.discovery import discover
from models.raw import safe_name
from models.spec import InputSpec, columns_of, target_kind

if TYPE_CHECKING:
    import tensorflow as tf


def transformed_name(feature: str) -> str:
    """Return the name of a feature's transformed column: an identifier, and no layer's name."""
    return f"{safe_name(feature)}_transformed"


def preprocess(columns: "dict[str, tf.Tensor]", inputs: InputSpec) -> "dict[str, tf.Tensor]":
    """tf.Transform's preprocessing_fn: dense raw columns to transformed columns, the label among them."""
    outputs: dict[str, tf.Tensor] = {}
    for kind, params in inputs.kinds().items():
        group = discover("models.features")[kind].transform(_read(columns, params), params)
        outputs |= {transformed_name(name): column for name, column in group.items()}
    target = inputs.target
    outputs[LABEL] = target_kind(target).transform(columns[target.column], target)
    return outputs


def _read(columns: "dict[str, tf.Tensor]", params: dict[str, Any]) -> "dict[str, tf.Tensor]":
    """Return what features of a kind read: one column by the feature's name, several by their own."""
    found: dict[str, tf.Tensor] = {}
    for name, each in params.items():
        read = columns_of(name, each)
        found |= {column if hasattr(each, "columns") else name: columns[column] for column in read}
    return found


LABEL = "label__"
"""Name of the transformed label."""
