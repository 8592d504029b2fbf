"""/openapi.json and /docs: the document as it is now, and Swagger UI over it, without a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from serving.server.contract import Contracts
from serving.server.openapi import write_document
from serving.server.overview import find_latest
from serving.server.registry import Registry

_FILES = ("swagger-ui.css", "swagger-ui-bundle.js")
DOCUMENT = "/openapi.json"
OPEN_PATHS = ("/docs", *(f"/docs/{file}" for file in _FILES))
"""They tell nothing of the models: the page asks for the token before it fetches the document."""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"><title>Penstock</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script>
let token = sessionStorage.getItem("token");
const sign = request => {
  if (token) request.headers = {...request.headers, Authorization: "Bearer " + token};
  return request;
};
async function show() {
  const answer = await fetch("openapi.json", sign({headers: {}}));
  if (answer.status == 401) {
    token = prompt("The server's token");
    if (token) { sessionStorage.setItem("token", token); return show(); }
  }
  // This release of Swagger UI knows OpenAPI 3.0; the document keeps to what both know.
  const spec = {...await answer.json(), openapi: "3.0.3"};
  SwaggerUIBundle({spec, dom_id: "#ui", validatorUrl: null, requestInterceptor: sign});
}
show();
</script>
</body>
</html>
"""


def create_routes(registry: Registry, contracts: Contracts, has_token: bool) -> list[BaseRoute]:
    """The document, the page, and the files of the page."""
    from swagger_ui_bundle import swagger_ui_path  # type: ignore[import-untyped]

    return [
        Route(DOCUMENT, _Document(registry, contracts, has_token).answer),
        Route("/docs", lambda _: HTMLResponse(_PAGE)),
        *(Route(f"/docs/{file}", _send(swagger_ui_path / file)) for file in _FILES),
    ]


class _Document:
    """Written again when another version has become the latest one of a model."""

    def __init__(self, registry: Registry, contracts: Contracts, has_token: bool) -> None:
        self._registry = registry
        self._contracts = contracts
        self._has_token = has_token
        self._served: list[Any] = []
        self._body = b""

    def answer(self, _: Request) -> Response:
        served = [(name, find_latest(self._registry, name)) for name in self._registry.folders]
        served_versions = [(name, id(each), each and each.version) for name, each in served]
        if not self._body or served_versions != self._served:
            document = write_document(self._registry, self._contracts, self._has_token)
            self._served, self._body = served_versions, orjson.dumps(document)
        return Response(self._body, media_type="application/json")


def _send(file: Any) -> Callable[[Request], Response]:
    return lambda _: FileResponse(file)
