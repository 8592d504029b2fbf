"""The URLs of TensorFlow Serving's REST API.

They are matched here and not by Starlette's routes: the original matches the raw path with its query in one regular
expression, and answers whatever does not match under /v1/ with 400 and never with 404 or 405.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from urllib.parse import unquote

from serving.errors import InvalidArgumentError
from serving.server.registry import ModelQuery

Method: TypeAlias = Literal["predict", "classify", "regress", "status", "metadata"]

_MODEL = r"(?P<name>[^/:]+)"
_VERSION = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_FLAGS = re.ASCII | re.IGNORECASE
_API = re.compile(r"/v1/.*", _FLAGS | re.DOTALL)
# the methods in lower case alone, the rest in any
_POST = re.compile(rf"/v1/models/{_MODEL}{_VERSION}:(?P<method>(?-i:classify|regress|predict))", _FLAGS)
_GET = re.compile(rf"/v1/models(?:/{_MODEL})?{_VERSION}(?P<metadata>/metadata)?", _FLAGS)
_MAX_INT64 = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Call:
    """What a request line asks for."""

    method: Method
    query: ModelQuery


def is_api(target: str) -> bool:
    """Whether a request target belongs to TensorFlow Serving's API."""
    return _API.fullmatch(target) is not None


def read_call(http_method: str, target: str) -> Call:
    """What a request line under /v1/ asks for.

    Args:
        http_method: `GET`, `POST`, ...
        target: the path as it was sent, with the query.

    Raises:
        InvalidArgumentError: no such endpoint, no model, or a version beyond int64.
    """
    posted = _POST.fullmatch(target) if http_method == "POST" else None
    if posted is not None:
        method: Any = posted["method"]
        return Call(method, _read_query(posted))
    gotten = _GET.fullmatch(target) if http_method == "GET" else None
    if gotten is None:
        raise InvalidArgumentError(f"Malformed request: {http_method} {target}")
    if gotten["name"] is None:
        raise InvalidArgumentError("Missing model name in request.")
    # the original compares the word in any case, but answers with metadata for this one alone
    return Call("metadata" if gotten["metadata"] == "/metadata" else "status", _read_query(gotten))


def _read_query(match: re.Match[str]) -> ModelQuery:
    label = match["label"]
    return ModelQuery(
        unquote(match["name"]), _read_version(match["version"]), None if label is None else unquote(label)
    )


def _read_version(digits: str | None) -> int | None:
    if digits is None:
        return None
    # The length first: Python refuses to convert thousands of digits.
    if len(digits.lstrip("0")) > 19 or int(digits) > _MAX_INT64:
        raise InvalidArgumentError(f"Failed to convert version: {digits} to numeric.")
    return int(digits)
