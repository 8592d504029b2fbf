"""The request log: what is in its files, and what becomes of what does not fit."""

from __future__ import annotations

import threading
import time

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from serving.errors import StorageError
from serving.server import request_files, request_log
from serving.server.extras import Extras
from serving.server.request_log import RequestLog
from serving.server.settings import RequestLogSettings, ServerSettings
from serving.tfrecord import read_records


@pytest.fixture
def ask_logged(tmp_path, ask_with):
    """`ask_logged(model, bodies, **settings)`: the files that are there once the server has stopped."""

    def make(model, bodies, **settings):
        extras = Extras(ServerSettings(request_log=RequestLogSettings(folder=tmp_path / "log", **settings)))
        ask = ask_with(extras)
        for body in bodies:
            ask("POST", f"/v1/models/{model}:predict", json=body)
        extras.close()
        return sorted((tmp_path / "log").rglob("*.*")), extras.log

    return make


def test_parquet_has_a_row_for_each_row(ask_logged):
    (file,), log = ask_logged("two", [{"instances": [{"b": "ü", "a": 1}, {"b": "", "a": 2}]}, {"inputs": {"x": 1}}])
    assert (file.parent.name, file.suffix, log.dropped) == ("two", ".parquet", 0)
    found = duckdb.sql(f"SELECT * EXCLUDE time FROM '{file}'").fetchall()
    assert found == [("two", 2, "serving_default", "ü", 1.0, "ü", 1.0), ("two", 2, "serving_default", "", 2.0, "", 2.0)]
    table = pq.read_table(file).to_pandas()
    assert list(table.columns) == ["time", "model", "version", "signature", "b", "a", "s_bytes", "y"]
    assert abs(table["time"][0].timestamp() - time.time()) < 60


def test_names_that_are_taken_and_nested_values(tmp_path):
    entry = request_files.Entry(
        request_files.Source("m", 1, "s"),
        0.0,
        {"time": np.array([[1, 2], [3, 4]]), "x": np.array([0.5, 1.5], np.float16)},
        {"x": np.array([b"\xff", b"a"], object), "scalar": np.array(7)},
        ({}, {}),
    )
    request_files.write_parquet([entry], tmp_path / "f.parquet")
    assert pq.read_table(tmp_path / "f.parquet").drop_columns(["time", "model"]).to_pylist() == [
        {"version": 1, "signature": "s", "input.time": [1, 2], "x": 0.5, "output.x": b"\xff", "scalar": 7},
        {"version": 1, "signature": "s", "input.time": [3, 4], "x": 1.5, "output.x": b"a", "scalar": 7},
    ]


def test_refused_requests_are_not_logged(ask_logged):
    assert ask_logged("m", [{"instances": ["x"]}, {"instances": []}, {}])[0] == []


def test_sample_is_a_share(ask_logged):
    (file,), _ = ask_logged("m", [{"instances": [1]}] * 300, sample=0.3)
    assert 40 < pq.read_metadata(file).num_rows < 150


def test_files_are_rotated_and_the_oldest_deleted(ask_logged):
    files, _ = ask_logged(
        "m", [{"instances": [float(number)] * 2} for number in range(10)], rotate_rows=4, keep_files=3
    )
    assert [pq.read_table(file)["x"].to_pylist()[::2] for file in files] == [[4, 5], [6, 7], [8, 9]]


def test_file_is_closed_when_its_time_has_come(tmp_path, ask_with, monkeypatch):
    monkeypatch.setattr(request_log, "_LOOK_S", 0.01)
    settings = RequestLogSettings(folder=tmp_path, rotate_s=0.02)
    extras = Extras(ServerSettings(request_log=settings))
    ask_with(extras)("POST", "/v1/models/m:predict", json={"instances": [1]})
    deadline = time.monotonic() + 10
    while not list(tmp_path.rglob("*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(list(tmp_path.rglob("*.parquet"))) == 1
    extras.close()


def test_tfrecord_has_a_record_for_each_request(ask_logged):
    from serving.protos import PredictionLog

    bodies = [{"instances": [{"b": "k", "a": 1}, {"b": "l", "a": 2}]}, {"inputs": {"a": [3], "b": ["m"]}}]
    (file,), _ = ask_logged("two", bodies, format="tfrecord", sample=1)
    first, second = [PredictionLog.FromString(record) for record in read_records(file)]
    assert first.log_metadata.model_spec.version.value == 2
    asked, told = first.predict_log.request, first.predict_log.response
    assert (asked.model_spec.name, asked.model_spec.signature_name) == ("two", "serving_default")
    assert list(asked.inputs["b"].string_val) == [b"k", b"l"]
    assert np.frombuffer(asked.inputs["a"].tensor_content, np.float32).tolist() == [1, 2]
    assert [dim.size for dim in told.outputs["y"].tensor_shape.dim] == [2]
    assert second.predict_log.request.inputs["b"].string_val[0] == b"m"


def test_answering_never_waits_for_the_disk(tmp_path, ask_with, monkeypatch):
    released = threading.Event()
    write = request_files.write_parquet
    monkeypatch.setitem(request_files.WRITERS, "parquet", lambda *given: (released.wait(20), write(*given)))
    monkeypatch.setattr(request_log, "_WAITING_ENTRIES", 5)
    extras = Extras(ServerSettings(request_log=RequestLogSettings(folder=tmp_path, rotate_rows=1)))
    ask = ask_with(extras)
    for _ in range(20):
        assert ask("POST", "/v1/models/m:predict", json={"instances": [1]}).status_code == 200
    assert extras.log.dropped >= 14
    assert f"penstock_request_log_dropped_total {extras.log.dropped}" in ask("GET", "/metrics").text
    assert list(tmp_path.rglob("*.*")) == []
    released.set()
    extras.close()
    assert len(list(tmp_path.rglob("*.parquet"))) == 20 - extras.log.dropped


def test_bytes_that_wait_are_bounded(tmp_path, ask_with, monkeypatch):
    monkeypatch.setattr(request_log, "_WAITING_BYTES", 100)
    extras = Extras(ServerSettings(request_log=RequestLogSettings(folder=tmp_path)))
    ask_with(extras)("POST", "/v1/models/m:predict", json={"instances": [1.0] * 100})
    assert extras.log.dropped == 1
    extras.close()


def test_what_cannot_be_written_is_dropped_and_leaves_nothing(ask_logged, monkeypatch, caplog):
    def fail(entries, file):
        file.write_text("half")
        raise OSError("No space left on device")

    monkeypatch.setitem(request_files.WRITERS, "parquet", fail)
    files, log = ask_logged("m", [{"instances": [1]}, {"instances": [1]}])
    assert (files, log.dropped) == ([], 2)
    assert "No space left on device" in caplog.text


def test_folder_that_cannot_be_made_is_an_error_at_the_start(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="request_log.folder"):
        RequestLog(RequestLogSettings(folder=tmp_path / "file" / "log"))


@pytest.mark.tensorflow
def test_tfrecord_is_a_source_of_the_pipeline(ask_logged, tmp_path):
    from pipeline.sources import prediction_log

    bodies = [{"instances": [{"b": "k", "a": 1}, {"b": "", "a": 2}]}, {"inputs": {"a": [3], "b": ["m"]}}]
    (file,), _ = ask_logged("two", bodies, format="tfrecord")
    assert prediction_log.recognises(file)
    connection = duckdb.connect()
    params = prediction_log.Params(files=str(file))
    types = prediction_log.look(connection, [file], params, {}, whole=True)
    scan = prediction_log.scan(connection, [file], params, types)
    assert sorted(connection.execute(f"SELECT a, b FROM ({scan})").fetchall(), key=str) == [
        (1.0, "k"),
        (2.0, None),
        (3.0, "m"),
    ]


@pytest.mark.tensorflow
def test_tensorflow_reads_the_records(ask_logged):
    import tensorflow as tf

    (file,), _ = ask_logged("m", [{"instances": [1]}] * 3, format="tfrecord")
    assert len(list(tf.data.TFRecordDataset(str(file)))) == 3
