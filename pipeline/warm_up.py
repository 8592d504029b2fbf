"""Requests that TensorFlow Serving answers to itself before it lets a version have real ones.

Without them the first client waits while TensorFlow makes its kernels and plans.
https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from models.dataset import read_batches
from models.export import read_spec
from models.spec import InputSpec
from pipeline.requests import EXAMPLES, examples_request, predict_request, serialized, to_columns
from serving.artifact import DEFAULT_SIGNATURE, read_signatures
from serving.server.tensors import get_dtype_name

if TYPE_CHECKING:
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

WARM_UP = Path("assets.extra", "tf_serving_warmup_requests")
ROWS = 4


def write_warm_up(model: Path, examples: Path, name: str, folder: Path) -> None:
    """Write the file below `folder`: TFRecords of PredictionLogs with the first rows of the split at `examples`.

    One row alone and ROWS together as named inputs, ROWS as serialized tf.Examples, and ROWS to classify or regress.
    TensorFlow Serving refuses a version whose warm-up fails, so names and types are compared with the signatures of
    `model`.

    Raises:
        ValueError: the signature does not take the rows' columns.
    """
    import tensorflow as tf

    inputs = read_spec(model).inputs
    file = next(iter(sorted(examples.glob("*.parquet"))))
    (folder / WARM_UP).parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / WARM_UP)) as writer:
        for log in _logs(model, name, file, inputs):
            writer.write(log.SerializeToString(deterministic=True))


def _logs(model: Path, name: str, file: Path, inputs: InputSpec) -> "Iterator[PredictionLog]":
    from tensorflow_serving.apis.prediction_log_pb2 import ClassifyLog, PredictionLog, PredictLog, RegressLog

    signatures = read_signatures(model)
    examples = next(read_batches([file], inputs.columns)).slice(0, ROWS)
    columns = to_columns(examples, inputs)
    expected = {name: spec.dtype for name, spec in signatures[DEFAULT_SIGNATURE].inputs.items()}
    for rows in (1, ROWS):
        request = predict_request(name, DEFAULT_SIGNATURE, {key: column[:rows] for key, column in columns.items()})
        found = {key: get_dtype_name(tensor) for key, tensor in request.inputs.items()}
        if found != expected:
            msg = f"{model}: {DEFAULT_SIGNATURE} takes {expected}, the rows have {found}"
            raise ValueError(msg)
        yield PredictionLog(predict_log=PredictLog(request=request))
    if EXAMPLES in signatures:
        request = predict_request(name, EXAMPLES, {EXAMPLES: serialized(examples)})
        yield PredictionLog(predict_log=PredictLog(request=request))
    if "classify" in signatures:
        yield PredictionLog(classify_log=ClassifyLog(request=examples_request("classify", name, examples)))
    if "regress" in signatures:
        yield PredictionLog(regress_log=RegressLog(request=examples_request("regress", name, examples)))
