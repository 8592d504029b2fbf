"""The standard health service of gRPC: what load balancers and Kubernetes ask.

https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from grpc_health.v1.health import HealthServicer  # type: ignore[import-untyped]
from grpc_health.v1.health_pb2 import HealthCheckResponse  # type: ignore[import-untyped]
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server  # type: ignore[import-untyped]

from serving.server.registry import Registry

SERVICES = ("", "tensorflow.serving.PredictionService")


class Health(HealthServicer):  # type: ignore[misc]
    """SERVING while every model has a version loaded, and for good NOT_SERVING once the server drains."""

    def __init__(self, server: Any, registry: Registry) -> None:
        """Answer at `server`, and follow `registry`."""
        super().__init__()
        self._ends: list[Callable[[None], None]] = []
        self._registry = registry
        self._told: int | None = None
        self._update()
        registry.subscribe(self._update)
        add_HealthServicer_to_server(self, server)

    def Watch(self, request: Any, context: Any, send_response_callback: Any = None) -> None:  # noqa: N802
        """Tell a caller of every change, until it or the server goes."""
        super().Watch(request, context, send_response_callback)
        self._ends.append(send_response_callback)
        context.add_callback(lambda: self._ends.remove(send_response_callback))

    def drain(self) -> None:
        """Say NOT_SERVING, and end the watches: the server would wait for them as for requests in flight."""
        self.enter_graceful_shutdown()
        for end in list(self._ends):
            end(None)

    def _update(self) -> None:
        status = HealthCheckResponse.NOT_SERVING if self._registry.list_unavailable() else HealthCheckResponse.SERVING
        if status != self._told:
            self._told = status
            for service in SERVICES:
                self.set(service, status)
