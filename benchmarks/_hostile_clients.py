"""Clients that send what is hostile, and judge what comes back."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import grpc
import httpx
import orjson
import requests
from _hostile_messages import Call
from _hostile_sockets import Conversation

TIMEOUTS_S = 1.0
"""What the server itself may wait for the rest of a request (hostile.SETTINGS), headers and body."""
LEAK = "see the server's log"
SHOWN_BYTES = 300
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
_OFFERED = {501, 503, 505}
"""Server errors that say what they mean: not offered, not now, not this HTTP."""
_FAULTS = ("hang", "unmapped", "wrong", "no answer")


class Outcome(NamedTuple):
    """What became of a request: `verdict` is a class of status, or a fault of the server with its words."""

    kind: str
    verdict: str
    words: str = ""

    @property
    def is_fault(self) -> bool:
        return self.verdict in _FAULTS


class Clients:
    """Ways to ask one server. Safe to use from several threads."""

    def __init__(self, url: str, grpc_port: int, hang_s: float) -> None:
        self.url = url
        self._address = (urlsplit(url).hostname, urlsplit(url).port)
        self._hang_s = hang_s
        self._own = threading.local()
        self._channel = grpc.insecure_channel(f"127.0.0.1:{grpc_port}")

    def ask_right(self, path: str, body: Any, answer: Any) -> Outcome:
        """Send a request that must be answered, and how."""
        outcome, response = self._post("right", path, orjson.dumps(body))
        if response is not None and response.status_code == 200 and response.json() == answer:
            return outcome
        words = response.text[:SHOWN_BYTES] if response is not None else outcome.words
        return Outcome("right", "wrong", f"{outcome.verdict}: {words}")

    def send_body(self, path: str, body: bytes) -> Outcome:
        return self._post("body", path, body)[0]

    def _post(self, kind: str, path: str, body: bytes) -> tuple[Outcome, httpx.Response | None]:
        if not hasattr(self._own, "http"):
            self._own.http = httpx.Client(base_url=self.url, timeout=self._hang_s)
        try:
            response = self._own.http.post(path, content=body)
        except httpx.TimeoutException:
            return Outcome(kind, "hang", repr(body[:SHOWN_BYTES])), None
        except httpx.TransportError as error:
            return Outcome(kind, "no answer", f"{error!r} for {body[:SHOWN_BYTES]!r}"), None
        return judge(kind, response.status_code, response.content, body), response

    def send_case(self, case: Any) -> Outcome:
        """Send a request of schemathesis."""
        if not hasattr(self._own, "requests"):
            self._own.requests = requests.Session()
        sent = f"{case.method} {case.formatted_path} {case.body!r}"[:SHOWN_BYTES]
        try:
            response = case.call(base_url=self.url, session=self._own.requests, timeout=self._hang_s)
        except requests.Timeout:
            return Outcome("document", "hang", sent)
        except (requests.RequestException, ValueError) as error:
            # what the client library itself refuses to send is no fault of the server
            refused = not isinstance(error, requests.ConnectionError)
            return Outcome("document", "not sent" if refused else "no answer", f"{error!r} for {sent}")
        return judge("document", response.status_code, response.content, sent.encode())

    def call(self, call: Call) -> Outcome:
        """Send a gRPC message."""
        try:
            self._channel.unary_unary(call.method)(call.message, timeout=self._hang_s)
        except grpc.RpcError as error:
            code, details = error.code(), error.details() or ""
            words = f"{code.name} {details[:SHOWN_BYTES]!r} for {call.method} {call.message[:SHOWN_BYTES]!r}"
            if code is grpc.StatusCode.DEADLINE_EXCEEDED:
                return Outcome("gRPC", "hang", words)
            if code is grpc.StatusCode.UNAVAILABLE:
                return Outcome("gRPC", "no answer", words)
            lost = LEAK in details or (not details and code in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL))
            return Outcome("gRPC", "unmapped" if lost else code.name, words)
        return Outcome("gRPC", "answered")

    def converse(self, conversation: Conversation) -> Outcome:
        """Send bytes on a connection of its own, and read until it is closed."""
        sent = repr(b"".join(conversation.pieces)[:SHOWN_BYTES])
        with socket.create_connection(self._address, timeout=TIMEOUTS_S + self._hang_s) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            is_whole = _send(connection, conversation)
            if conversation.leaves:
                return Outcome("socket", "left")
            received, is_closed = _receive(connection, time.monotonic() + TIMEOUTS_S + self._hang_s)
        statuses = [int(status) for status in _STATUS.findall(received)]
        if not is_closed and not statuses:
            return Outcome("socket", "hang", sent)
        if not statuses:
            # reset while it still sent: the answer went before it could be read
            return Outcome("socket", "closed" if is_whole else "reset")
        body = received.rpartition(b"\r\n\r\n")[2]
        return judge("socket", max(statuses), body if statuses[-1] == max(statuses) else b"{}", sent.encode())


def judge(kind: str, status: int, body: bytes, sent: bytes) -> Outcome:
    """Tell whether an answer says what was wrong; `{"error": ...}` is TensorFlow Serving's form."""
    words = f"{status} {body[:SHOWN_BYTES]!r} for {sent[:SHOWN_BYTES]!r}"
    if status >= 500 and status not in _OFFERED and (LEAK.encode() in body or not _has_message(body)):
        return Outcome(kind, "unmapped", words)
    return Outcome(kind, f"{status // 100}xx", words)


def _has_message(body: bytes) -> bool:
    try:
        said = json.loads(body)
    except ValueError:
        return False
    return isinstance(said, dict) and isinstance(said.get("error"), str) and bool(said["error"])


def _send(connection: socket.socket, conversation: Conversation) -> bool:
    """Return whether all was sent; the server may have had enough before."""
    try:
        for piece in conversation.pieces:
            connection.sendall(piece)
        if conversation.ends:
            connection.shutdown(socket.SHUT_WR)
    except OSError:
        return False
    return True


def _receive(connection: socket.socket, until: float) -> tuple[bytes, bool]:
    """Return what came, and whether the server has closed the connection."""
    received = b""
    try:
        while (left := until - time.monotonic()) > 0:
            connection.settimeout(left)
            piece = connection.recv(65_536)
            if not piece:
                return received, True
            received += piece
    except TimeoutError:
        return received, False
    except OSError:
        return received, True
    return received, False
