"""The server as a process: start, swap, failed push, stop."""

from __future__ import annotations

import math
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest

from serving.client import PredictionClient
from serving.errors import PortInUseError, UnavailableError
from serving.push import Candidate
from serving.push import push as push_model
from serving.rollout import rollback, set_label
from serving.server.run import Ports, serve

pytestmark = pytest.mark.slow

PROGRAM = """
import sys
from pathlib import Path
from serving.server.run import Ports, serve
serve({"m": Path(sys.argv[1])}, "127.0.0.1", Ports(0, 0), lambda ports: print(ports.rest, ports.grpc, flush=True))
"""


def push(saved_model, base, version):
    staging = shutil.copytree(saved_model, base / f".staging-{version}")
    return staging.rename(base / str(version))


@pytest.fixture(scope="module")
def base(saved_model, tmp_path_factory):
    base = tmp_path_factory.mktemp("base")
    push(saved_model, base, 1)
    return base


@pytest.fixture(scope="module")
def server(base):
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(base)], stdout=subprocess.PIPE, text=True)
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def ports(server):
    return Ports(*map(int, server.stdout.readline().split()))


@pytest.fixture(scope="module")
def url(ports):
    return f"http://127.0.0.1:{ports.rest}"


def ask_grpc(port):
    """The state of the newest version of `m`."""
    import grpc
    from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
    from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub

    request = GetModelStatusRequest()
    request.model_spec.name = "m"
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        return ModelServiceStub(channel).GetModelStatus(request, timeout=20).model_version_status[0]


def wait_for_state(url, version, state):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        statuses = httpx.get(f"{url}/v1/models/m").json()["model_version_status"]
        found = next((status for status in statuses if status["version"] == str(version)), None)
        if found is not None and found["state"] == state:
            return found
        time.sleep(0.05)
    raise AssertionError(f"version {version} is not {state}: {statuses}")


def test_answers_the_client(url):
    assert httpx.get(f"{url}/healthz").status_code == 200
    with PredictionClient(url, "m") as client:
        assert client.metadata().inputs["naïve.column"].dtype == "string"
        full, missing = client.predict([{"body mass (g)": "3750", "naïve.column": 1}, {}])
        assert full == {"doubled": 7500.0, "echo_bytes": b"1"}
        assert math.isnan(missing["doubled"])
        assert client.predict([{"x": [0, 0]}], signature_name="matrix") == [[0.5]]


def test_grpc_answers_from_the_same_models(ports, url):
    rest = httpx.get(f"{url}/v1/models/m").json()["model_version_status"][0]
    answer = ask_grpc(ports.grpc)
    assert (str(answer.version), answer.State.Name(answer.state)) == (rest["version"], "AVAILABLE")


def test_small_answers_are_not_delayed(url):
    """Nagle's algorithm and delayed acknowledgements together would add 40 ms to each."""
    durations = []
    with httpx.Client() as client:
        for _ in range(30):
            start = time.perf_counter()
            client.post(f"{url}/v1/models/m:predict", json={"signature_name": "matrix", "instances": [[0, 0]]})
            durations.append(time.perf_counter() - start)
    assert statistics.median(durations) < 0.03


def test_newer_version_takes_over_without_a_failed_request(url, base, saved_model):
    stop = threading.Event()

    def ask_for_ever():
        statuses = []
        with httpx.Client() as client:
            while not stop.is_set():
                body = {"signature_name": "matrix", "instances": [[0, 0]]}
                statuses.append(client.post(f"{url}/v1/models/m:predict", json=body).status_code)
        return statuses

    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(ask_for_ever) for _ in range(2)]
        push(saved_model, base, 2)
        try:
            wait_for_state(url, 2, "AVAILABLE")
            wait_for_state(url, 1, "END")
        finally:
            stop.set()
        assert {status for statuses in asked for status in statuses.result()} == {200}


def test_fault_30_broken_version_leaves_the_old_one_serving(url, base, saved_model):
    broken = push(saved_model, base, 3)
    (broken / "saved_model.pb").write_bytes(b"\xff")
    status = wait_for_state(url, 3, "END")
    assert "is not a SavedModel" in status["status"]["error_message"]
    assert wait_for_state(url, 2, "AVAILABLE")
    with PredictionClient(url, "m") as client:
        assert client.predict([{"x": [0, 0]}], signature_name="matrix") == [[0.5]]


def test_altered_version_never_serves_and_a_rollback_does_at_once(url, base, saved_model, tmp_path):
    first = push_model(Candidate(saved_model), base, 9)
    wait_for_state(url, first.version, "AVAILABLE")
    other = shutil.copytree(saved_model, tmp_path / "other")
    (other / "assets" / "words").parent.mkdir(exist_ok=True)
    (other / "assets" / "words").write_text("one more")
    second = push_model(Candidate(other), base, 9)
    wait_for_state(url, second.version, "AVAILABLE")
    # the same model once more, with one bit flipped on the way
    altered = shutil.copytree(second.path, tmp_path / "altered")
    (altered / "assets" / "words").write_text("one mord")
    altered.rename(base / str(second.version + 1))
    status = wait_for_state(url, second.version + 1, "END")
    assert "is not what was pushed: assets/words: altered" in status["status"]["error_message"]
    back = rollback(base, first.version)
    assert back.version > second.version + 1
    wait_for_state(url, back.version, "AVAILABLE")
    # a label brings an older version back beside the live one
    set_label(base, "stable", second.version)
    wait_for_state(url, second.version, "AVAILABLE")
    body = {"signature_name": "matrix", "instances": [[0, 0]]}
    paths = ("", "/labels/stable", f"/versions/{second.version}", f"/versions/{back.version}", "/labels/canary")
    answers = [httpx.post(f"{url}/v1/models/m{path}:predict", json=body).status_code for path in paths]
    assert answers == [200, 200, 200, 200, 400]


def test_sigterm_answers_what_is_in_flight_and_exits_with_0(server, url):
    port = int(url.rpartition(":")[2])
    body = b'{"signature_name": "matrix", "instances": [[0, 0]]}'
    head = f"POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(10)
        connection.sendall(head.encode())
        time.sleep(0.3)
        server.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        connection.sendall(body)
        # the answer may come in several pieces; the server closes the connection after it
        with connection.makefile("rb") as answer:
            assert b'{"predictions":[[0.5]]}' in answer.read()
    assert server.wait(timeout=10) == 0


def test_grpc_stops_with_rest(server, ports):
    import grpc

    server.wait(timeout=10)
    with pytest.raises(grpc.RpcError) as caught:
        ask_grpc(ports.grpc)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_port_in_use_is_named_within_a_second(tmp_path, protocol):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        start = time.monotonic()
        with pytest.raises(PortInUseError, match=f"Port {port} of 127.0.0.1 is in use"):
            serve({"m": tmp_path}, "127.0.0.1", replace(Ports(0, 0), **{protocol: port}), print)
    assert time.monotonic() - start < 1


def test_address_of_another_machine_is_named():
    with pytest.raises(UnavailableError, match="Cannot listen on port 0 of 192.0.2.1"):
        serve({}, "192.0.2.1", Ports(0), print)


def test_fault_28_no_good_version_is_an_error_at_the_start(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"\xff")
    with pytest.raises(UnavailableError, match="No model could be loaded: version 1 of m: .*is not a SavedModel"):
        serve({"m": tmp_path}, "127.0.0.1", Ports(0), print)
