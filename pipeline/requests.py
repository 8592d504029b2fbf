"""Examples as a client sends them: plain values for JSON, tensors for gRPC, or serialized tf.Examples."""

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any

from models.dataset import dense
from models.export import to_request
from models.spec import InputSpec

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_serving.apis.predict_pb2 import PredictRequest

    from models.dataset import Columns

EXAMPLES = "examples"
"""Signature that takes serialized tf.Examples, and its only input."""


def plain_rows(examples: "pa.RecordBatch | pa.Table", lists: Container[str]) -> list[dict[str, Any]]:
    """Return examples (a list of values in each column) as plain values; missing ones are left out.

    Args:
        examples: the columns.
        lists: the columns that stay lists.
    """
    rows = examples.to_pylist()
    return [
        {name: plain if name in lists else plain[0] for name, value in row.items() if (plain := _plain(value))}
        for row in rows
    ]


def _plain(values: list[Any] | None) -> list[Any]:
    """Return text for bytes, and numbers as short as they tell a float32 from all others."""
    import numpy as np

    return [
        each.decode() if isinstance(each, bytes) else float(str(np.float32(each))) if isinstance(each, float) else each
        for each in values or ()
    ]


def serialized(examples: "pa.RecordBatch") -> list[bytes]:
    """Return each row as a serialized tf.Example."""
    from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

    encoded: list[bytes] = RecordBatchToExamplesEncoder().encode(examples)
    return encoded


def to_columns(examples: "pa.RecordBatch", inputs: InputSpec) -> "Columns":
    """Return each column as `serving_default` takes it, `[rows]` or `[rows, length]`."""
    types = {name: inputs.types[name] for name in inputs.columns}
    return {name: to_request(column) for name, column in dense(examples, types, inputs.lengths).items()}


def predict_request(model: str, signature: str, columns: Mapping[str, Any]) -> "PredictRequest":
    """Return TensorFlow Serving's request for what a signature answers to `columns`."""
    import tensorflow as tf
    from tensorflow_serving.apis.predict_pb2 import PredictRequest

    request = PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for name, column in columns.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(column))
    return request


def examples_request(method: str, model: str, examples: "pa.RecordBatch") -> Any:
    """Return TensorFlow Serving's ClassificationRequest (`classify`) or RegressionRequest (`regress`) for rows."""
    from tensorflow.core.example.example_pb2 import Example
    from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
    from tensorflow_serving.apis.regression_pb2 import RegressionRequest

    request = {"classify": ClassificationRequest, "regress": RegressionRequest}[method]()
    request.model_spec.name, request.model_spec.signature_name = model, method
    request.input.example_list.examples.extend(Example.FromString(each) for each in serialized(examples))
    return request
