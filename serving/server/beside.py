"""What the server answers outside /v1/: health, and 404 for the rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from serving.server.registry import Registry

_NOT_FOUND = "<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>"


def create_beside(registry: Registry) -> Starlette:
    """The application for every path that is not TensorFlow Serving's."""
    return Starlette(
        routes=[Route("/healthz", _check_health(registry))],
        exception_handlers={404: _respond_not_found, 405: _respond_not_found},
    )


def _check_health(registry: Registry) -> Callable[[Request], Awaitable[Response]]:
    async def check(_: Request) -> Response:
        """200 when every model has a version loaded, else 503 and the names of those that have none."""
        unavailable = registry.list_unavailable()
        body = orjson.dumps({"unavailable": unavailable})
        return Response(body, 503 if unavailable else 200, media_type="application/json")

    return check


async def _respond_not_found(_: Request, __: Exception) -> Response:
    return HTMLResponse(_NOT_FOUND, status_code=404)
