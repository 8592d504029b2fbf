"""The REST API as an ASGI application: bodies read within limits, errors as status codes.

It is plain ASGI, without a framework's request and response objects: at thousands of requests a second these would
cost as much as the model. What is not under /v1/ goes to another application.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import orjson
from starlette.requests import ClientDisconnect

from serving.errors import InternalError, ServingError
from serving.server.batching import Batcher
from serving.server.beside import create_beside
from serving.server.body import Application, Receive, Scope, Send, check_depth, inflate, read_body
from serving.server.exchanges import Exchanges
from serving.server.extras import Extras
from serving.server.inference import Exchange, Inference
from serving.server.registry import Registry
from serving.server.rest import Rest
from serving.server.settings import Limits
from serving.server.urls import Call, is_api, read_call

_logger = logging.getLogger(__name__)

_LARGE_BODY_BYTES = 256 * 1024
"""A body from which on reading takes so long that other requests should not wait for it."""
_READERS = 2
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
    """TensorFlow Serving's REST API under /v1/, and `beside` for every other path.

    Large bodies are read in threads of their own, few: parsed, each takes many times its size.
    """

    rest: Rest
    exchanges: Exchanges
    beside: Application
    limits: Limits
    readers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_READERS, "read"))

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
            exchange = Exchange("REST", call.method, call.query)
            return Answer(200, await self.exchanges.answer(exchange, self._prepare(call, scope, receive)))
        except ServingError as error:
            # The future of a thread or a batch holds the error, its frames hold the future, and the body with it.
            return _to_answer(error.with_traceback(None))
        except ClientDisconnect:
            return Answer(_CLIENT_CLOSED_REQUEST, b"")
        except Exception as error:
            _logger.exception("%s %s could not be answered", scope["method"], target)
            return _to_answer(InternalError(f"{type(error).__name__} while answering; see the server's log"))

    async def _prepare(self, call: Call, scope: Scope, receive: Receive) -> Inference:
        body = await read_body(receive, _get_header(scope, b"content-length"), self.limits)
        is_gzip = _get_header(scope, b"content-encoding").lower() == b"gzip"
        if is_gzip or len(body) > _LARGE_BODY_BYTES:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self.readers, self._inflate_and_prepare, call, body, is_gzip)
        return self._parse(call, body)

    def _inflate_and_prepare(self, call: Call, body: bytes, is_gzip: bool) -> Inference:
        return self._parse(call, inflate(body, self.limits) if is_gzip else body)

    def _parse(self, call: Call, body: bytes) -> Inference:
        if self.limits.json_depth is not None:
            check_depth(body, self.limits.json_depth)
        return self.rest.prepare(call, body)


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


def _to_answer(error: ServingError) -> Answer:
    # Messages of TensorFlow may hold bytes that are no UTF-8.
    message = error.message.encode(errors="replace").decode()
    # What is left of a body that was refused half-way must not be read as the next request.
    return Answer(error.http_status, orjson.dumps({"error": message}), closes=error.http_status in (408, 413))


def create_app(registry: Registry, extras: Extras | None = None, exchanges: Exchanges | None = None) -> Application:
    """The ASGI application over the models of `registry`, with what the settings add to it."""
    extras = extras or Extras()
    exchanges = exchanges or create_exchanges(extras)
    beside = create_beside(registry, extras.readiness, extras.create_routes(registry))
    return extras.guard(RestApplication(Rest(registry), exchanges, beside, extras.settings.limits))


def create_exchanges(extras: Extras) -> Exchanges:
    """What runs requests and tells of them, as the settings want it."""
    return Exchanges(extras.wrap_runner(Batcher(extras.settings.batching)), extras.observers)
