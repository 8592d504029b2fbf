"""What the server answers outside /v1/: probes, the list of models, what is added to them, and 404 for the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from serving.server.overview import Readiness, describe_models
from serving.server.registry import Registry

PROBES = ("/livez", "/readyz", "/healthz")

_NOT_FOUND = "<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>"


def create_beside(registry: Registry, readiness: Readiness, routes: Sequence[BaseRoute] = ()) -> Starlette:
    """The application for every path that is not TensorFlow Serving's.

    Args:
        registry: whose models are told of.
        readiness: read at each probe.
        routes: metrics, documentation, ...: what the settings switch on.
    """
    return Starlette(
        routes=[
            Route("/livez", _answer(lambda: (200, {"alive": True}))),
            Route("/readyz", _answer(lambda: _probe_readiness(registry, readiness))),
            Route("/healthz", _answer(lambda: _probe_health(registry))),
            Route("/models", _answer(lambda: (200, describe_models(registry)))),
            *routes,
        ],
        exception_handlers={404: _respond_not_found, 405: _respond_not_found},
    )


def _answer(describe: Callable[[], tuple[int, dict[str, Any]]]) -> Callable[[Request], Any]:
    async def answer(_: Request) -> Response:
        status, content = describe()
        return Response(orjson.dumps(content), status, media_type="application/json")

    return answer


def _probe_readiness(registry: Registry, readiness: Readiness) -> tuple[int, dict[str, Any]]:
    """200 while there is a model to ask and no order to stop; the names are of the models without a version."""
    unavailable = registry.list_unavailable()
    ready = not readiness.draining and len(unavailable) < len(registry.folders)
    return 200 if ready else 503, {"ready": ready, "draining": readiness.draining, "unavailable": unavailable}


def _probe_health(registry: Registry) -> tuple[int, dict[str, Any]]:
    """200 when every model has a version loaded, else 503 and the names of those that have none."""
    unavailable = registry.list_unavailable()
    return 503 if unavailable else 200, {"unavailable": unavailable}


async def _respond_not_found(_: Request, __: Exception) -> Response:
    return HTMLResponse(_NOT_FOUND, status_code=404)
