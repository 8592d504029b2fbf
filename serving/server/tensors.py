"""TensorProto to NumPy and back: what gRPC requests and answers carry."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from serving.errors import InvalidArgumentError
from serving.server.dense import Array
from serving.server.json_body import MAX_BODY_BYTES

# The typed fields, because clients of TensorFlow Serving read them by name (`outputs["y"].float_val`).
_FIELDS = {
    "float32": "float_val",
    "float64": "double_val",
    "float16": "half_val",
    "bfloat16": "half_val",
    "int8": "int_val",
    "int16": "int_val",
    "int32": "int_val",
    "int64": "int64_val",
    "uint8": "int_val",
    "uint16": "int_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "bool": "bool_val",
    "object": "string_val",
}


def to_array(proto: Any, name: str) -> Array:
    """The array of one input: `tensor_content`, or typed values of which the last is repeated up to the shape's size.

    Args:
        proto: the TensorProto.
        name: the input, for messages.

    Returns:
        an array of the message's dtype and shape; strings are an object array of bytes.

    Raises:
        InvalidArgumentError: no tensor, or one that repetition makes larger than a request may be.
    """
    import tensorflow as tf

    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    try:
        dtype = tf.as_dtype(proto.dtype)
        if proto.tensor_shape.unknown_rank or min(shape, default=0) < 0:
            raise ValueError("the shape is not known")
        # A few bytes may ask for terabytes.
        if math.prod(shape) * np.dtype(dtype.as_numpy_dtype).itemsize > MAX_BODY_BYTES:
            raise InvalidArgumentError(f"tensor parsing error: {name}: above the limit of {MAX_BODY_BYTES} bytes")
        if proto.tensor_content and dtype == tf.string:
            return np.asarray(tf.io.parse_tensor(proto.SerializeToString(), dtype).numpy(), dtype=np.object_)
        return np.asarray(tf.make_ndarray(proto))
    except (ValueError, TypeError, KeyError, OverflowError, tf.errors.OpError) as error:
        raise InvalidArgumentError(f"tensor parsing error: {name}: {error}") from error


def to_proto(array: Array) -> Any:
    """The TensorProto of one output, its values in the typed field of its dtype."""
    import tensorflow as tf
    from tensorflow.core.framework.tensor_pb2 import TensorProto

    field = _FIELDS.get(array.dtype.name)
    if field is None:  # complex and quantized numbers
        return tf.make_tensor_proto(array)
    proto = TensorProto(dtype=tf.as_dtype(array.dtype).as_datatype_enum)
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    flat = array.reshape(-1)
    getattr(proto, field).extend((flat.view(np.uint16) if field == "half_val" else flat).tolist())
    return proto


def get_dtype_name(proto: Any) -> str:
    """TensorFlow's name of a TensorProto's dtype, as `TensorSpec` has it: `float`, `string`, ...; else its number."""
    from tensorflow.core.framework.types_pb2 import DataType

    try:
        name: str = DataType.Name(proto.dtype)
    except ValueError:
        return str(proto.dtype)
    return name.removeprefix("DT_").lower()
