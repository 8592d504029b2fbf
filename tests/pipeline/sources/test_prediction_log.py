from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.sources import prediction_log, read_places
from pipeline.sources.prediction_log.wire import fields, is_example

pytestmark = pytest.mark.tensorflow
PARAMS = prediction_log.Params(files="requests.tfrecord")


def predict(**inputs: Any) -> Any:
    """A logged request to predict, with its answer."""
    import tensorflow as tf
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    log = PredictionLog()
    log.log_metadata.model_spec.name = "m"
    for name, values in inputs.items():
        log.predict_log.request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    log.predict_log.response.outputs["probability"].CopyFrom(tf.make_tensor_proto([0.5]))
    return log


def example(**features: Any) -> Any:
    import tensorflow as tf

    made = tf.train.Example()
    for name, value in features.items():
        feature = made.features.feature[name]
        if isinstance(value, str):
            feature.bytes_list.value.append(value.encode())
        elif isinstance(value, float):
            feature.float_list.value.append(value)
        else:
            feature.int64_list.value.append(value)
    return made


def write(path: Path, *logs: Any) -> Path:
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path), "GZIP" if path.suffix == ".gz" else "") as writer:
        for log in logs:
            writer.write(log if isinstance(log, bytes) else log.SerializeToString())
    return path


def read(connection: duckdb.DuckDBPyConnection, *files: Path, given: dict[str, str] | None = None) -> list[Any]:
    """Types by name, and rows with the record they come from."""
    types = prediction_log.look(connection, files, PARAMS, given or {}, whole=True)
    connection.execute("SET preserve_insertion_order = true").fetchall()
    scan = prediction_log.scan(connection, files, PARAMS, types)
    connection.execute(f"CREATE OR REPLACE TABLE kept AS SELECT * FROM {scan}").fetchall()
    connection.execute(f"CREATE OR REPLACE TABLE placed AS {read_places(connection)}").fetchall()
    rows = connection.sql("SELECT line, kept.* FROM kept JOIN placed ON kept.rowid = placed.rowid ORDER BY kept.rowid")
    return [dict(types), *rows.fetchall()]


@pytest.mark.parametrize("name", ["requests.tfrecord", "requests.gz"])
def test_named_inputs_are_columns_and_their_rows_are_rows(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, name: str
) -> None:
    first = predict(
        age=np.array([39.0, np.nan, 2.0**53 - 1], "float64"),
        share=np.array([[0.5], [1.5], [np.nan]], "float32"),
        count=np.array([1, 2, 3], "int32"),
        city=np.array([b"Bern", b"", "Zürich".encode()]),
        tags=np.array([[1, 2], [3, 4], [5, 6]]),
        scale=np.float32(2),
    )
    second = predict(city=np.array([b"Genf"]), tags=np.array([[7, 8]]))
    assert read(connection, write(tmp_path / name, first, second)) == [
        {
            "age": "DOUBLE",
            "city": "VARCHAR",
            "count": "BIGINT",
            "scale": "FLOAT",
            "share": "FLOAT",
            "tags": "BIGINT[]",
        },
        (1, 39.0, "Bern", 1, 2.0, 0.5, [1, 2]),
        (1, None, None, 2, 2.0, 1.5, [3, 4]),
        (1, 2.0**53 - 1, "Zürich", 3, 2.0, None, [5, 6]),
        (2, None, "Genf", None, None, None, [7, 8]),
    ]


def test_examples_in_requests_to_predict_classify_and_regress(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    by_predict = predict(examples=[example(city="Bern", age=1).SerializeToString(), example().SerializeToString()])
    classify, regress = PredictionLog(), PredictionLog()
    classify.classify_log.request.input.example_list.examples.append(example(age=2, share=0.5))
    shared = regress.regress_log.request.input.example_list_with_context
    shared.context.CopyFrom(example(city="Genf", age=9))
    shared.examples.extend([example(age=3), example(share=1.5)])
    named = predict(city=np.array([b"Zug"]))
    file = write(tmp_path / "requests.tfrecord", by_predict, classify, regress, named)
    assert read(connection, file) == [
        {"age": "BIGINT", "city": "VARCHAR", "share": "FLOAT"},
        (1, 1, "Bern", None),
        (1, None, None, None),
        (2, 2, None, 0.5),
        (3, 3, "Genf", None),
        (3, 9, "Genf", 1.5),
        (4, None, "Zug", None),
    ]


def test_a_text_that_is_the_only_input_is_no_example(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file = write(tmp_path / "requests.tfrecord", predict(text=np.array([b"hello", b""])))
    assert read(connection, file) == [{"text": "VARCHAR"}, (1, "hello"), (1, None)]


def test_moments_and_missing_ones(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    days = [f"2024-05-{day:02}".encode() for day in range(1, 31)]
    file = write(tmp_path / "requests.tfrecord", predict(day=np.array([*days, b""])))
    found = read(connection, file, given={"day": "TIMESTAMP"})
    assert found[0] == {"day": "DATE"}
    assert (str(found[1][1]), found[31]) == ("2024-05-01", (1, None))


def test_what_is_no_logged_request(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    session = PredictionLog()
    session.session_run_log.request.feed.add(name="x:0")
    faults = {
        "record 2: expected a PredictionLog": [predict(n=[1]), b"\xff\xff"],
        "record 1: expected a logged request to predict, classify or regress": [session],
        r"record 1: expected inputs of as many rows each, received a \[2\], b \[3\]": [predict(a=[1, 2], b=[1, 2, 3])],
        "record 2: input 'n': expected int64 as in the records before, received float": [
            predict(n=[1]),
            predict(n=[1.5]),
        ],
    }
    for message, logs in faults.items():
        file = write(tmp_path / "requests.tfrecord", *logs)
        with pytest.raises(InputError, match=message):
            prediction_log.look(connection, [file], PARAMS, {}, whole=True)


def test_is_known_by_its_first_record(tmp_path: Path) -> None:
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    classify = PredictionLog()
    classify.classify_log.request.input.example_list.examples.append(example(age=2))
    logs = [write(tmp_path / "a.tfrecord", predict(n=[1])), write(tmp_path / "b-00000.gz", classify)]
    examples = [write(tmp_path / "c.tfrecord", example(age=1, city="Bern")), write(tmp_path / "d.tfrecord.gz")]
    texts = {"e.csv": b"a,b\n1,2\n", "f.csv.gz": gzip.compress(b"a,b\n1,2\n"), "g": b"", "h": b"\x01" * 40}
    for name, content in texts.items():
        (tmp_path / name).write_bytes(content)
    others = [*examples, *(tmp_path / name for name in texts), tmp_path, tmp_path / "nowhere"]
    assert [prediction_log.recognises(file) for file in logs] == [True, True]
    assert [prediction_log.recognises(file) for file in others] == [False] * len(others)


def test_the_fields_of_a_message() -> None:
    assert fields(b"") == {}
    assert fields(b"\x0a\x02ab\x12\x00") == {1: b"ab", 2: b""}
    assert fields(b"\x0a\x05ab") is None
    assert fields(b"\x08\x01") is None
    assert is_example(example(age=1).SerializeToString())
    assert not is_example(predict(n=[1]).SerializeToString())
    assert not is_example(b"hello")
