"""Logged requests to rows: named inputs along their first dimension, or the tf.Examples that a request holds."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.errors import InputError
from pipeline.sources.prediction_log.wire import is_example
from pipeline.sources.tfrecord.records import Batch, read_records

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from tensorflow_serving.apis.input_pb2 import Input
    from tensorflow_serving.apis.predict_pb2 import PredictRequest

    Array = np.ndarray[Any, Any]


class Request(NamedTuple):
    """What one record asks for.

    Attributes:
        number: of the record, from 1.
        rows: how many it has.
        examples: serialized tf.Examples, one a row; empty where there are inputs.
        inputs: by name, `[rows, values]`; empty where there are examples.
    """

    number: int
    rows: int
    examples: tuple[bytes, ...]
    inputs: "Mapping[str, Array]"


def decode(files: Sequence[Path], limit: int | None) -> Iterator[Batch]:
    """Yield the rows of all requests, or those of the first ones.

    Raises:
        InputError: no TFRecord file, a corrupt record, or one that is no logged request.
    """
    for file, start, records in read_records(files, limit):
        requests = [
            request for index, record in enumerate(records, start + 1) for request in _requests(file, index, record)
        ]
        for has_examples, group in groupby(requests, lambda request: bool(request.examples)):
            same = list(group)
            numbers = [request.number for request in same for _ in range(request.rows)]
            yield Batch(file, numbers, _from_examples(file, same) if has_examples else _from_inputs(file, same))


def _requests(file: Path, number: int, record: bytes) -> list[Request]:
    from google.protobuf.message import DecodeError
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    try:
        log = PredictionLog.FromString(record)
    except DecodeError as error:
        raise InputError(f"{file}: record {number}: expected a PredictionLog: {error}") from error
    kind = log.WhichOneof("log_type")
    if kind in {"classify_log", "regress_log", "multi_inference_log"}:
        found = [_examples(number, getattr(log, kind).request.input)]
    elif kind == "predict_log":
        found = [_inputs(file, number, log.predict_log.request)]
    elif kind == "predict_streamed_log":
        found = [_inputs(file, number, each) for each in log.predict_streamed_log.request]
    else:
        raise InputError(f"{file}: record {number}: expected a logged request to predict, classify or regress")
    return [request for request in found if request.rows]


def _examples(number: int, given: "Input") -> Request:
    """Return the request's examples; features of a context are those of each of them."""
    if given.WhichOneof("kind") != "example_list_with_context":
        examples = [each.SerializeToString() for each in given.example_list.examples]
        return Request(number, len(examples), tuple(examples), {})
    merged = []
    for each in given.example_list_with_context.examples:
        example = type(each)()
        example.CopyFrom(given.example_list_with_context.context)
        for name, feature in each.features.feature.items():
            example.features.feature[name].CopyFrom(feature)
        merged.append(example.SerializeToString())
    return Request(number, len(merged), tuple(merged), {})


def _inputs(file: Path, number: int, request: "PredictRequest") -> Request:
    import tensorflow as tf

    arrays = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
    if len(arrays) == 1:
        ((name, only),) = arrays.items()
        texts = only.reshape(-1).tolist() if only.dtype == object else []
        if (name == "examples" or any(texts)) and all(is_example(text) or not text for text in texts) and texts:
            return Request(number, len(texts), tuple(texts), {})
    sizes = {len(array) if array.ndim else 1 for array in arrays.values()} - {1} or {1}
    if len(sizes) > 1:
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in sorted(arrays.items()))
        raise InputError(f"{file}: record {number}: expected inputs of as many rows each, received {shapes}")
    (rows,) = sizes
    return Request(number, rows if arrays else 0, (), {name: _rows(array, rows) for name, array in arrays.items()})


def _rows(array: "Array", rows: int) -> "Array":
    """Return `[rows, values]`; what is there once holds for every row."""
    import numpy as np

    values = int(np.prod(array.shape[1:], dtype=int))
    return np.broadcast_to(array.reshape(-1, values), (rows, values))


def _from_examples(file: Path, requests: Sequence[Request]) -> "pa.RecordBatch":
    from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

    try:
        return ExamplesToRecordBatchDecoder().DecodeBatch([each for request in requests for each in request.examples])
    except RuntimeError as error:
        place = f"records {requests[0].number} to {requests[-1].number}"
        raise InputError(f"{file}: {place}: expected tf.Examples: {error}") from error


def _from_inputs(file: Path, requests: Sequence[Request]) -> "pa.RecordBatch":
    """Return a list of values for each input and row, null where a request does not have the input."""
    import pyarrow as pa

    lists: dict[str, list[list[Any] | None]] = {}
    types: dict[str, pa.DataType] = {}
    done = 0
    for request in requests:
        for name, array in request.inputs.items():
            column = lists.setdefault(name, [])
            column += [None] * (done - len(column))
            column += _present(array)
            found = _arrow_type(array)
            if types.setdefault(name, found) != found:
                raise InputError(
                    f"{file}: record {request.number}: input '{name}': expected {types[name]} as in the records "
                    f"before, received {found}"
                )
        done += request.rows
    arrays = [
        pa.array(column + [None] * (done - len(column)), pa.large_list(types[name])) for name, column in lists.items()
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(lists))


def _present(array: "Array") -> list[list[Any]]:
    """Return the values of each row; an empty text and NaN stand for a missing one."""
    return [[value for value in row if value == value and value != b""] for row in array.tolist()]


def _arrow_type(array: "Array") -> "pa.DataType":
    import pyarrow as pa

    if array.dtype == object:
        return pa.large_binary()
    if array.dtype.kind in "iub":
        return pa.int64()
    return pa.float64() if array.dtype.itemsize > 4 else pa.float32()
