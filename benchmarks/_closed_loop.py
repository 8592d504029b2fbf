"""A process that asks a server as fast as it answers, over some connections at once; prints answers/s and latencies.

`_closed_loop.py rest|grpc PORT PATH CLIENTS SECONDS BODY`: each client sends the file BODY (HTTP's body, or a
serialized PredictRequest), waits for the answer, and sends it again.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import uvloop

WARM_S = 1.0
Latencies = list[tuple[float, float]]


class Connection(asyncio.Protocol):
    """One keep-alive connection that sends the same request over and over."""

    def __init__(self, request: bytes, latencies: Latencies) -> None:
        self._request, self._latencies, self._received = request, latencies, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._received, self._started = b"", time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(body) < size:
            return
        now = time.perf_counter()
        self._latencies.append((now, now - self._started))
        self.check(head, body)
        self._send()

    def check(self, head: bytes, body: bytes) -> None:
        """Look at an answer."""
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"the server answered {head + body[:500]!r}")


def write_post(path: str, body: bytes) -> bytes:
    """Return the bytes of an HTTP request."""
    headers = ("Host: localhost", "Content-Type: application/json", f"Content-Length: {len(body)}")
    return "\r\n".join([f"POST {path} HTTP/1.1", *headers, "\r\n"]).encode() + body


async def ask_rest(port: int, path: str, clients: int, seconds: float, body: bytes) -> Latencies:
    latencies: Latencies = []
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Connection(write_post(path, body), latencies), "127.0.0.1", port)
        for _ in range(clients)
    ]
    await asyncio.sleep(seconds)
    for transport, _ in made:
        transport.abort()
    return latencies


async def ask_grpc(port: int, clients: int, seconds: float, request: bytes) -> Latencies:
    import grpc

    latencies: Latencies = []
    end = time.perf_counter() + seconds

    async def ask(call: Callable[[bytes], Awaitable[bytes]]) -> None:
        while (started := time.perf_counter()) < end:
            await call(request)
            now = time.perf_counter()
            latencies.append((now, now - started))

    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        await asyncio.gather(*(ask(call) for _ in range(clients)))
    return latencies


def main() -> None:
    kind, port, path, clients, seconds, body = sys.argv[1:]
    request, began = Path(body).read_bytes(), time.perf_counter()
    asked = (
        ask_rest(int(port), path, int(clients), float(seconds) + WARM_S, request)
        if kind == "rest"
        else ask_grpc(int(port), int(clients), float(seconds) + WARM_S, request)
    )
    latencies = np.array([taken for at, taken in uvloop.run(asked) if at - began > WARM_S])
    print(
        json.dumps(
            {
                "answers_per_s": len(latencies) / float(seconds),
                "p50_ms": float(np.quantile(latencies, 0.5)) * 1e3,
                "p99_ms": float(np.quantile(latencies, 0.99)) * 1e3,
            }
        )
    )


if __name__ == "__main__":
    main()
