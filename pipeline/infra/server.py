"""A model server as a process: the embedded one, or TensorFlow Serving's binary where there is one."""

import contextlib
import json
import os
import selectors
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import httpx

from pipeline.errors import RunError

BINARY = "tensorflow_model_server"
START_TIMEOUT_S = 60.0
LOAD_TIMEOUT_S = 120.0
POLL_S = 0.05
LOG_CHARACTERS = 500
ANY_PORT = ("127.0.0.1", 0)
BOUND = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); os.execvp(sys.argv[1], sys.argv[1:])"
"""Lets Linux kill the process as soon as the one that started it ends, even by kill -9; then it is the server."""


class UnservableError(Exception):
    """The model is at fault: the message says how."""


class Server(NamedTuple):
    """A running server.

    Attributes:
        url: its REST address.
        grpc: its gRPC address, `host:port`.
        process: the process that loads models.
        log: what it writes to standard error.
        is_binary: whether it is TensorFlow Serving's own.
    """

    url: str
    grpc: str
    process: "subprocess.Popen[str]"
    log: Path
    is_binary: bool

    def last_words(self) -> str:
        """Return how the process ended and the end of its log."""
        text = self.log.read_text("utf-8", "replace").strip()[-LOG_CHARACTERS:]
        return f"the server ended with {self.process.poll()}: {text}"


@contextlib.contextmanager
def start_server(base: Path, name: str, binary: str | None = None) -> Iterator[Server]:
    """Run a server on the versions below `base`; stop it in the end.

    `penstock serve` answers when this yields; TensorFlow Serving's `binary` does once it has loaded a version.

    Raises:
        RunError: it does not start, or not in time.
    """
    with TemporaryDirectory(prefix="penstock-server-") as folder:
        log = Path(folder, "log")
        command, url, grpc = _binary_command(binary, base, name) if binary else (_command(base, name), "", "")
        if sys.platform == "linux":
            command = [sys.executable, "-ISc", BOUND, *map(str, command)]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0" if binary else "2"}
        with (
            log.open("w") as stream,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stream, text=True, env=environment) as process,
        ):
            started = Server(url, grpc, process, log, is_binary=bool(binary))
            try:
                yield started if binary else _with_addresses(started)
            finally:
                # it has nothing to finish, and a second to say farewell would be a fifth of the whole test
                process.kill()


def _command(base: Path, name: str) -> list[str]:
    options = ["--name", name, "--port", "0", "--grpc-port", "0", "--poll", str(POLL_S), "--json"]
    return [sys.executable, "-m", "pipeline.cli", "serve", str(base), *options]


def _binary_command(binary: str, base: Path, name: str) -> tuple[list[str], str, str]:
    """Return the command and the addresses of REST and gRPC; no port means "take any" to TensorFlow Serving.

    Raises:
        RunError: the binary does not even tell its version.
    """
    try:
        subprocess.run([binary, "--version"], capture_output=True, check=True, timeout=START_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise RunError(f"{binary} does not run: {error}") from error
    rest, grpc = _free_ports(2)
    flags = {"model_name": name, "model_base_path": base, "rest_api_port": rest, "port": grpc}
    flags |= {"max_num_load_retries": 0, "file_system_poll_wait_seconds": 1}
    command = [binary, *(f"--{flag}={value}" for flag, value in flags.items())]
    return command, f"http://127.0.0.1:{rest}", f"127.0.0.1:{grpc}"


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(ANY_PORT)) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def _with_addresses(server: Server) -> Server:
    """Return the server with the addresses that `penstock serve --json` prints when it answers."""
    with selectors.DefaultSelector() as selector:
        stdout = server.process.stdout
        assert stdout is not None
        selector.register(stdout, selectors.EVENT_READ)
        if not selector.select(START_TIMEOUT_S):
            raise RunError(f"the server did not start within {START_TIMEOUT_S:g} s")
        ready = stdout.readline()
    if not ready:
        server.process.wait(START_TIMEOUT_S)
        raise RunError(f"the server did not start: {server.last_words()}")
    said = json.loads(ready)
    return server._replace(url=said["url"], grpc=said["grpc"])


def load(server: Server, model: Path, base: Path, name: str) -> None:
    """Copy the SavedModel `model` to the server's empty `base` and wait until it is loaded.

    Raises:
        UnservableError: the server tells why it does not load, or it ended over it.
        RunError: it did neither in time, or it ended before it came to that.
    """
    staging = base / ".candidate"
    shutil.copytree(model, staging)
    staging.rename(base / "1")
    deadline = time.monotonic() + LOAD_TIMEOUT_S
    while time.monotonic() < deadline:
        ended = server.process.poll() is not None
        if ended:
            raise _explain_end(server, name)
        if _is_loaded(f"{server.url}/v1/models/{name}", base / "1"):
            return
        time.sleep(POLL_S)
    raise RunError(f"the server did not load the model within {LOAD_TIMEOUT_S:g} s: {server.last_words()}")


def _explain_end(server: Server, name: str) -> Exception:
    """Return the error for a server that ended: only one that came to the model says something of the model."""
    if server.is_binary and f"name: {name}" not in server.log.read_text("utf-8", "replace"):
        return RunError(f"the server did not start: {server.last_words()}")
    return UnservableError(f"does not load: {server.last_words()}")


def _is_loaded(url: str, version: Path) -> bool:
    """Whether the status endpoint at `url` tells that a version is available; what failed raises."""
    try:
        statuses = httpx.get(url, trust_env=False).json().get("model_version_status", [])
    except (httpx.TransportError, ValueError):
        return False
    for status in statuses:
        if status["state"] == "END":
            reason = str(status["status"]["error_message"])
            raise UnservableError(f"does not load: {reason.replace(f'{version}/', '')}")
    return any(status["state"] == "AVAILABLE" for status in statuses)
