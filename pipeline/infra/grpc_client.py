"""A model server asked by gRPC, as a client of TensorFlow Serving asks it."""

from typing import TYPE_CHECKING, Any

from serving.errors import ServingError, UnreachableError

if TYPE_CHECKING:
    from tensorflow_serving.apis.predict_pb2 import PredictRequest

    from pipeline.infra.parity import Answers

TIMEOUT_S = 60.0
LARGEST_MESSAGE_BYTES = 100 * 2**20


def predict_grpc(address: str, request: "PredictRequest") -> "Answers":
    """Return the answers by name, text as str.

    Raises:
        ServingError: what the server answers instead.
        UnreachableError: nobody answers at `address`.
    """
    import grpc
    from tensorflow_serving.apis import prediction_service_pb2_grpc

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
