"""Bodies within the limits: received, inflated, and no deeper than allowed."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

import numpy as np
from starlette.requests import ClientDisconnect

from serving.errors import BodyTimeoutError, InvalidArgumentError, PayloadTooLargeError
from serving.server.settings import Limits

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_NO_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"\\'))
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_STEPS = np.zeros(256, np.int8)
_STEPS[list(b"[{")] = 1
_STEPS[list(b"]}")] = -1


async def read_body(receive: Receive, content_length: bytes, limits: Limits) -> bytes:
    """The body as sent, refused at the first chunk above the limit.

    Args:
        receive: ASGI's.
        content_length: the header, empty without one.
        limits: of size and time.

    Raises:
        PayloadTooLargeError: it is too large, or says that it will be.
        BodyTimeoutError: it did not arrive in time.
        ClientDisconnect: the client went away.
    """
    # No more than 19 digits, for Python refuses to convert thousands.
    if content_length.isdigit() and int(content_length[:19]) > limits.body_bytes:
        raise _too_large(limits)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_timeout_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunk = message.get("body", b"")
                if len(body) + len(chunk) > limits.body_bytes:
                    raise _too_large(limits)
                body += chunk
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError as error:
        raise BodyTimeoutError(f"The body did not arrive within {limits.body_timeout_s:g} s") from error


def inflate(body: bytes, limits: Limits) -> bytes:
    """Undo gzip.

    Raises:
        PayloadTooLargeError: the inflated body is too large.
        InvalidArgumentError: the body is not gzip, or is cut short.
    """
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        inflated = inflater.decompress(body, limits.body_bytes)
    except zlib.error as error:
        raise InvalidArgumentError(f"Failed to inflate the gzip body: {error}") from error
    if inflater.unconsumed_tail:
        raise PayloadTooLargeError(f"The inflated body is above the limit of {limits.body_bytes} bytes")
    if not inflater.eof:
        raise InvalidArgumentError("Failed to inflate the gzip body: it is cut short")
    return inflated


def check_depth(body: bytes, depth: int) -> None:
    """Refuse a JSON body with more than `depth` lists and objects inside each other, before it is parsed.

    Raises:
        InvalidArgumentError: it is deeper.
    """
    # what is left: brackets, quotes and escapes; then brackets alone
    brackets = _STRING.sub(b"", body.translate(None, _NO_STRUCTURE))
    deepest = np.cumsum(_STEPS[np.frombuffer(brackets, np.uint8)], dtype=np.int64).max(initial=0)
    if deepest > depth:
        raise InvalidArgumentError(
            f"JSON Parse error: The document is nested {deepest} deep, above the limit of {depth}"
        )


def _too_large(limits: Limits) -> PayloadTooLargeError:
    return PayloadTooLargeError(f"The body is above the limit of {limits.body_bytes} bytes")
