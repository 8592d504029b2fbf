"""What hostile clients send on a connection to the REST port. Strategies of hypothesis."""

from __future__ import annotations

import gzip
import json
from typing import NamedTuple

from _hostile_bodies import Target
from hypothesis import strategies as st

_CRLF = b"\r\n"
_BOMB_BYTES = 40 * 2**20
"""Inflated: more than the server that is asked allows (hostile.py)."""


class Conversation(NamedTuple):
    """What is sent on one connection.

    Attributes:
        pieces: sent one after the other.
        ends: whether nothing more is sent afterwards (the connection is half closed).
        leaves: whether the client goes away without waiting for an answer.
    """

    pieces: list[bytes]
    ends: bool = False
    leaves: bool = False


def conversations(target: Target) -> st.SearchStrategy[Conversation]:
    """Return what is sent on a connection to the REST port."""
    body = json.dumps(target.body).encode()
    post = f"POST {target.path} HTTP/1.1\r\nHost: x\r\n".encode()
    whole = post + b"Content-Length: %d\r\n" % len(body)
    last = whole + b"Connection: close\r\n\r\n" + body
    return st.one_of(
        _lengths(post, body),
        _chunks(post, body),
        _compressed(post, body),
        _headers(whole, body),
        _request_lines(target, body),
        st.integers(1, 60).map(lambda count: Conversation([(whole + b"\r\n" + body) * count + last])),
        st.binary(min_size=1, max_size=300).map(lambda noise: Conversation([noise], ends=True)),
        st.binary(min_size=1, max_size=50).map(lambda noise: Conversation([last, noise])),
        st.integers(1, len(last)).map(lambda size: Conversation([last[:size]], ends=True)),
        st.integers(1, len(last)).map(lambda size: Conversation([last[:size]], leaves=True)),
        st.integers(1, 40).map(lambda size: Conversation(_cut(last, size))),
    )


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def _lengths(post: bytes, body: bytes) -> st.SearchStrategy[Conversation]:
    lengths = st.sampled_from(
        [
            b"-1",
            b"+5",
            b"1e3",
            b"0x10",
            b"",
            b" ",
            b"5 5",
            b"5,5",
            b"9" * 30,
            b"99999999999",
            b"0",
            b"1",
            b"\xb2",
            b"1\x00",
            b"%d" % (len(body) - 1),
            b"%d" % (len(body) + 1),
            b"%d" % len(body) + _CRLF + b"Content-Length: 1",
        ]
    )
    extra = st.sampled_from([b"", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity, chunked\r\n"])
    return st.builds(
        lambda length, more, ends: Conversation(
            [post + b"Content-Length: " + length + _CRLF + more + b"Connection: close\r\n\r\n", body], ends=ends
        ),
        lengths,
        extra,
        st.booleans(),
    )


def _chunks(post: bytes, body: bytes) -> st.SearchStrategy[Conversation]:
    head = post + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    sizes = st.sampled_from([b"zz", b"-1", b"", b"ffffffffffffffff", b"1" * 40, b"5;x=y", b"5;" + b"x" * 70_000, b"5 "])
    wrong = sizes.map(lambda size: Conversation([head + size + _CRLF + body + b"\r\n0\r\n\r\n"], ends=True))
    endless = st.sampled_from([b"1\r\n \r\n" * 20_000, b"fff\r\n" + b" " * 4095 + _CRLF])
    forever = st.builds(lambda piece, count: Conversation([head, *[piece] * count]), endless, st.integers(2, 40))
    right = b"%x\r\n" % len(body) + body + b"\r\n0\r\n"
    tails = st.sampled_from(
        [b"\r\n", b"Trailer: 1\r\n\r\n", b"Content-Length: 5\r\n\r\n", b"x" * 1000 + b"\r\n\r\n", b""]
    )
    return st.one_of(wrong, forever, tails.map(lambda tail: Conversation([head + right + tail], ends=not tail)))


def _compressed(post: bytes, body: bytes) -> st.SearchStrategy[Conversation]:
    packed = gzip.compress(body, mtime=0)
    bomb = gzip.compress(b" " * _BOMB_BYTES, mtime=0)
    payloads = st.one_of(
        st.sampled_from([packed, bomb, body, b"", gzip.compress(packed, mtime=0), packed + packed, packed + b"more"]),
        st.sampled_from([gzip.compress(b'{"instances":' + b"[" * 100_000, mtime=0), packed[:10] + b"\xff" * 100]),
        st.integers(1, len(packed) - 1).map(lambda size: packed[:size]),
        st.builds(lambda at: packed[:at] + b"\x00" + packed[at + 1 :], st.integers(0, len(packed) - 1)),
    )
    encodings = st.sampled_from([b"gzip", b"GZIP", b"gzip", b"gzip, gzip", b"deflate", b"br", b"identity", b"\xff"])
    return st.builds(
        lambda payload, encoding: Conversation(
            [
                post
                + b"Content-Encoding: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (encoding, len(payload)),
                payload,
            ]
        ),
        payloads,
        encodings,
    )


def _headers(whole: bytes, body: bytes) -> st.SearchStrategy[Conversation]:
    tricks = st.one_of(
        st.sampled_from(
            [
                b"h: x\r\n" * 10000,
                b"h: " + b"x" * 200000 + _CRLF,
                b"x" * 70000 + b": 1\r\n",
                b"h : 1\r\n",
                b": 1\r\n",
                b" folded\r\n",
                b"h: 1\r\n folded\r\n",
                b"h: \x00\r\n",
                b"h: \xff\r\n",
                b"no colon\r\n",
                b"h: 1\n",
                b"h: 1\r",
                b"Expect: 100-continue\r\n",
                b"Expect: nothing\r\n",
                b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
                b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
                b"Host: y\r\n",
                b"Transfer-Encoding: gzip\r\n",
                b"Connection: keep-alive, close, upgrade\r\n",
                b"Authorization: Bearer \xff\r\n",
                b"Cookie: " + b"a=b;" * 9000,
            ]
        ),
        st.binary(max_size=60).map(lambda noise: noise + _CRLF),
    )
    return tricks.map(lambda trick: Conversation([whole + trick + b"Connection: close\r\n\r\n", body], ends=True))


def _request_lines(target: Target, body: bytes) -> st.SearchStrategy[Conversation]:
    methods = st.sampled_from(
        [b"POST", b"GET", b"post", b"PUT", b"DELETE", b"TRACE", b"CONNECT", b"PRI", b"X" * 9000, b""]
    )
    model = target.model.encode()
    paths = st.one_of(
        st.sampled_from(
            [
                target.path.encode(),
                b"/v1/models/%ff:predict",
                b"/v1/models/" + model + b"/versions/" + b"9" * 5000,
                b"/v1/models/" + model + b"/labels/%00%0d%0a:predict",
                b"*",
                b"http://other/v1/models",
                b"//v1",
                b"/v1/../v1",
                b"/v1/models/" + b"a" * 60000,
                b"/v1/models/" + model + b"/metadata",
                b"/\xff\xfe",
                b"/v1/models/\xc3",
                b"?",
                b"/metrics",
                b"/docs",
                b"/models",
                b"/openapi.json",
                b"/readyz",
                b"/v1/models/%2e%2e%2f:predict",
                b"",
            ]
        ),
        st.text(max_size=20).map(lambda text: b"/v1/models/" + text.encode("utf-8", "surrogatepass")),
    )
    versions = st.sampled_from(
        [b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9.9", b"http/1.1", b""]
    )
    headers = b"\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    return st.builds(
        lambda method, path, version: Conversation([b" ".join((method, path, version)) + headers + body], ends=True),
        methods,
        paths,
        versions,
    )
