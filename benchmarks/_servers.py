"""The servers that benchmarks/serving.py compares: how each is started, and in what form it is asked."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
from _measure import PENSTOCK, ROOT

NAME = "flights"
START_S = 120
HERE = Path(__file__).parent
Rows = Sequence[Mapping[str, Any]]


@dataclass
class Server:
    """One that runs.

    Attributes:
        path: where it answers over HTTP.
        process: for its memory.
        grpc: its gRPC port, if it has one.
        start_s: from its start to its first answer.
    """

    port: int
    path: str
    process: subprocess.Popen[bytes]
    grpc: int | None = None
    start_s: float = 0.0

    def body(self, rows: Rows) -> bytes:
        """The rows as this server takes them."""
        return (write_v2(rows) if "/v2/" in self.path else json.dumps({"instances": rows})).encode()

    @property
    def rss_mb(self) -> int:
        """Resident memory of it and of its children."""
        children = subprocess.run(["ps", "-o", "rss=", "--ppid", str(self.process.pid)], capture_output=True, text=True)
        own = subprocess.run(["ps", "-o", "rss=", "-p", str(self.process.pid)], capture_output=True, text=True)
        return sum(map(int, (own.stdout + children.stdout).split())) // 1024


def write_v2(rows: Rows) -> str:
    """Rows in the V2 inference protocol's columns."""
    inputs = []
    for name in rows[0]:
        data = [row[name] for row in rows]
        kind = "BYTES" if isinstance(data[0], str) else "FP64"
        inputs.append({"name": name, "shape": [len(data)], "datatype": kind, "data": data})
    return json.dumps({"inputs": inputs})


@contextmanager
def penstock(base: Path, row: Rows) -> Iterator[Server]:
    """Ours."""
    port, grpc = free_port(), free_port()
    command = [PENSTOCK, "serve", str(base), "--name", NAME, "--port", str(port), "--grpc-port", str(grpc)]
    with started(command, port, f"/v1/models/{NAME}:predict", row, grpc) as server:
        yield server


@contextmanager
def starlette(base: Path, row: Rows) -> Iterator[Server]:
    """What people write first."""
    port = free_port()
    command = [sys.executable, str(HERE / "_starlette_server.py"), str(port), str(newest(base))]
    with started(command, port, f"/v1/models/{NAME}:predict", row) as server:
        yield server


@contextmanager
def bentoml(base: Path, row: Rows) -> Iterator[Server]:
    """BentoML, in an environment of its own."""
    port, python = free_port(), make_environment("bentoml")
    command = [str(python.with_name("bentoml")), "serve", "_bento_server:Flights", "--port", str(port)]
    command += ["--working-dir", str(HERE)]
    with started(command, port, f"/v1/models/{NAME}:predict", row, environment=model_of(base)) as server:
        yield server


@contextmanager
def mlserver(base: Path, row: Rows) -> Iterator[Server]:
    """MLServer, in an environment of its own; the model in its main process."""
    port, python = free_port(), make_environment("mlserver")
    with tempfile.TemporaryDirectory() as folder:
        model = {"name": NAME, "implementation": "_mlserver_model.Flights"}
        Path(folder, "model-settings.json").write_text(json.dumps(model))
        ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
        Path(folder, "settings.json").write_text(json.dumps({**ports, "parallel_workers": 0, "debug": False}))
        command = [str(python.with_name("mlserver")), "start", folder]
        environment = {**model_of(base), "PYTHONPATH": str(HERE)}
        with started(command, port, f"/v2/models/{NAME}/infer", row, environment=environment) as server:
            yield server


PEERS = {"starlette + uvicorn": starlette, "BentoML": bentoml, "MLServer": mlserver}


@contextmanager
def started(
    command: Sequence[str],
    port: int,
    path: str,
    row: Rows,
    grpc: int | None = None,
    *,
    environment: Mapping[str, str] = {},
) -> Iterator[Server]:
    """Run a server until its first answer to `row`, then for the caller.

    Raises:
        SystemExit: it ends, or does not answer in time; with the end of what it said.
    """
    with tempfile.TemporaryFile() as said:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=said, stderr=said, cwd=ROOT, env={**os.environ, **environment})
        server = Server(port, path, process, grpc)
        try:
            while not answers(server, row):
                if process.poll() is not None or time.monotonic() - began > START_S:
                    said.seek(0)
                    sys.exit(f"{command[:3]} does not answer:\n{said.read().decode(errors='replace')[-3000:]}")
                time.sleep(0.02)
            server.start_s = time.monotonic() - began
            yield server
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def answers(server: Server, row: Rows) -> bool:
    """Whether the server answers one row."""
    try:
        return httpx.post(f"http://127.0.0.1:{server.port}{server.path}", content=server.body(row)).status_code == 200
    except httpx.TransportError:
        return False


def make_environment(package: str) -> Path:
    """The Python of an environment with a peer and our TensorFlow, made once in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "penstock", "peers", package)
    python, uv = cache / "bin" / "python", str(Path(sys.executable).with_name("uv"))
    if not (cache / "done").exists():
        subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, str(cache)], check=True)
        wanted = [package, f"tensorflow=={version('tensorflow')}"]
        subprocess.run([uv, "pip", "install", "-q", "--python", str(python), *wanted], check=True)
        (cache / "done").touch()
    return python


def model_of(base: Path) -> dict[str, str]:
    """The environment variable that tells a peer its model."""
    return {"SAVED_MODEL": str(newest(base)), "TF_CPP_MIN_LOG_LEVEL": "2", "BENTOML_DO_NOT_TRACK": "true"}


def newest(base: Path) -> Path:
    """The newest version's folder."""
    return max((path for path in base.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))


def free_port() -> int:
    """A TCP port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
