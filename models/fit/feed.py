"""Batches from whole columns in memory, in an order that only the seed and the epoch decide.

So a training that was killed goes on with the very batch that would have come next.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from models.packs import Packed, pack

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

    from models.dataset import Columns

    _Feed = tuple[tf.Tensor, dict[str, tuple[int, ...]]]

READ_AHEAD = 8
"""Batches that wait for the network."""


class Course(NamedTuple):
    """How training goes over the rows.

    Attributes:
        rows: of the training split.
        batch_size: rows a step.
        epochs: passes over the rows.
        seed: of their order.
    """

    rows: int
    batch_size: int
    epochs: int
    seed: int

    @property
    def steps(self) -> int:
        """Steps an epoch; the last one may have fewer rows."""
        return -(-self.rows // self.batch_size)

    @property
    def total(self) -> int:
        """Steps in all."""
        return self.epochs * self.steps

    def order(self, epoch: int) -> "np.ndarray[Any, Any]":
        """Return the rows in the order of `epoch` (from 0), `[rows] int64`."""
        import numpy as np

        return np.random.default_rng([self.seed, epoch]).permutation(self.rows)

    def batch(self, step: int) -> "np.ndarray[Any, Any]":
        """Return the rows of a step, counted over all epochs from 0."""
        epoch, step = divmod(step, self.steps)
        return self.order(epoch)[step * self.batch_size : (step + 1) * self.batch_size]


def default_batch_size(rows: int) -> int:
    """Return a 64th of the rows as a power of two between 16 and 1024: enough steps for few rows, few for many."""
    return max(16, min(1024, 1 << (max(rows, 1) // 64).bit_length() >> 1))


def shuffled(columns: "Columns", label: str, course: Course, first: int) -> "tf.data.Dataset":
    """Return ({name: [batch, ...]}, label [batch]) from step `first` to the last one of all epochs.

    A batch is gathered by its rows' numbers: `from_tensor_slices().shuffle().batch()` moves each row by itself and
    takes 23 ms a step where gathering takes less than one.
    """
    import tensorflow as tf

    epoch, done = divmod(first, course.steps)

    def orders() -> "Iterator[np.ndarray[Any, Any]]":
        yield course.order(epoch)[done * course.batch_size :]
        for later in range(epoch + 1, course.epochs):
            yield course.order(later)

    def batches(order: "tf.Tensor") -> "tf.data.Dataset":
        starts = tf.data.Dataset.range(0, tf.size(order, tf.int64), course.batch_size)
        return starts.map(lambda start: order[start : start + course.batch_size])

    feeds = _feeds(columns)

    def gather(rows: "tf.Tensor") -> "tuple[dict[str, tf.Tensor], tf.Tensor]":
        picked = _unpack(feeds, lambda matrix: tf.gather(matrix, rows))
        return picked, picked.pop(label)

    signature = tf.TensorSpec([None], tf.int64)
    # the order of the next epoch is ready before this one ends
    whole = tf.data.Dataset.from_generator(orders, output_signature=signature).prefetch(1)
    return whole.flat_map(batches).map(gather, num_parallel_calls=2).prefetch(READ_AHEAD)


def in_order(columns: "Columns", label: str, batch_size: int) -> "tf.data.Dataset":
    """Return ({name: [batch, ...]}, label [batch]) over all rows once, as they lie."""
    import tensorflow as tf

    feeds = _feeds(columns)

    def cut(start: "tf.Tensor") -> "tuple[dict[str, tf.Tensor], tf.Tensor]":
        picked = _unpack(feeds, lambda matrix: matrix[start : start + batch_size])
        return picked, picked.pop(label)

    return tf.data.Dataset.range(0, len(columns[label]), batch_size).map(cut, num_parallel_calls=2).prefetch(2)


def _feeds(columns: "Columns") -> "list[_Feed]":
    """Return the columns' matrices as TensorFlow sees them, where they lie, with the shapes of their columns."""
    import tensorflow as tf

    packed = columns if isinstance(columns, Packed) else pack([columns], len(next(iter(columns.values()))))
    with tf.device("CPU:0"):
        return [(tf.experimental.dlpack.from_dlpack(each.matrix.__dlpack__()), each.shapes) for each in packed.packs]


def _unpack(feeds: "list[_Feed]", pick: "Callable[[tf.Tensor], tf.Tensor]") -> "dict[str, tf.Tensor]":
    """Return the columns of the rows that `pick` takes out of a matrix."""
    import math

    import tensorflow as tf

    found = {}
    for matrix, shapes in feeds:
        parts = tf.split(pick(matrix), [math.prod(shape) for shape in shapes.values()], axis=1)
        for (name, shape), part in zip(shapes.items(), parts, strict=True):
            found[name] = tf.reshape(part, [-1, *shape])
    return found
