"""`penstock serve` as a process of its own: where it answers, and what it holds of memory, files and threads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

from pipeline import cli


class Use(NamedTuple):
    """What a process holds."""

    resident_mb: float
    files: int
    threads: int


class Serving:
    """A running server of one model."""

    def __init__(self, process: subprocess.Popen[str], announced: str) -> None:
        said = json.loads(announced)
        self.process = process
        self.url: str = said["url"]
        self.model: str = said["model"]
        self.port = urlsplit(self.url).port or 0
        self.grpc_port = int(said["grpc"].rpartition(":")[2])

    def measure(self) -> Use:
        """Return what the process holds now."""
        folder = Path("/proc", str(self.process.pid))
        pages = int((folder / "statm").read_text().split()[1])
        files, threads = (len(list((folder / name).iterdir())) for name in ("fd", "task"))
        return Use(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, files, threads)

    def list_states(self) -> dict[int, str]:
        """Return the state of each version that the server knows."""
        statuses = httpx.get(f"{self.url}/v1/models/{self.model}", timeout=30).json()["model_version_status"]
        return {int(status["version"]): status["state"] for status in statuses}

    def wait_for(self, is_so: Callable[[dict[int, str]], bool], timeout_s: float = 30) -> None:
        """Return once the versions are in the states that are waited for."""
        end = time.monotonic() + timeout_s
        while not is_so(states := self.list_states()):
            if time.monotonic() > end:
                sys.exit(f"after {timeout_s} s the versions are {states}")
            time.sleep(0.02)


@contextmanager
def serving(base: Path, *options: str) -> Iterator[Serving]:
    """Run a server over a folder of versions; at the end it must stop by itself when asked to."""
    command = [sys.executable, "-m", cli.__name__, "serve", base, "--port", "0", "--grpc-port", "0", "--json", *options]
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    try:
        announced = process.stdout.readline() if process.stdout else ""
        if not announced:
            sys.exit("the server did not start")
        yield Serving(process, announced)
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=60)
        if code:
            sys.exit(f"the server ended with {code}")
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
