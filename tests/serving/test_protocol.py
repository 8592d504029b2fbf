"""What a connection may cost: bytes given to the protocol, and what it writes to a transport that is none."""

from __future__ import annotations

import asyncio

import pytest
import uvicorn
from uvicorn.server import ServerState

from serving.server.protocol import LimitedProtocol, create_protocol
from serving.server.settings import Limits

LIMITS = Limits(headers=10, header_kb=1, header_timeout_s=0.02, body_timeout_s=0.05)


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self):
        super().__init__()
        self.written = b""
        self.closed = self.ended = False

    def write(self, data):
        self.written += data

    def write_eof(self):
        self.ended = True

    def can_write_eof(self):
        return True

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed

    def pause_reading(self): ...

    def resume_reading(self): ...


async def answer(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def answer_early(scope, receive, send):
    await send({"type": "http.response.start", "status": 400, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"no"})


def converse(*pieces, limits=LIMITS, most_connections=5, others=0, application=answer):
    """What a connection looks like after these pieces; a number is a time to wait in seconds."""

    async def run():
        state = ServerState()
        state.connections |= {Other() for _ in range(others)}
        config = uvicorn.Config(application, log_config=None)
        protocol = LimitedProtocol(config, state, {}, limits=limits, most_connections=most_connections)
        transport = Transport()
        protocol.connection_made(transport)
        for piece in pieces:
            if isinstance(piece, bytes):
                protocol.data_received(piece)
                await asyncio.sleep(0)
            else:
                await asyncio.sleep(piece)
        await asyncio.sleep(0.005)
        was_closed = transport.closed
        protocol.connection_lost(None)
        transport.closed = was_closed
        return transport

    return asyncio.run(run())


class Other:
    """A connection of somebody else."""


GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_request_is_answered_and_the_connection_stays():
    transport = converse(GET, 0.03, GET)
    assert transport.written.count(b"200 OK") == 2
    assert not transport.closed


def test_request_in_pieces_is_answered():
    assert b"200 OK" in converse(GET[:9], GET[9:20], GET[20:]).written


@pytest.mark.parametrize("pieces", [[], [b"GET / HTT"], [GET, b"GET / HTTP/1.1\r\nHost"]])
def test_slow_headers_are_refused(pieces):
    transport = converse(*pieces, 0.05)
    assert b"408 Request Timeout" in transport.written
    assert b"did not arrive within 0.02 s" in transport.written
    assert transport.ended


@pytest.mark.parametrize("size", [1, 700, 100_000])
def test_too_many_headers_are_refused(size):
    flood = b"GET / HTTP/1.1\r\n" + b"".join(b"h%d: x\r\n" % number for number in range(10_000)) + b"\r\n"
    pieces = [flood[start : start + size] for start in range(0, min(len(flood), 2_000 if size < 9 else 10**9), size)]
    transport = converse(*pieces)
    assert transport.written.count(b"431 Request Header Fields Too Large") == 1
    assert b"200 OK" not in transport.written


@pytest.mark.parametrize("line", [b"GET /%s HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nh: %s\r\n\r\n"])
def test_large_headers_are_refused(line):
    assert b"431 Request" in converse(line % (b"x" * 2000)).written
    assert b"200 OK" in converse(line % (b"x" * 900)).written


@pytest.mark.parametrize(
    "endless", [b"0\r\n" + b"t: x\r\n" * 200, b"0\r\nt: " + b"x" * 2000, b"5;" + b"x" * 2000], ids=str
)
def test_what_chunks_carry_beside_data_is_refused(endless):
    pieces = [endless[start : start + 500] for start in range(0, len(endless), 500)]
    transport = converse(POST, *pieces)
    assert b"431 Request" in transport.written
    assert transport.ended


def test_many_small_chunks_are_data():
    assert b"200 OK" in converse(POST, *[b"1\r\nx\r\n" * 50] * 40, b"0\r\n\r\n").written


@pytest.mark.parametrize(
    "wrong",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        POST + b"zz\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_http_is_400(wrong):
    transport = converse(wrong)
    assert transport.written.startswith(b"HTTP/1.1 400 Bad Request")
    assert transport.ended


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("wrong", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"h: x\r\n" * 100])
def test_requests_before_what_is_refused_are_answered_first(count, wrong):
    transport = converse(GET * count + wrong, 0.01)
    assert transport.written.count(b"200 OK") == count
    assert transport.written.rindex(b"200 OK") < transport.written.index(b" 4")
    assert transport.ended


def test_one_connection_too_many_is_told_so():
    assert b"503 Service Unavailable" in converse(GET, others=5).written
    assert b"200 OK" in converse(GET, others=4).written


def test_rest_of_a_body_that_was_answered_is_not_read_for_ever():
    transport = converse(POST, 0.01, b"1\r\nx\r\n", 0.08, application=answer_early)
    assert b"400 Bad Request" in transport.written
    assert transport.closed


def test_connections_leave_file_descriptors_for_others(monkeypatch):
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 4096))
    assert create_protocol(Limits()).keywords["most_connections"] == 896
    assert create_protocol(Limits(connections=10)).keywords["most_connections"] == 10
