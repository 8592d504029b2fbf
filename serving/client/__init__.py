"""Ask a served model for predictions, over TensorFlow Serving's REST or gRPC API. Needs no TensorFlow."""

from serving.client.asynchronous import AsyncPredictionClient
from serving.client.messages import Description, VersionState
from serving.client.options import Options
from serving.client.rows import ROWS_PER_REQUEST, Rows
from serving.client.synchronous import PredictionClient

__all__ = [
    "ROWS_PER_REQUEST",
    "AsyncPredictionClient",
    "Description",
    "Options",
    "PredictionClient",
    "Rows",
    "VersionState",
]
