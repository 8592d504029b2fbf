"""The transport of the gRPC API: port, threads, limits, errors as status codes, draining."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import grpc

from serving.errors import InternalError, ServingError, UnavailableError
from serving.protos import GetModelMetadataRequest, GetModelStatusRequest, PredictRequest, ReloadConfigRequest
from serving.server.admin import check_admin, read_peer
from serving.server.grpc_service import Service
from serving.server.health import Health
from serving.server.json_body import MAX_BODY_BYTES
from serving.server.registry import Registry

_logger = logging.getLogger(__name__)

_THREADS = 16
_MAX_MESSAGE_CHARACTERS = 1024
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_BODY_BYTES),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),  # else two servers would share a port in silence
)


class GrpcServer:
    """A server that holds its port from the start, and answers once it is given the models."""

    def __init__(self, host: str, port: int) -> None:
        """Listen.

        Args:
            host: address to listen on.
            port: TCP port; 0 takes a free one.

        Raises:
            UnavailableError: the address cannot be listened on.
        """
        self._server = grpc.server(ThreadPoolExecutor(_THREADS, thread_name_prefix="grpc"), options=_OPTIONS)
        self._health: Health | None = None
        self._drained: threading.Event | None = None
        try:
            self.port: int = self._server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except RuntimeError as error:
            raise UnavailableError(f"Cannot listen on port {port} of {host}: {error}") from error

    def start(self, registry: Registry) -> None:
        """Answer requests for the models of `registry`."""
        self._server.add_generic_rpc_handlers(_create_handlers(Service(registry)))
        self._health = Health(self._server, registry)
        self._server.start()

    def drain(self, timeout_s: float) -> None:
        """Take no new requests; those in flight have `timeout_s` seconds. Returns at once."""
        if self._health is not None:
            self._health.drain()
        self._drained = self._server.stop(timeout_s)

    def close(self) -> None:
        """Return when all has stopped: at once, or after the drain that has begun."""
        (self._drained or self._server.stop(None)).wait()


def _create_handlers(service: Service) -> tuple[Any, ...]:
    methods = {
        "PredictionService": {
            "Predict": _handle(service.predict, PredictRequest),
            "GetModelMetadata": _handle(service.get_metadata, GetModelMetadataRequest),
        },
        "ModelService": {
            "GetModelStatus": _handle(service.get_status, GetModelStatusRequest),
            "HandleReloadConfigRequest": _handle(service.reload_config, ReloadConfigRequest, _check_admin),
        },
    }
    return tuple(
        grpc.method_handlers_generic_handler(f"tensorflow.serving.{name}", handlers)
        for name, handlers in methods.items()
    )


def _handle(answer: Callable[[Any], Any], request: Any, *checks: Callable[[Any], None]) -> Any:
    return grpc.unary_unary_rpc_method_handler(
        partial(_answer, answer, checks), request.FromString, lambda response: response.SerializeToString()
    )


def _answer(answer: Callable[[Any], Any], checks: Sequence[Callable[[Any], None]], request: Any, context: Any) -> Any:
    try:
        for check in checks:
            check(context)
        return answer(request)
    except ServingError as error:
        fault = error
    except Exception as error:
        _logger.exception("a gRPC request could not be answered")
        fault = InternalError(f"{type(error).__name__} while answering; see the server's log")
    return context.abort(grpc.StatusCode[fault.code.name], _cut(fault.message))


def _check_admin(context: Any) -> None:
    check_admin(read_peer(context.peer()))


def _cut(message: str) -> str:
    # Messages of TensorFlow may hold bytes that are no UTF-8.
    text = message.encode(errors="replace").decode()
    return text if len(text) <= _MAX_MESSAGE_CHARACTERS else f"{text[:_MAX_MESSAGE_CHARACTERS]}...TRUNCATED"
