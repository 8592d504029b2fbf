"""`penstock predict` against a model that is a function."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import InputError, RunError
from pipeline.predict_command import predict

SIGNATURES = {
    "serving_default": {
        "inputs": {
            name: {"dtype": dtype, "tensor_shape": {"dim": [{"size": "-1"}]}, "name": f"{name}:0"}
            for name, dtype in {"x": "DT_FLOAT", "word": "DT_STRING"}.items()
        },
        "outputs": {"y": {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1"}]}, "name": "y:0"}},
    }
}


class Model:
    """Versions that are served, the newest last; keeps the paths and the words that it was asked."""

    def __init__(self):
        self.versions = [7]
        self.paths = []
        self.words = []
        self.after = lambda: None

    def __call__(self, request):
        body = json.loads(request.content) if request.content else None
        status, answer = self.answer(request.url.path, body)
        return httpx.Response(status, json=answer)

    def answer(self, path, body):
        """Status and body of an answer."""
        self.paths.append(path)
        found = re.search(r"/versions/(\d+)", path)
        version = int(found[1]) if found else self.versions[-1]
        if version not in self.versions:
            return 404, {"error": f"Servable not found for request: Specific(m, {version})"}
        if path.endswith("/metadata"):
            described = {"signature_def": SIGNATURES}
            return 200, {"model_spec": {"version": str(version)}, "metadata": {"signature_def": described}}
        inputs = body["inputs"]
        self.words += inputs["word"]
        outputs = [None if x != x else 2 * x for x in inputs["x"]]
        self.after()
        return 200, {"outputs": outputs}


@pytest.fixture
def model(monkeypatch):
    """The model, behind every client."""
    from serving.client.transports import HttpTransport

    model = Model()
    monkeypatch.setattr(
        "serving.client.synchronous.HttpTransport",
        lambda url, options, _: HttpTransport(url, options, httpx.MockTransport(model)),
    )
    monkeypatch.setattr("serving.client.transports._FIRST_WAIT_S", 0)
    return model


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr("pipeline.rows.files.CHUNK_ROWS", 4)


ROWS = [{"x": index, "word": f"w{index}", "other": "é,\n"} for index in range(10)]


@pytest.fixture
def rows(tmp_path):
    """The rows as a file of each format."""
    with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ROWS[0])
        writer.writeheader()
        writer.writerows(ROWS)
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
    (tmp_path / "rows.json").write_text(json.dumps(ROWS))
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    return tmp_path


DEFAULTS = {"url": "http://host", "grpc": None, "version": None, "label": None, "signature": "serving_default"}
DEFAULTS |= {"on_error": "fail", "prefix": "", "restart": False, "token": None, "ca": None, "timeout": 30.0}


def run(file, out=None, **options):
    predict("m", file, out, **{**DEFAULTS, "as_json": False, **options})


def read(file):
    if file.suffix == ".csv":
        with file.open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))
    if file.suffix == ".parquet":
        return pq.read_table(file).to_pylist()
    text = file.read_text()
    return json.loads(text) if file.suffix == ".json" else [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("source", ["csv", "jsonl", "json", "parquet"])
@pytest.mark.parametrize("target", ["csv", "jsonl", "json", "parquet"])
def test_answers_stand_beside_the_rows(rows, model, source, target):
    run(rows / f"rows.{source}", rows / f"out.{target}")
    found = read(rows / f"out.{target}")
    assert [list(row) for row in found] == [["x", "word", "other", "y"]] * 10
    assert [(float(row["x"]), row["word"], row["other"], float(row["y"])) for row in found] == [
        (index, f"w{index}", "é,\n", 2 * index) for index in range(10)
    ]
    # numbers stay numbers where the format has them; text of a CSV file stays text
    assert type(found[1]["x"]) is (str if "csv" in (source, target) else int)
    assert not (rows / f"out.{target}.part").exists()


def test_all_answers_come_from_the_version_that_was_served_first(rows, model):
    model.after = lambda: model.versions.append(8)
    run(rows / "rows.csv", rows / "out.csv")
    assert model.paths[0] == "/v1/models/m/metadata"
    assert all(path.startswith("/v1/models/m/versions/7") for path in model.paths[1:])


def test_version_that_is_unloaded_meanwhile(rows, model):
    model.after = lambda: model.versions.__setitem__(slice(None), [8])
    with pytest.raises(RunError, match="version 7 is not served any more; --restart begins anew"):
        run(rows / "rows.csv", rows / "out.csv")
    model.after = lambda: None
    with pytest.raises(InputError, match="version was 7, is 8. --restart begins anew, --version 7 goes on with that"):
        run(rows / "rows.csv", rows / "out.csv")
    run(rows / "rows.csv", rows / "out.csv", restart=True)
    assert len(read(rows / "out.csv")) == 10


def stop(model, rows, words=4):
    """Begin, and stop after the first answers."""

    def fail():
        if len(model.words) > words:
            raise RuntimeError("killed")

    model.after = fail
    with pytest.raises(RuntimeError, match="killed"):
        run(rows / "rows.csv", rows / "out.csv")
    model.after = lambda: None


def test_goes_on_where_it_stopped(rows, model, capsys):
    stop(model, rows)
    done = sum(file.suffix == ".jsonl" for file in (rows / "out.csv.part").iterdir())
    assert not (rows / "out.csv").exists()
    model.words = []
    run(rows / "rows.csv", rows / "out.csv", as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert [row["word"] for row in read(rows / "out.csv")] == [f"w{index}" for index in range(10)]
    assert len(model.words) == 10 - told["answered_before"] < 10
    assert (told["rows"], told["version"], bool(done)) == (10, 7, True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prefix": "p_"}, "prefix was , is p_"),
        ({"on_error": "skip"}, "on_error was fail, is skip"),
        ({}, "the rows have changed"),
    ],
)
def test_another_job_does_not_go_on(rows, model, change, message):
    stop(model, rows)
    if not change:
        with (rows / "rows.csv").open("a") as file:
            file.write("1,w,o\n")
    with pytest.raises(InputError, match=f"begun as another job: {message}. --restart begins anew"):
        run(rows / "rows.csv", rows / "out.csv", **change)
    run(rows / "rows.csv", rows / "out.csv", restart=True, **change)
    assert len(read(rows / "out.csv")) == (10 if change else 11)


def test_two_at_once_are_refused(rows, model):
    refused = []

    def again():
        model.after = lambda: None
        with pytest.raises(InputError) as raised:
            run(rows / "rows.csv", rows / "out.csv")
        refused.append(str(raised.value))

    model.after = again
    run(rows / "rows.csv", rows / "out.csv")
    assert refused == [f"{rows / 'out.csv'}: another process is writing it"]


BAD = "x,word\n1,a\nabc,b\n3,c\n4\n5,e\n6,f\n7,g\n8,h\nxyz,i\n"


def test_bad_row_is_named(tmp_path, model):
    (tmp_path / "rows.csv").write_text(BAD)
    with pytest.raises(InputError) as raised:
        run(tmp_path / "rows.csv", tmp_path / "out.csv")
    assert str(raised.value) == f"{tmp_path / 'rows.csv'}: row 2, column 'x': expected a number, got 'abc'"
    (tmp_path / "rows.csv").write_text(BAD.replace("abc", "2"))
    with pytest.raises(InputError, match="row 4: line 5: expected 2 cells as in the header, received 1"):
        run(tmp_path / "rows.csv", tmp_path / "out.csv", restart=True)
    assert not (tmp_path / "out.csv").exists()


def test_of_many_bad_rows_the_first_is_named(tmp_path, model):
    lines = ["1,a\n"] * 100
    lines[5] = lines[9] = lines[60] = "abc,b\n"
    (tmp_path / "rows.csv").write_text(f"x,word\n{''.join(lines)}")
    with pytest.raises(InputError, match="row 6, column 'x'"):
        run(tmp_path / "rows.csv", tmp_path / "out.csv")
    (tmp_path / "rows.csv").write_text('x,word\n1,a\n2,b\nabc,c\n1,a\n1,"a')
    with pytest.raises(InputError, match="row 3, column 'x'"):
        run(tmp_path / "rows.csv", tmp_path / "out.csv", restart=True)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_bad_rows_are_left_out_with_their_reason(tmp_path, model, suffix, capsys):
    (tmp_path / "rows.csv").write_text(BAD)
    if suffix == "parquet":
        table = {"x": ["1", "abc", "3", "4_", "5", "6", "7", "8", "xyz"], "word": list("abcdefghi")}
        pq.write_table(pa.table(table), tmp_path / "rows.parquet")
    run(tmp_path / f"rows.{suffix}", tmp_path / "out.csv", on_error="skip")
    assert [float(row["y"]) for row in read(tmp_path / "out.csv")] == [2, 6, 10, 12, 14, 16]
    rejected = read(tmp_path / "out.rejected.jsonl")
    assert [(each["row"], each["column"]) for each in rejected] == [
        (2, "x"),
        (4, "x" if suffix == "parquet" else ""),
        (9, "x"),
    ]
    assert rejected[2]["reason"] == "expected a number, got 'xyz'"
    assert rejected[2]["values"] == {"x": "xyz", "word": "i"}
    assert "3 rows were left out" in capsys.readouterr().err


def test_the_servers_refusal_names_the_rows(rows, model, monkeypatch):
    monkeypatch.setattr(
        model,
        "answer",
        lambda path, body, answer=model.answer: (400, {"error": "no such word"}) if body else answer(path, body),
    )
    with pytest.raises(InputError, match=r"rows.csv: rows 1 to 4: no such word"):
        run(rows / "rows.csv", rows / "out.csv")


def test_server_that_fails_meanwhile(rows, model, monkeypatch):
    answer = model.answer
    monkeypatch.setattr(model, "answer", lambda path, body: (500, {"error": "lost"}) if body else answer(path, body))
    with pytest.raises(RunError, match="lost\nwhat is answered is kept: the same command goes on from there"):
        run(rows / "rows.csv", rows / "out.csv")
    monkeypatch.setattr(model, "answer", answer)
    run(rows / "rows.csv", rows / "out.csv")
    assert len(read(rows / "out.csv")) == 10


def test_column_that_an_answer_would_replace(rows, model):
    (rows / "rows.csv").write_text("x,y\n1,2\n")
    with pytest.raises(InputError, match="the rows have a column 'y' already; --prefix gives"):
        run(rows / "rows.csv", rows / "out.csv")
    run(rows / "rows.csv", rows / "out.csv", prefix="m_", restart=True)
    assert read(rows / "out.csv") == [{"x": "1", "y": "2", "m_y": "2.0"}]


def test_rows_that_differ(tmp_path, model):
    lines = [{"x": 1}] * 4 + [{"word": "a", "x": 2.5, "n": {"k": [1]}}, {}]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    run(tmp_path / "rows.jsonl", tmp_path / "out.jsonl")
    assert read(tmp_path / "out.jsonl")[4:] == [{"word": "a", "x": 2.5, "n": {"k": [1]}, "y": 5.0}, {"y": None}]
    run(tmp_path / "rows.jsonl", tmp_path / "out.csv")
    assert read(tmp_path / "out.csv")[4] == {"x": "2.5", "y": "5.0", "word": "a", "n": '{"k":[1]}'}
    run(tmp_path / "rows.jsonl", tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet")
    assert found["x"].to_pylist() == [1, 1, 1, 1, 2.5, None]
    (tmp_path / "rows.jsonl").write_text('{"x": 1, "a": 1}\n' * 4 + '{"a": "b"}\n')
    with pytest.raises(InputError, match=r"no Parquet file can hold these rows, a \.jsonl file can"):
        run(tmp_path / "rows.jsonl", tmp_path / "out.parquet")


@pytest.mark.parametrize(
    ("out", "text", "message"),
    [
        ("out.xlsx", "x\n1\n", r"expected a suffix of \.csv, \.parquet, .*, received \.xlsx"),
        ("out.csv", "x\n", "expected at least one row, received none"),
    ],
)
def test_nothing_is_written(tmp_path, model, out, text, message):
    (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        run(tmp_path / "rows.csv", tmp_path / out)
    assert [file.name for file in tmp_path.iterdir()] == ["rows.csv"]


def test_table_of_a_few_rows(rows, model, capsys, monkeypatch):
    monkeypatch.setattr("pipeline.predict_command.SHOWN_ROWS", 3)
    run(rows / "rows.parquet")
    told = capsys.readouterr()
    assert "w2" in told.out
    assert "w3" not in told.out
    assert told.err == "the first 3 rows; --out FILE answers all\n"
    (rows / "rows.csv").write_text("x\n1\n")
    run(rows / "rows.csv", as_json=True)
    told = capsys.readouterr()
    assert (json.loads(told.out), told.err) == ([2.0], f"{rows / 'rows.csv'}: no column word: asked as missing\n")


class Slow(BaseHTTPRequestHandler):
    """The model over a socket, in no hurry."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("content-length", 0))
        body = json.loads(self.rfile.read(length)) if length else None
        if body:
            time.sleep(0.03)
        status, content = self.server.model.answer(self.path, body)
        encoded = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    do_GET = do_POST = answer  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.mark.tensorflow  # not that it imports TensorFlow: it opens sockets
def test_kill_minus_9_loses_and_doubles_no_row(tmp_path, model):
    count = 60_000
    (tmp_path / "rows.csv").write_text("x,word\n" + "".join(f"{index},w{index}\n" for index in range(count)))
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        server.model, server.daemon_threads = model, True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        command = [sys.executable, "-m", "pipeline.cli", "predict", "m", "rows.csv", "--out", "out.csv", "--url", url]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(command, cwd=tmp_path, env=environment) as process:
            deadline = time.monotonic() + 60
            while len(list(tmp_path.glob("out.csv.part/0*.jsonl"))) < 3:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
        assert not (tmp_path / "out.csv").exists()
        time.sleep(0.2)  # what the dead process had asked is answered to nobody
        model.words.clear()
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=60)
        server.shutdown()
    found = read(tmp_path / "out.csv")
    assert [row["word"] for row in found] == [f"w{index}" for index in range(count)]
    assert [float(row["y"]) for row in found] == [2.0 * index for index in range(count)]
    assert 0 < len(model.words) <= count - 3 * 5000


def test_it_leaves_tensorflow_alone():
    code = (
        "import sys, pipeline.predict_command, pipeline.rows.formats, pipeline.rows.scoring, pipeline.render\n"
        "import serving.client.rpc, grpc, pyarrow.parquet\n"
        "sys.exit(bool({'tensorflow', 'tfx', 'keras', 'apache_beam', 'pandas'} & set(sys.modules)))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_page_names_every_option():
    from typer.main import get_command

    from pipeline.cli import app

    page = (Path(__file__).parents[2] / "docs/client.md").read_text("utf-8")
    table = page[page.rindex("| option | |") :]
    options = {
        option for each in get_command(app).commands["predict"].params for option in each.opts if option[0] == "-"
    }
    assert set(re.findall(r"--[a-z][a-z-]*", table)) == options
