"""The tf.Examples of a classify or regress body (TensorFlow Serving's util/json_tensor.cc).

A value's kind decides the feature's: `5` makes an int64 feature, `5.0` a float one, and no signature changes that.
https://www.tensorflow.org/tfx/serving/api_rest#classify_and_regress_api
"""

from __future__ import annotations

from typing import Any

import numpy as np

from serving.errors import InvalidArgumentError
from serving.protos import Example
from serving.server.dense import Array, convert, is_base64_object, name_type
from serving.server.json_body import JsonObject, describe

_MIN_INT64, _MAX_INT64, _MAX_UINT64 = -(2**63), 2**63 - 1, 2**64 - 1
_KINDS = {bool: "int64", int: "int64", float: "float", str: "bytes", dict: "bytes"}


def read_examples(document: JsonObject) -> Array:
    """A serialized tf.Example for each element of `examples`, `[rows]`, an object array of bytes.

    Each stands behind that of the `context`: of a feature that is in both TensorFlow takes the example's.

    Raises:
        InvalidArgumentError: no list of examples, an empty one, or the first value that no feature can hold.
    """
    context = _serialize(document["context"]) if "context" in document else b""
    if "examples" not in document:
        raise _format_error(document, "When method is classify, key 'examples' is expected and was not found")
    rows = document["examples"]
    if not isinstance(rows, list):
        raise _format_error(document, "Expecting 'examples' value to be an list/array")
    if not rows:
        raise _format_error(document, "'examples' value is an empty array")
    return np.array([context + _serialize(row) for row in rows], np.object_)


def _serialize(row: Any) -> bytes:
    if not isinstance(row, dict):
        raise InvalidArgumentError(f"Example must be JSON object but got JSON {name_type(row)}")
    example = Example()
    features = example.features.feature
    for name, content in row.items():
        _fill(features[name], name, content if isinstance(content, list) else [content])
    serialized: bytes = example.SerializeToString()
    return serialized


def _fill(feature: Any, name: str, values: list[Any]) -> None:
    """Append values of one kind to a feature; without any it stays one of no kind, which counts as missing."""
    first: str | None = None
    for value in values:
        kind = _find_kind(value)
        if kind is None:
            raise InvalidArgumentError(f"Feature: {name} has element with unexpected JSON type: {name_type(value)}")
        first = first or kind
        if kind != first:
            raise InvalidArgumentError(f"Unexpected element type in feature: {name} expecting type: {first}")
        _append(feature, kind, name, value)


def _append(feature: Any, kind: str, name: str, value: Any) -> None:
    if kind == "float":
        feature.float_list.value.append(float(value))
    elif kind == "bytes":
        feature.bytes_list.value.append(value.encode() if type(value) is str else convert(value, "string")[()])
    elif value <= _MAX_INT64:
        feature.int64_list.value.append(int(value))
    else:
        raise InvalidArgumentError(f"Feature: {name} has uint64 element. Only int64 is supported.")


def _find_kind(value: object) -> str | None:
    if type(value) is int and not _MIN_INT64 <= value <= _MAX_UINT64:
        return "float"  # RapidJSON keeps what 64 bits do not hold as a double
    if type(value) is dict and not is_base64_object(value):
        return None
    return _KINDS.get(type(value))


def _format_error(document: JsonObject, message: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"JSON Value: {describe(document)} {message}")
