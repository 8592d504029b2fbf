"""Requests that TensorFlow Serving answers to itself before it lets a version have real ones.

Without them the first client waits while TensorFlow makes its kernels and plans.
https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.dataset import dense_batches, read_batches
from models.export import read_spec, to_request
from models.raw import RawType
from models.spec import InputSpec
from serving.artifact import DEFAULT_SIGNATURE, read_signatures

if TYPE_CHECKING:
    from tensorflow_serving.apis.predict_pb2 import PredictRequest

WARM_UP = Path("assets.extra", "tf_serving_warmup_requests")
EXAMPLES_SIGNATURE = "examples"
ROWS = 4


def write_warm_up(model: Path, examples: Path, name: str, folder: Path) -> None:
    """Write the file below `folder`: TFRecords of PredictionLogs with the first rows of the split at `examples`.

    One row alone and ROWS together as named inputs, and ROWS as serialized tf.Examples. TensorFlow Serving refuses a
    version whose warm-up fails, so names and types are compared with the signatures of `model`.

    Raises:
        ValueError: the signature does not take the rows' columns.
    """
    import tensorflow as tf
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog, PredictLog

    inputs = read_spec(model).inputs
    file = next(iter(sorted(examples.glob("*.parquet"))))
    (folder / WARM_UP).parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / WARM_UP)) as writer:
        for request in _requests(model, file, inputs):
            request.model_spec.name = name
            writer.write(PredictionLog(predict_log=PredictLog(request=request)).SerializeToString(deterministic=True))


def _requests(model: Path, file: Path, inputs: InputSpec) -> "Iterator[PredictRequest]":
    signatures = read_signatures(model)
    types: dict[str, RawType] = {name: inputs.types[name] for name in inputs.columns}
    columns = {
        name: to_request(column[:ROWS]) for name, column in next(dense_batches([file], types, inputs.lengths)).items()
    }
    expected = {name: spec.dtype for name, spec in signatures[DEFAULT_SIGNATURE].inputs.items()}
    for rows in (1, ROWS):
        request = _request(DEFAULT_SIGNATURE, {name: column[:rows] for name, column in columns.items()})
        found = {name: _dtype(tensor) for name, tensor in request.inputs.items()}
        if found != expected:
            msg = f"{model}: {DEFAULT_SIGNATURE} takes {expected}, the rows have {found}"
            raise ValueError(msg)
        yield request
    if EXAMPLES_SIGNATURE in signatures:
        (name,) = signatures[EXAMPLES_SIGNATURE].inputs
        yield _request(EXAMPLES_SIGNATURE, {name: _serialize(file, types)})


def _request(signature: str, columns: dict[str, Any]) -> "PredictRequest":
    import tensorflow as tf
    from tensorflow_serving.apis.predict_pb2 import PredictRequest

    request = PredictRequest()
    request.model_spec.signature_name = signature
    for name, column in columns.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(column))
    return request


def _dtype(tensor: Any) -> str:
    """Return TensorFlow Serving's name of a tensor's type."""
    from tensorflow.core.framework.types_pb2 import DataType

    return str(DataType.Name(tensor.dtype)).removeprefix("DT_").lower()


def _serialize(file: Path, types: dict[str, RawType]) -> list[bytes]:
    """Return the first rows as serialized tf.Examples; a missing value is an absent feature."""
    import tensorflow as tf

    fields: dict[RawType, str] = {"bytes": "bytes_list", "int": "int64_list", "float": "float_list"}
    serialized = []
    for row in next(read_batches([file], list(types))).slice(0, ROWS).to_pylist():
        example = tf.train.Example()
        for name, values in row.items():
            if values:
                getattr(example.features.feature[name], fields[types[name]]).value.extend(values)
        serialized.append(example.SerializeToString(deterministic=True))
    return serialized
