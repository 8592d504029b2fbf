"""One item out of many: which ones fit a query best, in order.

Any family reads the query's features; the items have a tower of their own (models/items.py). Training contrasts each
row's item with the other rows' (Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
Recommendations", 2019, https://doi.org/10.1145/3298689.3346996).
"""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import PositiveFloat, PositiveInt

from models.losses import in_batch_softmax, rank_in_batch
from models.raw import to_text
from models.settings import Settings
from models.targets import LabelFacts

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf
    from keras import KerasTensor

LABELS = "multiclass"
METRICS = ("recall_at_10", "ndcg_at_10", "recall_at_k", "ndcg_at_k", "example_count")
VOCABULARY = "label_items"
METHOD = "classify"
ITEMS = True
WATCHED = ("batch_recall_at_10",)


class Params(Settings):
    """A label that says which item was taken; the items are those of the training split.

    Attributes:
        column: the label's column.
        k: items in an answer, the best first.
        units: width of the vectors that are compared.
        layers: hidden layers of the items' tower, over an item's embedding and the features with `tower: item`.
        temperature: cosines are divided by it: the lower, the more the nearest wrong items count.
        popularity: corrected: an item is not pushed away more because it is met more often; as_is: it is, and so rare
            items are answered more.
        repeats: features of kind sequence, `of: ids`, that list items: an item that a row's own list holds scores
            higher, by what is learned of it (Ren et al., "RepeatNet", 2019, https://arxiv.org/abs/1812.02646).
        top_k: only this many most frequent items are answered.
        min_count: only items of at least so many training rows are answered.
    """

    kind: Literal["retrieval"] = "retrieval"
    column: str
    k: PositiveInt = 100
    units: PositiveInt = 64
    layers: tuple[PositiveInt, ...] = ()
    temperature: PositiveFloat = 0.1
    popularity: Literal["corrected", "as_is"] = "corrected"
    repeats: tuple[str, ...] = ()
    top_k: PositiveInt | None = None
    min_count: PositiveInt | None = None


def transform(label: "tf.Tensor", params: Params) -> "tf.Tensor":
    """Return `[batch] int64` item ids, -1 for an item that is not answered."""
    import tensorflow_transform as tft

    return tft.compute_and_apply_vocabulary(
        to_text(label),
        top_k=params.top_k,
        frequency_threshold=params.min_count,
        vocab_filename=VOCABULARY,
        name=VOCABULARY,
    )


def units(params: Params, facts: LabelFacts) -> int:
    """Return the width of the query's vector."""
    return params.units


def head(outputs: "KerasTensor", params: Params, facts: LabelFacts) -> "KerasTensor":
    """Return the vectors of query and item as they are, `[batch, 2, any] float32`: their product is the score."""
    import keras

    return keras.layers.Activation("linear", dtype="float32", name="prediction")(outputs)


def loss(params: Params, facts: LabelFacts) -> Any:
    """Return the softmax over the items of the batch."""
    counts = facts.counts if params.popularity == "corrected" else (1,) * len(facts.classes)
    return in_batch_softmax(counts, params.temperature)


def watch(params: Params) -> list[Any]:
    """Return the share of rows whose item is among the 10 nearest of the batch's."""
    import keras

    return [keras.metrics.MeanMetricWrapper(rank_in_batch(10), name="batch_recall_at_10")]


def answers(prediction: "dict[str, tf.Tensor]", facts: LabelFacts) -> "dict[str, tf.Tensor]":
    """Return `items`, `[batch, k] string`, the best first, and their `scores`, `[batch, k] float32`."""
    import tensorflow as tf

    return {
        "items": tf.gather(tf.constant(facts.classes, tf.string), prediction["ids"]),
        "scores": prediction["scores"],
    }


def results(answers: "dict[str, tf.Tensor]", facts: LabelFacts) -> "dict[str, tf.Tensor]":
    """Return the items, the best first, with their scores."""
    return {"classes": answers["items"], "scores": answers["scores"]}


def evaluated(labels: "np.ndarray[Any, Any]", params: Params, facts: LabelFacts) -> "np.ndarray[Any, Any]":
    """Return `[rows] int64` item ids, -1 for an item that is never answered."""
    return _ids(labels, facts)


def predicted(answers: "dict[str, np.ndarray[Any, Any]]", facts: LabelFacts) -> "np.ndarray[Any, Any]":
    """Return `[rows, k]` item ids, the best first."""
    items = answers["items"]
    return _ids(items.reshape(-1), facts).reshape(items.shape)


def _ids(names: "np.ndarray[Any, Any]", facts: LabelFacts) -> "np.ndarray[Any, Any]":
    import numpy as np

    ids = {name: index for index, name in enumerate(facts.classes)}
    texts = (name.decode() if isinstance(name, bytes) else str(name) for name in names)
    return np.array([ids.get(text, -1) for text in texts], dtype="int64")
