"""Principal components: many numbers that say much the same, as the few directions in which they differ most."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt, model_validator

from models.encoded import Encoded
from models.features import Feature
from models.features.numeric import standardize
from models.raw import A_NUMBER, Takes, safe_name, to_numbers

if TYPE_CHECKING:
    from collections.abc import Collection

    import tensorflow as tf
    from keras import KerasTensor

    from models.raw import RawType


class Params(Feature):
    """A group of columns by their principal components.

    Attributes:
        columns: the group; each is standardized first, a missing value is the mean.
        components: how many are kept, the strongest first.
    """

    kind: Literal["pca"] = "pca"
    columns: tuple[str, ...] = Field(min_length=2)
    components: PositiveInt = 2

    @model_validator(mode="after")
    def _check_components(self) -> "Params":
        if self.components > len(self.columns):
            msg = f"expected at most as many components as columns, {len(self.columns)}, received {self.components}"
            raise ValueError(msg)
        return self


def takes(params: Params) -> Takes:
    """Numbers."""
    return A_NUMBER


def beyond_edge(params: Params, raw_types: "Collection[RawType]") -> str:
    """Nothing."""
    return ""


def transform(columns: "dict[str, tf.Tensor]", params: "dict[str, Params]") -> "dict[str, tf.Tensor]":
    """Return `[batch, components + 1] float32` per feature: the components, then 1.0 where all columns are missing."""
    import tensorflow as tf

    names = list(columns)
    values = tf.transpose(to_numbers([columns[name] for name in names]))
    scaled = standardize(values, "pca_scale")
    outputs = {}
    for name, group in params.items():
        places = [names.index(column) for column in group.columns]
        known = tf.logical_not(tf.math.is_nan(tf.gather(values, places, axis=1)))
        outputs[name] = _project(name, tf.gather(scaled, places, axis=1), known, group.components)
    return outputs


def _project(name: str, scaled: "tf.Tensor", known: "tf.Tensor", components: int) -> "tf.Tensor":
    import tensorflow as tf
    import tensorflow_transform as tft

    axes = tft.pca(scaled, components, tf.float32, name=safe_name(name))
    missing = tf.logical_not(tf.reduce_any(known, axis=1, keepdims=True))
    return tf.concat([tf.matmul(scaled, axes), tf.cast(missing, tf.float32)], axis=1)


def encode(column: "KerasTensor", params: Params, name: str, vocabulary_size: int) -> Encoded:
    """Return the `[batch, components + 1]` column as it is."""
    return Encoded(column)
