"""What a feature looks like to a network: a family gets these, never a feature's name."""

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from keras import KerasTensor


class Encoded(NamedTuple):
    """One encoded feature.

    Attributes:
        dense: `[batch, units] float32`, ready to be concatenated.
        ids: `[batch] int64` in `[0, size)` when the feature is a category, else None.
        size: how many ids there are, 0 without ids.
        steps: `[batch, length, units] float32` when the feature is a sequence, padded at the end, else None.
        mask: `[batch, length] bool`, which steps are there.
        tower: what it tells of, where a model has two towers.
    """

    dense: "KerasTensor"
    ids: "KerasTensor | None" = None
    size: int = 0
    steps: "KerasTensor | None" = None
    mask: "KerasTensor | None" = None
    tower: Literal["query", "item"] = "query"


def embedding_units(size: int) -> int:
    """Return the width of an embedding of `size` ids: `1.6 * size ** 0.56`, at most 64 (fast.ai's rule for tables)."""
    units: int = round(1.6 * size**0.56)
    return max(1, min(64, units))


def sequence(steps: "KerasTensor", mask: "KerasTensor") -> Encoded:
    """Return a sequence whose dense part is the mean of the steps that are there, 0 without any.

    Args:
        steps: `[batch, length, units] float32`.
        mask: `[batch, length] bool`.
    """
    import keras

    weights = keras.ops.expand_dims(keras.ops.cast(mask, "float32"), -1)
    total = keras.ops.sum(steps * weights, axis=1)
    return Encoded(total / keras.ops.maximum(keras.ops.sum(weights, axis=1), 1.0), steps=steps, mask=mask)


def embed(ids: "KerasTensor", size: int, units: int | None, name: str, l2: float = 0.0) -> Encoded:
    """Return the category `ids` ([batch] int64, below `size`) with its embedding of `units` (None: by rule).

    `l2` times the sum of the table's squares is added to the loss.
    """
    import keras

    penalty = keras.regularizers.L2(l2) if l2 else None
    layer = keras.layers.Embedding(
        size, units or embedding_units(size), embeddings_regularizer=penalty, name=f"{name}_embedding"
    )
    return Encoded(layer(ids), ids, size)


def embed_steps(ids: "KerasTensor", size: int, units: int | None, name: str, dropout: float = 0.0) -> Encoded:
    """Return the sequence of `ids` ([batch, length] int64, below `size`, 0 is padding), each by its embedding.

    `dropout` is the share of whole steps that are zeros while training.
    """
    import keras

    layer = keras.layers.Embedding(size, units or embedding_units(size), name=f"{name}_embedding")
    steps = layer(ids)
    if dropout:
        steps = keras.layers.Dropout(dropout, noise_shape=(None, ids.shape[1], 1))(steps)
    return sequence(steps, ids > 0)
