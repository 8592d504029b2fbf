"""The key of a request, by which a roll-out sends it to a side; of several rows that of the first."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from serving.canary.split import first_value, to_key
from serving.errors import InvalidArgumentError
from serving.server.json_body import JsonObject
from serving.server.tensors import to_array


def read_json_key(document: JsonObject, body: bytes, column: str | None) -> bytes:
    """The key of a predict, classify or regress body, as `to_key` has it; without one the body itself."""
    rows = document.get("instances", document.get("examples"))
    row = rows[0] if isinstance(rows, list) and rows else document.get("inputs")
    value = first_value(row.get(column)) if isinstance(row, dict) and column is not None else None
    if isinstance(value, dict):
        value = _decode(value.get("b64"))
    return body if value is None else to_key(value)


def read_message_key(request: Any, column: str | None) -> bytes:
    """The key of a gRPC request, as `to_key` has it; without one the message itself."""
    if column is not None:
        values = _read_tensor(request, column) if hasattr(request, "inputs") else _read_feature(request.input, column)
        if values:
            return to_key(values[0])
    whole: bytes = request.SerializeToString(deterministic=True)
    return whole


def _decode(text: object) -> bytes | None:
    try:
        return base64.b64decode(text) if isinstance(text, str) else None
    except binascii.Error:
        return None


def _read_tensor(request: Any, column: str) -> list[Any]:
    if column not in request.inputs:
        return []
    try:
        values: list[Any] = to_array(request.inputs[column], column).reshape(-1)[:1].tolist()
    except InvalidArgumentError:  # whoever reads the request says so
        return []
    return values


def _read_feature(given: Any, column: str) -> list[Any]:
    kind = given.WhichOneof("kind")
    examples = getattr(given, kind).examples if kind else ()
    if not examples or column not in examples[0].features.feature:
        return []
    feature = examples[0].features.feature[column]
    filled = feature.WhichOneof("kind")
    return list(getattr(feature, filled).value[:1]) if filled else []
