"""A model server asked by gRPC, as a client of TensorFlow Serving asks it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from models.raw import request_dtype
from models.spec import InputSpec
from serving.artifact import DEFAULT_SIGNATURE
from serving.errors import ServingError, UnreachableError

if TYPE_CHECKING:
    import tensorflow as tf

    from pipeline.infra.parity import Answers

TIMEOUT_S = 60.0
LARGEST_MESSAGE_BYTES = 100 * 2**20


def to_tensors(rows: Sequence[dict[str, Any]], inputs: InputSpec) -> "dict[str, tf.Tensor]":
    """Return rows of plain values as one tensor a column, `[rows]` or `[rows, longest list]`; missing: NaN or empty."""
    import tensorflow as tf

    found = {}
    for name in inputs.columns:
        dtype = request_dtype(inputs.types[name])
        missing: Any = "" if dtype == tf.string else float("nan")
        values = [row.get(name) for row in rows]
        if name in inputs.lengths:
            longest = max((len(value or []) for value in values), default=0)
            values = [[*(value or []), *[missing] * (longest - len(value or []))] for value in values]
            found[name] = tf.reshape(tf.constant(values, dtype), [len(rows), longest])
        else:
            found[name] = tf.constant([missing if value is None else value for value in values], dtype)
    return found


def predict_grpc(address: str, model: str, tensors: "dict[str, tf.Tensor]") -> "Answers":
    """Return the answers of the default signature by name, text as str.

    Raises:
        ServingError: what the server answers instead.
        UnreachableError: nobody answers at `address`.
    """
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, DEFAULT_SIGNATURE
    for name, tensor in tensors.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(tensor))
    options = [(f"grpc.max_{way}_message_length", LARGEST_MESSAGE_BYTES) for way in ("send", "receive")]
    # no proxy of the environment: the server is on this machine
    with grpc.insecure_channel(address, [*options, ("grpc.enable_http_proxy", 0)]) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        try:
            answer = stub.Predict(request, timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            if error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
                raise UnreachableError(f"gRPC at {address}: {error.details()}") from error
            raise ServingError(f"gRPC: {error.details()}") from error
    return {name: _to_array(tensor) for name, tensor in answer.outputs.items()}


def _to_array(tensor: Any) -> Any:
    import numpy as np
    import tensorflow as tf

    array = tf.make_ndarray(tensor)
    return np.char.decode(array.astype(bytes), "utf-8") if array.dtype == object else array.astype("float64")
