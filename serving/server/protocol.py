"""uvicorn's HTTP protocol with limits on what a connection may cost before its request reaches the application."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.server.settings import Limits

_LINGER_S = 1.0
_SPARE_FILES = 128
"""File descriptors that are not for connections: versions that are loaded, logs, gRPC."""


class LimitedProtocol(HttpToolsProtocol):
    """Refuses too many connections, and headers that are too large, too many or too slow.

    A request that arrives in one piece, as nearly all do, costs no timer.
    """

    def __init__(self, *args: Any, limits: Limits, most_connections: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self._limits = limits
        self._most_connections = most_connections
        self._timer: asyncio.TimerHandle | None = None
        self._reads_headers = False
        self._is_refused = False
        self._refusal: tuple[int, str] | None = None
        """To be sent once the requests before it are answered."""
        self._packet_bytes = 0
        self._idle_bytes = 0
        """Received since there last was a piece of a body: headers, or what chunks carry beside their data."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time for headers (asyncio)."""
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn's is narrower
        if len(self.connections) > self._most_connections:
            self._refuse(503, f"More than {self._most_connections} connections; try again later")
        else:
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the time (asyncio)."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read a piece, and refuse it if what it belongs to is above a limit (asyncio)."""
        if self._is_refused:
            return
        self._packet_bytes = len(data)
        self._idle_bytes += len(data)
        super().data_received(data)
        if self._is_refused or self.transport.is_closing():
            return
        if self._idle_bytes > self._limits.header_bytes or len(self.headers or ()) > self._limits.headers:
            self._refuse_headers()
        elif self._reads_headers and self._timer is None:
            self._start_timer()

    def on_message_begin(self) -> None:
        """The first byte of a request (httptools)."""
        super().on_message_begin()
        self._stop_timer()
        self._reads_headers = True
        self._idle_bytes = 0

    def on_headers_complete(self) -> None:
        """The last header (httptools)."""
        self._reads_headers = False
        self._idle_bytes = 0
        self._stop_timer()
        if self._has_too_large_headers():
            # httptools stops parsing at any exception, and uvicorn calls `send_400_response`.
            raise ValueError
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of a body (httptools)."""
        super().on_body(body)
        self._idle_bytes = 0

    def on_response_complete(self) -> None:
        """Do not wait for ever for the rest of a body that was answered before it had come (uvicorn)."""
        is_early = self.cycle.more_body and not self.pipeline
        super().on_response_complete()
        if self._refusal and self.cycle.response_complete:
            self._send_refusal(*self._refusal)
        elif is_early:
            self._timer = self.loop.call_later(self._limits.body_timeout_s, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or more of it than allowed (uvicorn)."""
        if self.headers is not None and self._has_too_large_headers():
            self._refuse_headers()
        else:
            self._refuse(400, msg)

    def _has_too_large_headers(self) -> bool:
        if len(self.headers) > self._limits.headers:
            return True
        # Only a large piece can hold too much: smaller ones were counted as they came.
        if self._packet_bytes <= self._limits.header_bytes:
            return False
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        return size > self._limits.header_bytes

    def _refuse_headers(self) -> None:
        limits = self._limits
        self._refuse(431, f"The headers are above the limit of {limits.headers} headers and {limits.header_kb} KB")

    def _refuse(self, status: int, message: str) -> None:
        self._stop_timer()
        self._is_refused = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and (self.pipeline or not cycle.more_body):
            self._refusal = status, message
        else:
            self._send_refusal(status, message)

    def _send_refusal(self, status: int, message: str) -> None:
        cycle = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            body = orjson.dumps({"error": message})
            head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            self.transport.write(STATUS_LINE[status] + head + body)
        if cycle is not None:
            # the application does not wait for the rest of the body, nor may it answer any more
            cycle.disconnected = True
            cycle.message_event.set()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        # Closed at once, with bytes unread, the system would reset the connection, and the answer might be lost.
        self._timer = self.loop.call_later(_LINGER_S, self.transport.close)

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self._limits.header_timeout_s, self._time_out)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_out(self) -> None:
        self._refuse(408, f"The headers did not arrive within {self._limits.header_timeout_s:g} s")


def create_protocol(limits: Limits) -> Callable[..., asyncio.Protocol]:
    """What `uvicorn.Config(http=...)` takes: makes the protocol of one connection."""
    open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = open_files == resource.RLIM_INFINITY
    most = limits.connections if unlimited else min(limits.connections, max(open_files - _SPARE_FILES, 1))
    return partial(LimitedProtocol, limits=limits, most_connections=most)
