"""The warm-up file of every model: TensorFlow Serving's messages, which the model answers as it answers anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

TOLERANCE = 1e-6


@pytest.fixture
def logs(model: Any, tmp_path: Path) -> list[Any]:
    """What TensorFlow Serving reads of the model's warm-up file."""
    import tensorflow as tf
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    from pipeline.warm_up import WARM_UP, write_warm_up

    write_parquet(model, tmp_path / "examples.parquet")
    write_warm_up(model.folder, tmp_path, "served", tmp_path)
    records = tf.data.TFRecordDataset(str(tmp_path / WARM_UP)).as_numpy_iterator()
    return [PredictionLog.FromString(record) for record in records]


def write_parquet(model: Any, file: Path) -> None:
    """Write the model's rows as ExampleGen writes examples: lists of values, null where there is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"bytes": pa.large_binary(), "int": pa.int64(), "float": pa.float32()}
    columns = {}
    for name, values in model.rows.items():
        lists = [value if isinstance(value, list) or value is None else [value] for value in values]
        encoded = [row and [each.encode() if isinstance(each, str) else each for each in row] for row in lists]
        columns[name] = pa.array(encoded, pa.large_list(types[model.inputs.types[name]]))
    pq.write_table(pa.table(columns), file)


def test_every_signature_answers_its_requests_alike(model: Any, logs: list[Any]) -> None:
    import tensorflow as tf

    from pipeline.warm_up import ROWS
    from serving.server.model import load

    served = load(1, model.folder)
    requests = [log.predict_log.request for log in logs[:3]]
    assert {request.model_spec.name for request in requests} == {"served"}
    assert [request.model_spec.signature_name for request in requests] == [
        "serving_default",
        "serving_default",
        "examples",
    ]
    for request, rows in zip(requests, (1, ROWS, ROWS), strict=True):
        feeds = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        answers = served.run(request.model_spec.signature_name, feeds)
        assert answers.keys() == model.answers.keys()
        for name, answer in answers.items():
            expected = model.answers[name][:rows]
            if answer.dtype == object:
                assert np.char.decode(answer.astype(bytes), "utf-8").tolist() == expected.tolist()
            else:
                largest = max(1.0, float(np.abs(expected).max(initial=0.0)))
                np.testing.assert_allclose(answer, expected, atol=TOLERANCE * largest)


def test_the_method_of_the_target_is_asked_too(model: Any, logs: list[Any]) -> None:
    from pipeline.warm_up import ROWS
    from serving.server.model import load
    from serving.server.warm_up import _read_runs

    served = load(1, model.folder)
    methods = [name for name in ("classify", "regress") if name in served.signatures]
    assert [log.WhichOneof("log_type") for log in logs[3:]] == [f"{method}_log" for method in methods]
    for log, method in zip(logs[3:], methods, strict=True):
        ((name, feeds),) = _read_runs(served, log)
        assert name == method
        assert {len(answer) for answer in served.run(name, feeds).values()} == {ROWS}


def test_rows_of_another_type_are_refused(model: Any, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipeline.warm_up import write_warm_up

    columns = {name: pa.array([[1]] * 4, pa.large_list(pa.int64())) for name in model.inputs.columns}
    pq.write_table(pa.table(columns), tmp_path / "examples.parquet")
    with pytest.raises((ValueError, TypeError)):
        write_warm_up(model.folder, tmp_path, "served", tmp_path)
