"""Token and TLS of the gRPC API."""

from __future__ import annotations

from typing import Any

import grpc

from serving.errors import InvalidArgumentError
from serving.server.settings import Tls


def read_credentials(tls: Tls) -> Any:
    """Certificate and key for `grpc.aio.Server.add_secure_port`.

    Raises:
        InvalidArgumentError: a file cannot be read.
    """
    try:
        return grpc.ssl_server_credentials([(tls.key.read_bytes(), tls.certificate.read_bytes())])
    except OSError as error:
        raise InvalidArgumentError(f"tls: {error.filename} cannot be read: {error.strerror}") from error


def read_authorization(metadata: Any) -> bytes:
    """The value of `authorization` in a call's metadata; empty without."""
    value = next((value for name, value in metadata or () if name == "authorization"), b"")
    return value.encode() if isinstance(value, str) else bytes(value)
