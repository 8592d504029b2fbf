"""The REST API as an ASGI application: bodies read within limits, errors as status codes.

It is plain ASGI, without a framework's request and response objects: at thousands of requests a second these would
cost as much as the model. What is not under /v1/ goes to another application.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from serving.errors import InternalError, InvalidArgumentError, PayloadTooLargeError, ServingError
from serving.server import json_body
from serving.server.batching import Batcher
from serving.server.beside import create_beside
from serving.server.inference import Exchange, Inference, Observer, Runner
from serving.server.registry import Registry
from serving.server.rest import Rest
from serving.server.settings import Batching
from serving.server.urls import Call, is_api, read_call

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_TIMEOUT_S = 30.0

_logger = logging.getLogger(__name__)

_LARGE_BODY_BYTES = 256 * 1024
"""A body from which on reading takes so long that other requests should not wait for it."""
_JSON = (b"content-type", b"application/json")
_CLIENT_CLOSED_REQUEST = 499


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    status: int
    body: bytes
    closes: bool = False


@dataclass(frozen=True, slots=True)
class RestApplication:
    """TensorFlow Serving's REST API under /v1/, and `beside` for every other path."""

    rest: Rest
    runner: Runner
    observers: Sequence[Observer]
    beside: Application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        target = _read_target(scope) if scope["type"] == "http" else ""
        if not is_api(target):
            await self.beside(scope, receive, send)
            return
        answer = await self._answer(scope, target, receive)
        headers = [_JSON, (b"content-length", str(len(answer.body)).encode())]
        if answer.closes:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, target: str, receive: Receive) -> Answer:
        try:
            call = read_call(scope["method"], target)
            if call.method in ("status", "metadata"):
                return Answer(200, self.rest.describe(call.method, call.query))
            return Answer(200, await self._run(call, scope, receive))
        except ServingError as error:
            return _to_answer(error)
        except ClientDisconnect:
            return Answer(_CLIENT_CLOSED_REQUEST, b"")
        except Exception as error:
            _logger.exception("%s %s could not be answered", scope["method"], target)
            return _to_answer(InternalError(f"{type(error).__name__} while answering; see the server's log"))

    async def _run(self, call: Call, scope: Scope, receive: Receive) -> bytes:
        exchange = Exchange("REST", call.method, call.query)
        started = time.perf_counter()
        try:
            exchange.inference = await self._prepare(call, scope, receive)
            exchange.outputs = await self.runner.run(exchange.inference)
            body: bytes = exchange.inference.write(exchange.outputs)
            return body
        except ServingError as error:
            exchange.code = error.code
            raise
        finally:
            exchange.seconds = time.perf_counter() - started
            for observer in self.observers:
                observer.observe(exchange)

    async def _prepare(self, call: Call, scope: Scope, receive: Receive) -> Inference:
        body = await _read_body(scope, receive)
        is_gzip = _get_header(scope, b"content-encoding").lower() == b"gzip"
        if is_gzip or len(body) > _LARGE_BODY_BYTES:
            return await run_in_threadpool(self._inflate_and_prepare, call, body, is_gzip)
        return self.rest.prepare(call, body)

    def _inflate_and_prepare(self, call: Call, body: bytes, is_gzip: bool) -> Inference:
        return self.rest.prepare(call, json_body.inflate(body) if is_gzip else body)


def _read_target(scope: Scope) -> str:
    """The path as it was sent, with the query."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    return (path + b"?" + query if query else path).decode(errors="replace")


def _get_header(scope: Scope, name: bytes) -> bytes:
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return b""


async def _read_body(scope: Scope, receive: Receive) -> bytes:
    """The body as sent, refused at the first chunk above the limit."""
    declared = _get_header(scope, b"content-length").decode("latin-1")
    if declared.isdecimal() and int(declared[:19]) > json_body.MAX_BODY_BYTES:
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunk = message.get("body", b"")
                if len(body) + len(chunk) > json_body.MAX_BODY_BYTES:
                    raise _too_large()
                body += chunk
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError as error:
        raise InvalidArgumentError(f"The body did not arrive within {BODY_TIMEOUT_S:g} s") from error


def _too_large() -> PayloadTooLargeError:
    return PayloadTooLargeError(f"The body is above the limit of {json_body.MAX_BODY_BYTES} bytes")


def _to_answer(error: ServingError) -> Answer:
    # Messages of TensorFlow may hold bytes that are no UTF-8.
    message = error.message.encode(errors="replace").decode()
    # What is left of a body that was refused half-way must not be read as the next request.
    return Answer(error.http_status, orjson.dumps({"error": message}), closes=error.http_status == 413)


def create_app(registry: Registry, observers: Sequence[Observer] = ()) -> RestApplication:
    """The ASGI application over the models of `registry`."""
    return RestApplication(Rest(registry), Batcher(Batching()), observers, create_beside(registry))
