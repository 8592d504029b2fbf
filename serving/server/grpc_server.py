"""The transport of the gRPC API: port, limits, token, errors as status codes, draining."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from starlette.concurrency import run_in_threadpool

from serving.errors import InternalError, ServingError, UnavailableError
from serving.protos import (
    ClassificationRequest,
    GetModelMetadataRequest,
    GetModelStatusRequest,
    MultiInferenceRequest,
    PredictRequest,
    RegressionRequest,
    ReloadConfigRequest,
)
from serving.server import grpc_examples
from serving.server.access import check_admin
from serving.server.exchanges import Exchanges
from serving.server.extras import Extras
from serving.server.grpc_access import read_authorization, read_credentials
from serving.server.grpc_service import Service, first_task, read_query
from serving.server.health import Health
from serving.server.inference import Exchange, Inference
from serving.server.registry import ModelQuery, Registry

_logger = logging.getLogger(__name__)

_MAX_MESSAGE_CHARACTERS = 1024
_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),  # else two servers would share a port in silence
)
_Answer = Callable[[Any, Any], Awaitable[Any]]


class GrpcServer:
    """A server on the event loop that it is started on.

    Attributes:
        port: where it listens, once it is started.
    """

    def __init__(self, host: str, port: int, extras: Extras | None = None) -> None:
        """Read what TLS needs.

        Args:
            host: address to listen on.
            port: TCP port; 0 takes a free one.
            extras: token, TLS and limits.

        Raises:
            InvalidArgumentError: the certificate or its key cannot be read.
        """
        self._extras = extras or Extras()
        self._address, self.port = f"[{host}]" if ":" in host else host, port
        tls = self._extras.settings.tls
        self._credentials = read_credentials(tls) if tls else None
        self._server: Any = None
        self._health: Health | None = None

    async def start(self, registry: Registry, exchanges: Exchanges) -> None:
        """Listen, and answer requests for the models of `registry`.

        Raises:
            UnavailableError: the address cannot be listened on.
        """
        limits = self._extras.settings.limits
        self._server = grpc.aio.server(options=(*_OPTIONS, ("grpc.max_receive_message_length", limits.body_bytes)))
        self._server.add_generic_rpc_handlers(_create_handlers(Service(registry), exchanges, self._extras))
        self._health = Health(self._server, registry)
        address = f"{self._address}:{self.port}"
        try:
            self.port = (
                self._server.add_secure_port(address, self._credentials)
                if self._credentials
                else self._server.add_insecure_port(address)
            )
        except RuntimeError as error:
            raise UnavailableError(f"Cannot listen on port {self.port} of {self._address}: {error}") from error
        await self._server.start()
        await self._health.follow()

    async def drain(self, timeout_s: float) -> None:
        """Take no new requests, and return once those in flight are answered, or after `timeout_s` seconds."""
        if self._health is not None:
            await self._health.drain()
            await self._server.stop(timeout_s)


def _create_handlers(service: Service, exchanges: Exchanges, extras: Extras) -> tuple[Any, ...]:
    def run(method: str, prepare: Callable[[Any, ModelQuery], Inference]) -> _Answer:
        async def answer(request: Any, _: Any) -> Any:
            exchange = Exchange("GRPC", method, read_query(request))

            async def read() -> Inference:
                return prepare(request, exchange.query)

            return await exchanges.answer(exchange, read())

        return answer

    async def run_tasks(request: Any, _: Any) -> Any:
        query, inferences = read_query(first_task(request)), service.prepare_multi_inference(request)

        async def ready(inference: Inference) -> Inference:
            return inference

        exchanged = (exchanges.answer(Exchange("GRPC", "multi_inference", query), ready(each)) for each in inferences)
        return grpc_examples.join(await asyncio.gather(*exchanged))

    def tell(describe: Callable[[Any], Any]) -> _Answer:
        async def answer(request: Any, _: Any) -> Any:
            return describe(request)

        return answer

    async def reload_config(request: Any, context: Any) -> Any:
        check_admin(context.peer(), extras.token)
        return await run_in_threadpool(service.reload_config, request)

    methods = {
        "PredictionService": {
            "Predict": (PredictRequest, run("predict", service.prepare_predict)),
            "Classify": (ClassificationRequest, run("classify", service.prepare_classify)),
            "Regress": (RegressionRequest, run("regress", service.prepare_regress)),
            "MultiInference": (MultiInferenceRequest, run_tasks),
            "GetModelMetadata": (GetModelMetadataRequest, tell(service.get_metadata)),
        },
        "ModelService": {
            "GetModelStatus": (GetModelStatusRequest, tell(service.get_status)),
            "HandleReloadConfigRequest": (ReloadConfigRequest, reload_config),
        },
    }
    return tuple(
        grpc.method_handlers_generic_handler(
            f"tensorflow.serving.{name}",
            {method: _handle(request, answer, extras) for method, (request, answer) in handlers.items()},
        )
        for name, handlers in methods.items()
    )


def _handle(request_class: Any, answer: _Answer, extras: Extras) -> Any:
    async def guarded(message: bytes, context: Any) -> Any:
        try:
            if extras.token is not None:
                extras.token.check(read_authorization(context.invocation_metadata()))
            return await answer(_parse(request_class, message), context)
        except ServingError as error:
            fault = error.with_traceback(None)  # whose frames hold the error, and the message with it
        except Exception as error:
            _logger.exception("a gRPC request could not be answered")
            fault = InternalError(f"{type(error).__name__} while answering; see the server's log")
        return await context.abort(grpc.StatusCode[fault.code.name], _cut(fault.message))

    # parsed here, or a message that is none would be answered with a stack in the log
    return grpc.unary_unary_rpc_method_handler(guarded, None, lambda response: response.SerializeToString())


def _parse(request_class: Any, message: bytes) -> Any:
    try:
        return request_class.FromString(message)
    except DecodeError as error:
        raise InternalError(f"Unable to parse request: {error}") from error


def _cut(message: str) -> str:
    # Messages of TensorFlow may hold bytes that are no UTF-8.
    text = message.encode(errors="replace").decode()
    return text if len(text) <= _MAX_MESSAGE_CHARACTERS else f"{text[:_MAX_MESSAGE_CHARACTERS]}...TRUNCATED"
