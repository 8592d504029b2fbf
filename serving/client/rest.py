"""TensorFlow Serving's REST API: requests in columns (`inputs`), for they are shorter and read faster than rows."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from serving.artifact import Signature, TensorSpec
from serving.client.messages import Call, Columns, Description, Example, VersionState
from serving.client.options import Options
from serving.errors import InternalError, InvalidArgumentError

_BYTES_SUFFIX = "_bytes"


class Rest:
    """The requests for one model, as `Wire` says."""

    def __init__(self, model: str, options: Options) -> None:
        self._model = f"/v1/models/{quote(model, safe='')}"
        self._path = self._model
        if options.version is not None:
            self._path += f"/versions/{options.version}"
        elif options.label is not None:
            self._path += f"/labels/{quote(options.label, safe='')}"

    def ask_description(self) -> Call:
        """GET .../metadata."""
        return Call(f"{self._path}/metadata")

    def read_description(self, body: bytes) -> Description:
        """The body of .../metadata."""
        content = _read_object(body)
        try:
            signatures = read_signatures(content["metadata"]["signature_def"])
            return Description(int(content["model_spec"]["version"]), signatures)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InternalError(f"the server's metadata cannot be read: {error!r}") from error

    def ask_status(self) -> Call:
        """GET the model."""
        return Call(self._path)

    def read_status(self, body: bytes) -> list[VersionState]:
        """The body of a status."""
        try:
            return [_read_state(state) for state in _read_object(body)["model_version_status"]]
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InternalError(f"the server's status cannot be read: {error!r}") from error

    def ask_predict(self, signature_name: str, signature: Signature, columns: Columns) -> Call:
        """POST ...:predict."""
        return Call(f"{self._path}:predict", _write({"signature_name": signature_name, "inputs": columns}))

    def read_predict(self, body: bytes, signature: Signature) -> Columns:
        """The outputs by name; of those whose name ends in `_bytes`, base64 becomes bytes."""
        content = _read_object(body)
        if "outputs" not in content:
            raise InternalError("the server's answer has no outputs")
        outputs = content["outputs"]
        if len(signature.outputs) == 1:
            outputs = dict.fromkeys(signature.outputs, outputs)
        if not isinstance(outputs, dict) or outputs.keys() != signature.outputs.keys():
            raise InternalError(f"the server's answer has not the outputs {', '.join(signature.outputs)}")
        return {
            name: _decode(outputs[name]) if name.endswith(_BYTES_SUFFIX) else outputs[name]
            for name in signature.outputs
        }

    def ask_examples(self, method: str, signature_name: str, examples: Sequence[Example]) -> Call:
        """POST ...:classify or ...:regress."""
        content = {"signature_name": signature_name, "examples": [_write_example(example) for example in examples]}
        return Call(f"{self._path}:{method}", _write(content))

    def read_classes(self, body: bytes) -> list[list[tuple[str, float]]]:
        """The body of ...:classify."""
        try:
            return [[(label, float(score)) for label, score in pairs] for pairs in _read_object(body)["results"]]
        except (KeyError, TypeError, ValueError) as error:
            raise InternalError(f"the server's classes cannot be read: {error!r}") from error

    def read_values(self, body: bytes) -> list[float]:
        """The body of ...:regress."""
        try:
            return [float(value) for value in _read_object(body)["results"]]
        except (KeyError, TypeError, ValueError) as error:
            raise InternalError(f"the server's values cannot be read: {error!r}") from error


def _write(content: Mapping[str, Any]) -> bytes:
    # not orjson, which writes null for NaN, the marker of missing numbers
    try:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(f"text that is no Unicode cannot be sent: {error.reason}") from error


def _write_example(example: Example) -> dict[str, Any]:
    return {name: _encode(value) for name, value in example.items()}


def _encode(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    return [_encode(item) for item in value] if isinstance(value, list) else value


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) and "b64" in value else value


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise InternalError(f"the server did not answer with a JSON object: {body[:300].decode(errors='replace')}")
    return content


def read_signatures(content: Mapping[str, Any]) -> dict[str, Signature]:
    """Return the signatures of a SignatureDefMap in JSON's form."""
    return {name: _read_signature(signature) for name, signature in content["signature_def"].items()}


def _read_signature(described: Mapping[str, Any]) -> Signature:
    inputs, outputs = (
        {name: _read_spec(tensor) for name, tensor in described.get(side, {}).items()} for side in ("inputs", "outputs")
    )
    return Signature(inputs, outputs, described.get("method_name", ""))


def _read_spec(described: Mapping[str, Any]) -> TensorSpec:
    shape = described.get("tensor_shape", {})
    sizes = tuple(int(dim["size"]) for dim in shape.get("dim", []))
    dtype = described["dtype"].removeprefix("DT_").lower()
    return TensorSpec(described.get("name", ""), dtype, None if shape.get("unknown_rank") else sizes)


def _read_state(described: Mapping[str, Any]) -> VersionState:
    status = described.get("status", {})
    return VersionState(
        int(described["version"]),
        described["state"],
        status.get("error_code", "OK"),
        status.get("error_message", ""),
    )
