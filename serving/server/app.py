"""TensorFlow Serving's REST API as an ASGI application.

Paths are matched here and not by Starlette's routes: the original matches the raw path with its query in one regular
expression, and answers whatever does not match under /v1/ with 400 and never with 404 or 405.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route, request_response

from serving.errors import (
    InternalError,
    InvalidArgumentError,
    PayloadTooLargeError,
    ServingError,
    UnimplementedError,
)
from serving.server import answer, json_body, metadata
from serving.server.registry import ModelQuery, Registry
from serving.server.request import read_predict_request, read_signature_name, select_signature

BODY_TIMEOUT_S = 30.0

_MODEL = r"(?P<name>[^/:]+)"
_VERSION = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_FLAGS = re.ASCII | re.IGNORECASE
_API = re.compile(r"/v1/.*", _FLAGS | re.DOTALL)
_POST = re.compile(rf"/v1/models/{_MODEL}{_VERSION}:(?P<method>classify|regress|predict)", _FLAGS)
_GET = re.compile(rf"/v1/models(?:/{_MODEL})?{_VERSION}(?P<metadata>/metadata)?", _FLAGS)

_MAX_INT64 = 2**63 - 1
_NOT_FOUND = "<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>"


@dataclass(frozen=True, slots=True)
class _Api:
    """The endpoints over one registry."""

    registry: Registry

    async def answer(self, request: Request) -> Response:
        """Answer any request but /healthz."""
        target = _read_target(request)
        if _API.fullmatch(target) is None:
            return HTMLResponse(_NOT_FOUND, status_code=404)
        posted, gotten = _POST.fullmatch(target), _GET.fullmatch(target)
        if request.method == "POST" and posted is not None:
            return await self._run(posted["method"], _read_query(posted), request)
        if request.method == "GET" and gotten is not None:
            return self._describe(gotten)
        raise _malformed(request)

    async def check_health(self, _: Request) -> Response:
        """200 when every model has a version loaded, else 503 and the names of those that have none."""
        unavailable = self.registry.list_unavailable()
        return _respond(orjson.dumps({"unavailable": unavailable}), 503 if unavailable else 200)

    async def _run(self, method: str, query: ModelQuery, request: Request) -> Response:
        if method not in ("predict", "classify", "regress"):  # matched in another case
            raise _malformed(request)
        body = await _read_body(request)
        if method != "predict":
            raise UnimplementedError(f"This server does not offer the method {method}")
        is_gzip = request.headers.get("content-encoding", "").lower() == "gzip"
        # In a thread, for TensorFlow as for the parsing of large bodies: the event loop stays free.
        return _respond(await run_in_threadpool(self._predict, query, body, is_gzip))

    def _predict(self, query: ModelQuery, body: bytes, is_gzip: bool) -> bytes:
        document = json_body.parse_object(json_body.inflate(body) if is_gzip else body)
        signature_name = read_signature_name(document)
        servable = self.registry.find(query)
        signature = select_signature(servable.signatures, signature_name)
        predict = read_predict_request(document, signature)
        return answer.write_answer(servable.run(signature_name, predict.feeds), predict.layout)

    def _describe(self, match: re.Match[str]) -> Response:
        if match["name"] is None:
            raise InvalidArgumentError("Missing model name in request.")
        query = _read_query(match)
        if match["metadata"] == "/metadata":
            return _respond(metadata.write_metadata(query.name, self.registry.find(query)))
        return _respond(metadata.write_statuses(self.registry.list_statuses(query)))


def create_app(registry: Registry) -> Starlette:
    """The ASGI application over the models of `registry`."""
    api = _Api(registry)
    return Starlette(
        routes=[Route("/healthz", api.check_health), Mount("", app=request_response(api.answer))],
        exception_handlers={
            ServingError: _respond_error,
            ClientDisconnect: _respond_disconnect,
            Exception: _respond_fault,
        },
    )


def _read_target(request: Request) -> str:
    """The path as it was sent, with the query."""
    path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query: bytes = request.scope["query_string"]
    return (path + b"?" + query if query else path).decode(errors="replace")


def _read_query(match: re.Match[str]) -> ModelQuery:
    label = match["label"]
    return ModelQuery(
        unquote(match["name"]), _read_version(match["version"]), None if label is None else unquote(label)
    )


def _read_version(digits: str | None) -> int | None:
    if digits is None:
        return None
    # The length first: Python refuses to convert thousands of digits.
    if len(digits.lstrip("0")) > 19 or int(digits) > _MAX_INT64:
        raise InvalidArgumentError(f"Failed to convert version: {digits} to numeric.")
    return int(digits)


async def _read_body(request: Request) -> bytes:
    """The body as sent, refused at the first chunk above the limit."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:19]) > json_body.MAX_BODY_BYTES:
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                if len(body) + len(chunk) > json_body.MAX_BODY_BYTES:
                    raise _too_large()
                body += chunk
    except TimeoutError as error:
        raise InvalidArgumentError(f"The body did not arrive within {BODY_TIMEOUT_S:g} s") from error
    return bytes(body)


def _too_large() -> PayloadTooLargeError:
    return PayloadTooLargeError(f"The body is above the limit of {json_body.MAX_BODY_BYTES} bytes")


def _malformed(request: Request) -> InvalidArgumentError:
    return InvalidArgumentError(f"Malformed request: {request.method} {_read_target(request)}")


def _respond(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, status_code=status, media_type="application/json", headers=headers)


async def _respond_error(_: Request, error: Exception) -> Response:
    fault = error if isinstance(error, ServingError) else InternalError(str(error))
    # Messages of TensorFlow may hold bytes that are no UTF-8.
    message = fault.message.encode(errors="replace").decode()
    # What is left of a body that was refused half-way must not be read as the next request.
    headers = {"Connection": "close"} if fault.http_status == 413 else None
    return _respond(orjson.dumps({"error": message}), fault.http_status, headers)


async def _respond_disconnect(_: Request, __: Exception) -> Response:
    return Response(status_code=499)


async def _respond_fault(request: Request, error: Exception) -> Response:
    # Starlette raises the error again after this answer, so uvicorn logs it.
    return await _respond_error(request, InternalError(f"{type(error).__name__} while answering; see the server's log"))
