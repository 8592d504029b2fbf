"""The model on a device: one LiteRT file (TensorFlow Lite's format), made of what was exported.

LiteRT has some operations of TensorFlow's, not all: none that reads text, numbers of 64 bits with a point, or hashes.
"""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.dataset import concatenate
from models.export import raw_specs, read_spec, read_vocabulary, to_request
from models.raw import MISSING_INT, is_missing, safe_name
from models.settings import Quantize
from models.spec import InputSpec

if TYPE_CHECKING:
    import tensorflow as tf

    from models.dataset import Columns

BATCH_ROWS = 1024
LEAST_HALVED = 1024
"""Numbers that a constant has at least for them to be held in 16 bits: as LiteRT does it for 8."""


class ConversionError(Exception):
    """LiteRT can't hold the model, or does not run it; says which operations it lacks."""


def convert(folder: Path, quantize: Quantize) -> bytes:
    """Return the LiteRT file of the exported model in `folder`.

    Its inputs are the columns of a request under their `safe_name`: text as `[batch] string`, missing as the empty
    one, numbers of any kind as `[batch] float32`, missing as NaN, a list as `[batch, length]`, padded at its end. Its
    outputs are those of `serving_default`. With `float16` large constants are held in 16 bits; with `int8` matrices are
    held and multiplied in 8. All between them is in 32, for a raw value may be anything, and a missing one is NaN.

    Raises:
        ConversionError: the model needs what LiteRT does not have.
    """
    import tensorflow as tf

    model, inputs = tf.saved_model.load(str(folder)), read_spec(folder).inputs
    for table in tf.train.TrackableView(model).descendants():
        if isinstance(table, tf.saved_model.experimental.TrackableResource):
            _hold_words(table, folder)
    return to_lite(_trace(model.predict, inputs), model, quantize)


def to_lite(function: Any, holder: Any, quantize: Quantize = "none") -> bytes:
    """Return the LiteRT file of a concrete function whose variables and tables `holder` holds.

    Raises:
        ConversionError: it needs what LiteRT does not have.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], holder)
    if quantize == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    try:
        content: bytes = converter.convert()
    # the converter's own error has no public name
    except Exception as error:
        raise ConversionError(_explain(str(error))) from error
    return _halve(content) if quantize == "float16" else content


def _halve(content: bytes) -> bytes:
    """Return the file with the numbers of all large constants in 16 bits, brought back to 32 before they are used.

    The converter would halve each constant, and a column's mean in 16 bits is another one: of readings of 9,050 with a
    deviation of 20 by up to a fifth of that.
    """
    import numpy as np
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    code, kind = schema.OperatorCodeT(), schema.BuiltinOperator.DEQUANTIZE
    # from version 3 on it takes 16 bits
    code.builtinCode, code.deprecatedBuiltinCode, code.version = kind, kind, 3
    model.operatorCodes.append(code)
    for graph in model.subgraphs:
        for place, tensor in enumerate(list(graph.tensors)):
            data = model.buffers[tensor.buffer].data
            if tensor.type != schema.TensorType.FLOAT32 or data is None or len(data) < 4 * LEAST_HALVED:
                continue
            half, buffer, operator = schema.TensorT(), schema.BufferT(), schema.OperatorT()
            buffer.data = np.frombuffer(bytes(data), "<f4").astype("<f2").view("uint8")
            half.name, half.shape, half.type = tensor.name + b"/float16", tensor.shape, schema.TensorType.FLOAT16
            half.buffer, tensor.buffer = len(model.buffers), 0
            operator.opcodeIndex = len(model.operatorCodes) - 1
            operator.inputs, operator.outputs = [len(graph.tensors)], [place]
            model.buffers.append(buffer)
            graph.tensors.append(half)
            graph.operators.insert(0, operator)
    holders = [*model.metadata, *(tensor for graph in model.subgraphs for tensor in graph.tensors)]
    used = {each.buffer for each in holders}
    for index, each in enumerate(model.buffers):
        if index not in used:
            each.data = None
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _trace(predict: Any, inputs: InputSpec) -> Any:
    """Return the function of the device's inputs."""
    import tensorflow as tf

    names = {safe_name(name): name for name in inputs.columns}
    specs = {
        safe: tf.TensorSpec(spec.shape, tf.float32 if spec.dtype == tf.int64 else spec.dtype, safe)
        for safe, spec in raw_specs(inputs).items()
    }

    def edge(**request: "tf.Tensor") -> "dict[str, tf.Tensor]":
        raw = {safe: _whole(each) if inputs.types[names[safe]] == "int" else each for safe, each in request.items()}
        answers: dict[str, tf.Tensor] = predict(raw)
        return answers

    return tf.function(edge, autograph=False).get_concrete_function(**specs)


def _whole(value: "tf.Tensor") -> "tf.Tensor":
    """Return a raw column of whole numbers for a device's float32."""
    import tensorflow as tf

    missing = is_missing(value)
    return tf.where(missing, tf.constant(MISSING_INT, tf.int64), tf.cast(tf.where(missing, 0.0, value), tf.int64))


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
    named = re.findall(r"(?:Select|Custom) ops: (.+)", message) or re.findall(r"error: 'tf\.(\w+)' op", message)
    lacking = sorted({name.strip() for line in named for name in line.split(",")})
    if lacking:
        return f"LiteRT has no {', '.join(lacking)}"
    return f"LiteRT can't hold the model: {message.strip().splitlines()[0][:300]}"


def open_lite(content: bytes) -> "Callable[..., Columns]":
    """Return the one function of a LiteRT file, by its interpreter."""
    import tensorflow as tf

    with warnings.catch_warnings():
        # it will move to a package of its own
        warnings.filterwarnings("ignore", r"\s*Warning: tf\.lite\.Interpreter is deprecated")
        run: Callable[..., Columns] = tf.lite.Interpreter(model_content=content).get_signature_runner()
    return run


def load_edge(content: bytes, inputs: InputSpec) -> "Callable[[Columns], Columns]":
    """Return a function from dense raw columns to the answers of a LiteRT file, by its interpreter.

    Raises:
        ConversionError: by the function, of a file that the interpreter does not run.
    """
    run = open_lite(content)

    def predict(columns: "Columns") -> "Columns":
        request = {safe_name(name): _to_device(columns[name]) for name in inputs.columns}
        rows = len(next(iter(request.values())))
        try:
            return concatenate(
                run(**{name: column[start : start + BATCH_ROWS] for name, column in request.items()})
                for start in range(0, rows, BATCH_ROWS)
            )
        except RuntimeError as error:
            raise ConversionError(f"LiteRT does not run it: {error}") from error

    return predict


def _to_device(column: Any) -> Any:
    """Return a dense raw column as a device gives it: numbers as float32, NaN for missing."""
    import numpy as np

    return to_request(column).astype("float32") if column.dtype == np.int64 else column
