"""Every error that `serving` raises, as one tree.

ServingError
 ├── InvalidArgumentError       400  the request is wrong
 │    ├── PayloadTooLargeError  413  ... in that its body is too large
 │    ├── BodyTimeoutError      408  ... in that its body did not arrive in time
 │    └── RowsError             400  (client) ... in its rows, before they are sent
 │         └── RowError         400  (client) ... in a value of one row
 ├── UnauthenticatedError       401  no token, or a wrong one
 ├── PermissionDeniedError      403  not from there
 ├── NotFoundError              404  no such model or version
 ├── InternalError              500  a fault of the server or of the model
 ├── DataLossError              500  a pushed version that cannot be read
 ├── UnimplementedError         501  a part of the protocol that is not offered
 ├── StorageError               503  the folder of versions cannot be written: read-only, full
 ├── UnavailableError           503  try again later
 │    └── PortInUseError        503  another process listens on the port
 └── UnreachableError           503  (client) nothing answers at the address

An error that TensorFlow raises with a status outside this tree is a plain `ServingError` carrying that status.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class Code(IntEnum):
    """The canonical status codes, numbered as `tensorflow::error::Code` and gRPC number them."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16

    @property
    def http_status(self) -> int:
        """The HTTP status that TensorFlow Serving answers for this code."""
        return _HTTP_STATUS[self]


_HTTP_STATUS = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}


class ServingError(Exception):
    """Root of the tree: a message in TensorFlow Serving's words, with its status code."""

    default_code: ClassVar[Code] = Code.UNKNOWN

    def __init__(self, message: str, code: Code | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = self.default_code if code is None else code

    @property
    def http_status(self) -> int:
        """The HTTP status of an answer that carries this error."""
        return self.code.http_status


class InvalidArgumentError(ServingError):
    """The request is wrong: asking again with the same request cannot succeed."""

    default_code = Code.INVALID_ARGUMENT


class PayloadTooLargeError(InvalidArgumentError):
    """The body of the request, as sent or after inflating it, is above the limit."""

    @property
    def http_status(self) -> int:
        """413, which no canonical code maps to."""
        return 413


class BodyTimeoutError(InvalidArgumentError):
    """The body of the request did not arrive in time."""

    @property
    def http_status(self) -> int:
        """408, which no canonical code maps to."""
        return 408


class UnauthenticatedError(ServingError):
    """The request carries no token, or a wrong one."""

    default_code = Code.UNAUTHENTICATED


class PermissionDeniedError(ServingError):
    """Not from this address."""

    default_code = Code.PERMISSION_DENIED


class RowsError(InvalidArgumentError):
    """The rows do not fit what the model takes; raised by the client before it sends anything."""


class RowError(RowsError):
    """One row does not.

    Attributes:
        row: its place among the rows that were given, from 0.
        feature: the input, or the key that is none.
        reason: what was expected and received.
    """

    def __init__(self, row: int, feature: str, reason: str) -> None:
        super().__init__(f"row {row}, feature {feature!r}: {reason}")
        self.row = row
        self.feature = feature
        self.reason = reason


class NotFoundError(ServingError):
    """No such model, or no such version of it."""

    default_code = Code.NOT_FOUND


class InternalError(ServingError):
    """A fault of the server or of the model, not of the request."""

    default_code = Code.INTERNAL


class DataLossError(ServingError):
    """A pushed version is incomplete or cannot be parsed."""

    default_code = Code.DATA_LOSS


class UnimplementedError(ServingError):
    """A part of the protocol that this server does not offer."""

    default_code = Code.UNIMPLEMENTED


class UnavailableError(ServingError):
    """Not now; the same request may succeed later."""

    default_code = Code.UNAVAILABLE


class StorageError(ServingError):
    """The folder of versions cannot be written; nothing that is served has changed."""

    default_code = Code.UNAVAILABLE


class PortInUseError(UnavailableError):
    """Another process listens on the port that was asked for."""


class UnreachableError(ServingError):
    """Nothing answers at the address; raised by the client."""

    default_code = Code.UNAVAILABLE


_BY_CODE: dict[Code, type[ServingError]] = {
    kind.default_code: kind
    for kind in (
        InvalidArgumentError,
        UnauthenticatedError,
        PermissionDeniedError,
        NotFoundError,
        InternalError,
        DataLossError,
        UnimplementedError,
        UnavailableError,
    )
}


def from_code(code: int, message: str) -> ServingError:
    """The error of the tree for a canonical status code; an unknown number counts as UNKNOWN."""
    known = Code(code) if code in Code.__members__.values() else Code.UNKNOWN
    return _BY_CODE.get(known, ServingError)(message, known)


def from_http_status(status: int, message: str) -> ServingError:
    """The error of the tree for the HTTP status of an answer (the first code that maps to it)."""
    if status == 413:
        return PayloadTooLargeError(message)
    preferred = [error for error in _BY_CODE if error.http_status == status]
    others = [code for code in Code if code.http_status == status]
    return from_code(next(iter(preferred + others), Code.UNKNOWN), message)
