"""The server as a process, with everything switched on: TLS, token, slow and hostile clients, stop."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import duckdb
import httpx
import pytest

pytestmark = pytest.mark.slow

SECRET = "s3cret"
SIGNED = {"authorization": f"Bearer {SECRET}"}
BODY = {"signature_name": "matrix", "instances": [[0, 0]]}
PROGRAM = """
import sys
from pathlib import Path
from serving.server.run import Ports, serve
from serving.server.settings import ServerSettings
settings = ServerSettings.model_validate_json(sys.argv[2])
announce = lambda ports: print(ports.rest, ports.grpc, flush=True)
serve({"m": Path(sys.argv[1])}, "127.0.0.1", Ports(0, 0), announce, settings=settings)
"""


class Server:
    """A process; `url` and `grpc` tell where it answers."""

    def __init__(self, saved_model, folder, settings):
        (folder / "1").symlink_to(saved_model, target_is_directory=True)
        command = [sys.executable, "-c", PROGRAM, str(folder), json.dumps(settings)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port, self.grpc = map(int, self.process.stdout.readline().split())
        self.url = f"http{'s' * ('tls' in settings)}://localhost:{self.port}"

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def resident_mb(self):
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * 4096 / 2**20


@pytest.fixture
def start(saved_model, tmp_path):
    """`start(**settings)`: a running server, killed in the end if it still runs."""
    servers = []

    def make(**settings):
        (tmp_path / "m").mkdir()
        servers.append(Server(saved_model, tmp_path / "m", settings))
        return servers[-1]

    yield make
    for server in servers:
        if server.process.poll() is None:
            server.process.kill()
        server.process.communicate()


def test_tls_and_token_guard_both_apis(start, tmp_path):
    import grpc
    import trustme
    from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
    from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub

    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    for blob in issued.cert_chain_pems:
        blob.write_to_path(tmp_path / "cert.pem", append=True)
    (tmp_path / "token").write_text(SECRET)
    tls = {"certificate": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
    server = start(tls=tls, auth={"token_file": str(tmp_path / "token")})

    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    with httpx.Client(verify=trusted, base_url=server.url) as client:
        assert client.get("/readyz").status_code == 200
        assert client.post("/v1/models/m:predict", json=BODY).status_code == 401
        assert client.post("/v1/models/m:predict", json=BODY, headers=SIGNED).json() == {"predictions": [[0.5]]}
    with pytest.raises(httpx.ConnectError, match="certificate"):
        httpx.get(f"{server.url}/livez")

    credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    request = GetModelStatusRequest()
    request.model_spec.name = "m"
    with grpc.secure_channel(f"localhost:{server.grpc}", credentials) as channel:
        ask = ModelServiceStub(channel).GetModelStatus
        metadata = [("authorization", f"Bearer {SECRET}")]
        assert ask(request, timeout=20, metadata=metadata).model_version_status[0].version == 1
        with pytest.raises(grpc.RpcError) as caught:
            ask(request, timeout=20, metadata=[("authorization", "Bearer wrong")])
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_sigterm_ends_readiness_finishes_what_runs_and_writes_the_log(start, tmp_path):
    server = start(request_log={"folder": str(tmp_path / "log")})
    body = json.dumps(BODY).encode()
    head = f"POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with server.connect() as slow:
        slow.sendall(head + body[:10])
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        # that it takes no new connections says the same
        with suppress(httpx.TransportError):
            assert httpx.get(f"{server.url}/readyz").status_code == 503
        slow.sendall(body[10:])
        with slow.makefile("rb") as answer:
            assert b'{"predictions":[[0.5]]}' in answer.read()
    assert server.process.wait(timeout=30) == 0
    found = duckdb.sql(f"SELECT model, version, signature FROM '{tmp_path / 'log'}/m/*.parquet'").fetchall()
    assert found == [("m", 1, "matrix")]


def test_slow_clients_do_not_hurt_others_and_are_sent_away(start):
    server = start(limits={"header_timeout_s": 2, "body_timeout_s": 2})
    half_header = b"POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\n"
    slow = [server.connect() for _ in range(500)]
    for number, connection in enumerate(slow):
        connection.sendall(half_header if number % 2 else half_header + b"Content-Length: 50\r\n\r\n{")
    with httpx.Client(base_url=server.url, timeout=20) as client:
        statuses = [client.post("/v1/models/m:predict", json=BODY).status_code for _ in range(100)]
    assert statuses == [200] * 100
    assert httpx.get(f"{server.url}/livez").status_code == 200
    for connection in slow:
        with connection, connection.makefile("rb") as answer:
            assert b"408 Request Timeout" in answer.readline()


def test_what_is_sent_without_end_is_refused_in_little_memory(start):
    server = start(limits={"body_mb": 1})
    httpx.post(f"{server.url}/v1/models/m:predict", json=BODY)
    before_mb = server.resident_mb()
    post = b"POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\n"
    endless = {
        b"431": (b"GET / HTTP/1.1\r\n", b"h: x\r\n" * 10_000),
        b"431 ": (post + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"t: x\r\n" * 10_000),
        b"431  ": (b"GET / HTTP/1.1\r\nh: ", b"x" * 60_000),
        b"413": (post + b"Transfer-Encoding: chunked\r\n\r\n", b"fff\r\n" + b" " * 4095 + b"\r\n"),
        b"413 ": (post + b"Content-Length: 99999999999\r\n\r\n", b" " * 60_000),
    }
    with ThreadPoolExecutor(len(endless)) as pool:
        refusals = dict(
            zip(endless, pool.map(lambda given: send_without_end(server, *given), endless.values()), strict=True)
        )
    for expected, refused in refusals.items():
        assert expected.strip() in refused, refusals
    assert server.resident_mb() < before_mb + 30
    assert httpx.post(f"{server.url}/v1/models/m:predict", json=BODY).status_code == 200


def send_without_end(server, head, piece):
    """The status line of the answer; nothing if the connection was reset before it could be read."""
    with server.connect() as connection:
        connection.settimeout(10)
        try:
            connection.sendall(head)
            for _ in range(10_000):
                connection.sendall(piece)
        except OSError:
            pass
        try:
            return connection.recv(100)
        except OSError:
            return b"413 431 reset"
