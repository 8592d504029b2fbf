"""Raw columns: how a table's values travel from ingestion through tf.Transform to a serving request.

A column is text (`bytes`), whole numbers (`int`) or numbers (`float`), as in tf.Example. Inside every graph a raw
column is a dense `[batch]` tensor, and a missing value is the type's marker: `b""`, the smallest int64, or NaN. An
infinite number says no more than a missing one, and is read as such.
"""

import keyword
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import tensorflow as tf

RawType = Literal["bytes", "int", "float"]
MISSING_INT = -(2**63)
PLAIN_NAME = re.compile(r"(?!c_|label_)[A-Za-z]\w*", re.ASCII)
MISSING: dict[RawType, Any] = {"bytes": b"", "int": MISSING_INT, "float": float("nan")}


class Takes(NamedTuple):
    """What columns a feature reads.

    Attributes:
        words: one value of it, in words.
        raw_types: of the columns.
    """

    words: str
    raw_types: tuple[RawType, ...]


ANYTHING = Takes("text or a number", ("bytes", "int", "float"))
A_NUMBER = Takes("a number", ("int", "float"))
A_MOMENT = Takes("a date, a time or whole seconds", ("bytes", "int"))
A_NAME = Takes("text or a whole number", ("bytes", "int"))


def tensor_dtype(raw_type: RawType) -> "tf.DType":
    """Return the dtype of the raw column inside the graphs: string, int64 or float32."""
    import tensorflow as tf

    return {"bytes": tf.string, "int": tf.int64, "float": tf.float32}[raw_type]


def request_dtype(raw_type: RawType) -> "tf.DType":
    """Return the dtype a client sends: whole numbers as float64, exact to 2**53, so that NaN can say "missing"."""
    import tensorflow as tf

    return {"bytes": tf.string, "int": tf.float64, "float": tf.float32}[raw_type]


def from_request(value: "tf.Tensor") -> "tf.Tensor":
    """Return the raw column for a client's tensor: float64 becomes int64 and NaN its missing marker."""
    import tensorflow as tf

    if value.dtype != tf.float64:
        return value
    absent = tf.math.is_nan(value)
    return tf.where(
        absent, tf.constant(MISSING_INT, tf.int64), tf.cast(tf.where(absent, tf.zeros_like(value), value), tf.int64)
    )


def from_requests(values: "Mapping[str, tf.Tensor]") -> "dict[str, tf.Tensor]":
    """Return the raw columns for a client's tensors: those of whole numbers `[batch]` all at once, which is quicker."""
    import tensorflow as tf

    whole = [name for name, value in values.items() if value.dtype == tf.float64 and value.shape.rank == 1]
    columns = tf.unstack(from_request(tf.stack([values[name] for name in whole])), len(whole)) if whole else []
    others = {name: from_request(value) for name, value in values.items() if name not in whole}
    return others | dict(zip(whole, columns, strict=True))


def fit(column: "tf.Tensor", length: int) -> "tf.Tensor":
    """Return `[batch, length]`: the last `length` values of each row of a `[batch, any]` list, padded at its end.

    What is missing at the end of a row is padding; it is there in the answer too.
    """
    import tensorflow as tf

    if column.shape[1] == length:
        return column
    places = tf.range(tf.shape(column)[1])
    # of no column at all the maximum is the smallest number there is
    counts = tf.maximum(tf.reduce_max(tf.where(is_missing(column), 0, places + 1), axis=1, keepdims=True), 0)
    starts = tf.maximum(counts - length, 0)
    # as many columns more as are asked for, so that a row always has them
    filler = tf.fill([tf.shape(column)[0], length], tf.constant(MISSING[_raw_type(column)], column.dtype))
    return tf.ensure_shape(
        tf.gather(tf.concat([column, filler], axis=1), starts + tf.range(length), batch_dims=1), [None, length]
    )


def _raw_type(column: "tf.Tensor") -> RawType:
    import tensorflow as tf

    kinds: dict[tf.DType, RawType] = {tf.string: "bytes", tf.int64: "int"}
    return kinds.get(column.dtype, "float")


def is_missing(column: "tf.Tensor") -> "tf.Tensor":
    """Return the `[batch] bool` mask of missing values of a raw column."""
    import tensorflow as tf

    if column.dtype == tf.string:
        return tf.equal(column, "")
    if column.dtype == tf.int64:
        return tf.equal(column, MISSING_INT)
    return tf.logical_not(tf.math.is_finite(column))


def to_number(column: "tf.Tensor") -> "tf.Tensor":
    """Return the raw column as `[batch] float32`, missing as NaN. Text becomes the number it spells, else NaN."""
    import tensorflow as tf

    if column.dtype == tf.string:
        numeric = tf.strings.regex_full_match(column, r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")
        # text that is no number, or one beyond float32, becomes infinite: missing
        column = tf.strings.to_number(tf.where(numeric, tf.strings.strip(column), "inf"))
    return tf.where(is_missing(column), tf.constant(float("nan"), tf.float32), tf.cast(column, tf.float32))


def to_numbers(columns: "Sequence[tf.Tensor]") -> "tf.Tensor":
    """Return raw columns, each `[batch]`, as `[columns, batch] float32`, missing as NaN: those of one type at once."""
    import tensorflow as tf

    alike: dict[str, list[int]] = {}
    for place, column in enumerate(columns):
        alike.setdefault(column.dtype.name, []).append(place)
    order = [place for places in alike.values() for place in places]
    numbers = tf.concat([to_number(tf.stack([columns[place] for place in places])) for places in alike.values()], 0)
    return numbers if len(alike) == 1 else tf.gather(numbers, [order.index(place) for place in range(len(order))])


def to_text(column: "tf.Tensor") -> "tf.Tensor":
    """Return the raw column as `[batch] string`, missing as the empty string."""
    import tensorflow as tf

    if column.dtype == tf.string:
        return column
    return tf.where(is_missing(column), "", tf.strings.as_string(column))


def safe_name(name: str) -> str:
    """Return `name` as an identifier that is safe for ops, arguments and files; different names stay different.

    Most names are safe as they are. Not so Python's keywords, `self`, and what begins as our own names do.
    """
    if PLAIN_NAME.fullmatch(name) and not keyword.iskeyword(name) and name != "self":
        return name
    safe = re.sub(r"\W", "_", name, flags=re.ASCII)
    return f"c_{safe}_{zlib.crc32(name.encode()):08x}"
