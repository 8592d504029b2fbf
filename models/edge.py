"""The model on a device: one LiteRT file (TensorFlow Lite's format), made of what was exported.

LiteRT has some operations of TensorFlow's, not all: none that reads text, numbers of 64 bits with a point, or hashes.
"""

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.export import read_spec, read_vocabulary
from models.raw import MISSING_INT, safe_name
from models.settings import Quantize
from models.spec import InputSpec

if TYPE_CHECKING:
    import tensorflow as tf

    from models.dataset import Columns

BATCH_ROWS = 1024


class ConversionError(Exception):
    """LiteRT can't hold the model; says which operations it lacks."""


def convert(folder: Path, quantize: Quantize) -> bytes:
    """Return the LiteRT file of the exported model in `folder`.

    Its inputs are the columns of a request under their `safe_name`: text as `[batch] string`, missing as the empty
    one, numbers of any kind as `[batch] float32`, missing as NaN, a list as `[batch, length]`, padded at its end. Its
    outputs are those of `serving_default`. With `int8` matrices are held and multiplied in 8 bits; all between them is
    in 32, for a raw value may be anything, and a missing one is NaN.

    Raises:
        ConversionError: the model needs what LiteRT does not have.
    """
    import tensorflow as tf

    model, inputs = tf.saved_model.load(str(folder)), read_spec(folder).inputs
    for table in tf.train.TrackableView(model).descendants():
        if isinstance(table, tf.saved_model.experimental.TrackableResource):
            _hold_words(table, folder)
    with _quiet():
        converter = tf.lite.TFLiteConverter.from_concrete_functions([_trace(model.predict, inputs)], model)
        if quantize != "none":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantize == "float16":
            converter.target_spec.supported_types = [tf.float16]
        try:
            content: bytes = converter.convert()
        # the converter's own error is no public name
        except Exception as error:
            raise ConversionError(_explain(str(error))) from error
    return content


def _trace(predict: Any, inputs: InputSpec) -> Any:
    """Return the function of the device's inputs."""
    import tensorflow as tf

    names = {safe_name(name): name for name in inputs.columns}
    specs = {
        safe: tf.TensorSpec(
            [None, inputs.lengths[name]] if name in inputs.lengths else [None],
            tf.string if inputs.types[name] == "bytes" else tf.float32,
            safe,
        )
        for safe, name in names.items()
    }

    def edge(**request: "tf.Tensor") -> "dict[str, tf.Tensor]":
        raw = {
            name: _whole(request[safe]) if inputs.types[name] == "int" else request[safe]
            for safe, name in names.items()
        }
        answers: dict[str, tf.Tensor] = predict(raw)
        return answers

    return tf.function(edge, autograph=False).get_concrete_function(**specs)


def _whole(value: "tf.Tensor") -> "tf.Tensor":
    """Return a raw column of whole numbers for a device's float32."""
    import tensorflow as tf

    missing = tf.not_equal(value, value)
    return tf.where(
        missing, tf.constant(MISSING_INT, tf.int64), tf.cast(tf.where(missing, tf.zeros_like(value), value), tf.int64)
    )


def _hold_words(table: Any, folder: Path) -> None:
    """Let a vocabulary's table be filled from the graph: LiteRT fills none from a file."""
    import tensorflow as tf

    (initializer,) = table._initialize.concrete_functions
    (file,) = (Path(each.numpy().decode()) for each in initializer.captured_inputs if each.dtype == tf.string)
    words = read_vocabulary(folder, file.name)

    def initialize() -> None:
        ids = tf.range(len(words), dtype=tf.int64)
        tf.raw_ops.LookupTableImportV2(table_handle=table.resource_handle, keys=tf.constant(words), values=ids)

    # what the class is documented to be asked for: tf.saved_model.experimental.TrackableResource
    table._initialize = initialize


def _explain(message: str) -> str:
    """Return what is missing out of the converter's pages."""
    lacking = sorted(
        {name.strip() for line in re.findall(r"(?:Select|Custom) ops: (.+)", message) for name in line.split(",")}
    )
    if lacking:
        return f"LiteRT has no {', '.join(lacking)}"
    return f"LiteRT can't hold the model: {message.strip().splitlines()[0][:300]}"


def load_edge(content: bytes, inputs: InputSpec) -> "Callable[[Columns], Columns]":
    """Return a function from dense raw columns to the answers of a LiteRT file, by its interpreter."""
    import numpy as np
    import tensorflow as tf

    with _quiet():
        interpreter = tf.lite.Interpreter(model_content=content)
    run = interpreter.get_signature_runner()

    def predict(columns: "Columns") -> "Columns":
        request = {safe_name(name): _to_device(columns[name]) for name in inputs.columns}
        rows = len(next(iter(request.values())))
        parts = [
            run(**{name: column[start : start + BATCH_ROWS] for name, column in request.items()})
            for start in range(0, rows, BATCH_ROWS)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return predict


def _to_device(column: Any) -> Any:
    """Return a dense raw column as a device gives it: numbers as float32, NaN for missing."""
    import numpy as np

    if column.dtype != np.int64:
        return column
    return np.where(column == MISSING_INT, np.nan, column.astype("float64")).astype("float32")


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence TensorFlow, which warns that its interpreter will move to a package of its own."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\s*Warning: tf\.lite\.Interpreter is deprecated")
        yield
