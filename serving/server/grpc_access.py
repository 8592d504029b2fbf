"""Token and TLS of the gRPC API, and administration from this machine alone where there is no token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc

from serving.errors import InvalidArgumentError, ServingError
from serving.server.access import Token, check_admin
from serving.server.settings import Tls

ADMIN_METHODS = frozenset({"/tensorflow.serving.ModelService/HandleReloadConfigRequest"})
_PROBES = "/grpc.health.v1.Health/"


class AccessInterceptor(grpc.ServerInterceptor):  # type: ignore[misc]
    """Asks for the token before any method but those of health, and who calls before a method of administration."""

    def __init__(self, token: Token | None) -> None:
        self._token = token

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        """Return the method that was asked for, or one that refuses (gRPC)."""
        handler = continuation(details)
        if handler is None or details.method.startswith(_PROBES):
            return handler
        if self._token is not None:
            try:
                self._token.check(_read_authorization(details.invocation_metadata))
            except ServingError as error:
                return _replace(handler, _refuse_with(error))
        return _replace(handler, self._check_peer(handler)) if details.method in ADMIN_METHODS else handler

    def _check_peer(self, handler: Any) -> Callable[[Any, Any], Any]:
        def answer(request: Any, context: Any) -> Any:
            try:
                check_admin(context.peer(), self._token)
            except ServingError as error:
                return _refuse_with(error)(request, context)
            return handler.unary_unary(request, context)

        return answer


def read_credentials(tls: Tls) -> Any:
    """Certificate and key for `grpc.Server.add_secure_port`.

    Raises:
        InvalidArgumentError: a file cannot be read.
    """
    try:
        return grpc.ssl_server_credentials([(tls.key.read_bytes(), tls.certificate.read_bytes())])
    except OSError as error:
        raise InvalidArgumentError(f"tls: {error.filename} cannot be read: {error.strerror}") from error


def _read_authorization(metadata: Any) -> bytes:
    value = next((value for name, value in metadata if name == "authorization"), b"")
    return value.encode() if isinstance(value, str) else bytes(value)


def _replace(handler: Any, answer: Callable[[Any, Any], Any]) -> Any:
    return grpc.unary_unary_rpc_method_handler(answer, handler.request_deserializer, handler.response_serializer)


def _refuse_with(error: ServingError) -> Callable[[Any, Any], Any]:
    return lambda _, context: context.abort(grpc.StatusCode[error.code.name], error.message)
