"""What a feature looks like to a network: a family gets these, never a feature's name."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from keras import KerasTensor


class Encoded(NamedTuple):
    """One encoded feature.

    Attributes:
        dense: `[batch, units] float32`, ready to be concatenated.
        ids: `[batch] int64` in `[0, size)` when the feature is a category, else None.
        size: how many ids there are, 0 without ids.
    """

    dense: "KerasTensor"
    ids: "KerasTensor | None" = None
    size: int = 0


def embedding_units(size: int) -> int:
    """Return the width of an embedding of `size` ids: `1.6 * size ** 0.56`, at most 64 (fast.ai's rule for tables)."""
    units: int = round(1.6 * size**0.56)
    return max(1, min(64, units))


def embed(ids: "KerasTensor", size: int, units: int | None, name: str) -> Encoded:
    """Return the category `ids` ([batch] int64, below `size`) with its embedding of `units` (None: by rule)."""
    import keras

    layer = keras.layers.Embedding(size, units or embedding_units(size), name=f"{name}_embedding")
    return Encoded(layer(ids), ids, size)
