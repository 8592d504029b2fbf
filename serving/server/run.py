"""Run the embedded server until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TypeAlias

import uvicorn

from serving.errors import PortInUseError, UnavailableError
from serving.server import model
from serving.server.app import create_app, create_exchanges
from serving.server.body import Application
from serving.server.extras import Extras
from serving.server.memory import settle_memory
from serving.server.models_config import ModelsFile
from serving.server.overview import Readiness
from serving.server.protocol import create_protocol
from serving.server.registry import Registry
from serving.server.settings import ServerSettings

if TYPE_CHECKING:
    from serving.server.grpc_server import GrpcServer

_logger = logging.getLogger(__name__)

_Step: TypeAlias = Callable[[], Awaitable[None]]

POLL_S = 0.25
_BACKLOG = 2048
_DRAIN_S = 25
_KEEP_ALIVE_S = 60


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports to listen on; 0 takes a free one. Without a gRPC port there is REST alone."""

    rest: int
    grpc: int | None = None


def serve(
    models: Mapping[str, Path] | ModelsFile,
    host: str,
    ports: Ports,
    on_ready: Callable[[Ports], None],
    poll_s: float = POLL_S,
    settings: ServerSettings | None = None,
) -> None:
    """Serve the wanted versions of each model, swapping in newer ones, until SIGTERM or SIGINT.

    Returns after the requests in flight are answered, at most 25 s. A model without any version yet is waited for.

    Args:
        models: the folder of versions of each model, by the name that requests use, or a models.config.
        host: address to listen on, such as `127.0.0.1`.
        ports: where REST and gRPC answer.
        on_ready: called once with the ports taken when requests are answered.
        poll_s: seconds between looks for newer versions.
        settings: limits, token, TLS, metrics, request log, ...

    Raises:
        InvalidArgumentError: the token, the certificate or its key cannot be read.
        PortInUseError: another process listens on a port; known before any model is loaded.
        UnavailableError: the address cannot be listened on, or versions are there but not one loads.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(_listen(host, ports.rest))
        extras = stack.enter_context(closing(Extras(settings or ServerSettings())))
        grpc = None if ports.grpc is None else _open_grpc(host, ports.grpc, extras)
        registry = Registry(models, extras.wrap_load(model.load), poll_s)
        stack.callback(registry.stop)
        registry.start()
        _check_any_loaded(registry)
        settle_memory()
        exchanges = create_exchanges(extras)

        async def start() -> None:
            if grpc is not None:
                await grpc.start(registry, exchanges)
            on_ready(Ports(listener.getsockname()[1], None if grpc is None else grpc.port))

        async def drain() -> None:
            if grpc is not None:
                await grpc.drain(_DRAIN_S)

        config = _configure(create_app(registry, extras, exchanges), extras.settings)
        _Server(config, extras.readiness, start, drain).run(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn that starts and drains gRPC with REST, and for which a signal to stop is no failure."""

    def __init__(self, config: uvicorn.Config, readiness: Readiness, start: _Step, drain: _Step) -> None:
        super().__init__(config)
        self._readiness = readiness
        self._start = start
        self._drain = drain

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            await self._start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.gather(self._drain(), super().shutdown(sockets))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # The original also notes the signal and raises it again at the end, so the process would not exit with 0.
        self._readiness.draining = True
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns off Nagle's delay (40 ms an answer) only for sockets that name it.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # At once, not when the models are loaded: two sockets may bind one port, only one may listen on it.
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(f"Port {port} of {host} is in use by another process; choose another port") from error
        raise UnavailableError(f"Cannot listen on port {port} of {host}: {error.strerror or error}") from error
    return listener


def _open_grpc(host: str, port: int, extras: Extras) -> GrpcServer:
    from serving.server.grpc_server import GrpcServer

    # gRPC does not say why it cannot listen, and listens only when the models are loaded
    _listen(host, port).close()
    return GrpcServer(host, port, extras)


def _check_any_loaded(registry: Registry) -> None:
    failures = registry.list_failures()
    if failures and len(registry.list_unavailable()) == len(registry.folders):
        raise UnavailableError("No model could be loaded: " + "; ".join(failures))
    for name in registry.list_unavailable():
        _logger.warning("no version of %s to serve in %s yet", name, registry.folders[name])


def _configure(application: Application, settings: ServerSettings) -> uvicorn.Config:
    tls = settings.tls
    return uvicorn.Config(
        application,
        http=create_protocol(settings.limits),  # type: ignore[arg-type]  # uvicorn only calls it
        ws="none",
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_DRAIN_S,
        backlog=_BACKLOG,
    )
