"""The standard health service of gRPC: what load balancers and Kubernetes ask.

https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

from __future__ import annotations

import asyncio
from typing import Any

from grpc_health.v1.health import aio  # type: ignore[import-untyped]
from grpc_health.v1.health_pb2 import HealthCheckResponse  # type: ignore[import-untyped]
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server  # type: ignore[import-untyped]

from serving.server.registry import Registry

SERVICES = ("", "tensorflow.serving.PredictionService")


class Health(aio.HealthServicer):  # type: ignore[misc]
    """SERVING while every model has a version loaded, and for good NOT_SERVING once the server drains."""

    def __init__(self, server: Any, registry: Registry) -> None:
        """Answer at `server`."""
        super().__init__()
        self._registry = registry
        self._told: int | None = None
        self._watches: set[asyncio.Future[None]] = set()
        self._is_draining = False
        add_HealthServicer_to_server(self, server)

    async def follow(self) -> None:
        """Tell how the registry is, from now on at each change."""
        await self._update()
        loop = asyncio.get_running_loop()

        def update() -> None:  # called by the thread that loads, after each look
            if self._read() != self._told and not self._is_draining:
                asyncio.run_coroutine_threadsafe(self._update(), loop)

        self._registry.subscribe(update)

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802
        """Tell a caller of every change, until it or the server goes."""
        watch = asyncio.ensure_future(super().Watch(request, context))
        self._watches.add(watch)
        try:
            await watch
        except asyncio.CancelledError:
            if not self._is_draining:
                raise
        finally:
            self._watches.discard(watch)

    async def drain(self) -> None:
        """Say NOT_SERVING, and end the watches: the server would wait for them as for requests in flight."""
        self._is_draining = True
        await self.enter_graceful_shutdown()
        await asyncio.sleep(0)  # for the watches to say so
        for watch in self._watches:
            watch.cancel()

    async def _update(self) -> None:
        status = self._told = self._read()
        for service in SERVICES:
            await self.set(service, status)

    def _read(self) -> int:
        unavailable = self._registry.list_unavailable()
        return int(HealthCheckResponse.NOT_SERVING if unavailable else HealthCheckResponse.SERVING)
