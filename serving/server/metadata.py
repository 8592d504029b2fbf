"""Bodies of the status and metadata endpoints: protobuf's JSON form of TensorFlow Serving's messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from serving.artifact import Signature, TensorSpec
from serving.server.model import Servable
from serving.server.versions import VersionStatus


def write_statuses(statuses: Sequence[VersionStatus]) -> bytes:
    """The JSON body of a GetModelStatusResponse."""
    return orjson.dumps({"model_version_status": [_to_status(status) for status in statuses]})


def write_metadata(name: str, servable: Servable) -> bytes:
    """The JSON body of a GetModelMetadataResponse for the field `signature_def`."""
    return orjson.dumps(
        {
            "model_spec": {"name": name, "signature_name": "", "version": str(servable.version)},
            "metadata": {"signature_def": orjson.Fragment(write_signatures(servable))},
        }
    )


def write_signatures(servable: Servable) -> bytes:
    """The JSON form of a SignatureDefMap."""
    signatures = {key: _to_signature(signature) for key, signature in servable.signatures.items()}
    return orjson.dumps({"signature_def": signatures})


def _to_status(status: VersionStatus) -> dict[str, Any]:
    return {
        "version": str(status.version),
        "state": status.state.value,
        "status": {"error_code": status.code.name, "error_message": status.message},
    }


def _to_signature(signature: Signature) -> dict[str, Any]:
    return {
        "inputs": _to_tensors(signature.inputs),
        "outputs": _to_tensors(signature.outputs),
        "method_name": signature.method_name,
        "defaults": {},
    }


def _to_tensors(specs: Mapping[str, TensorSpec]) -> dict[str, Any]:
    return {key: _to_tensor(spec) for key, spec in specs.items()}


def _to_tensor(spec: TensorSpec) -> dict[str, Any]:
    sizes = [{"size": str(size), "name": ""} for size in spec.shape or ()]
    shape = {"dim": sizes, "unknown_rank": spec.shape is None}
    return {"dtype": f"DT_{spec.dtype.upper()}", "tensor_shape": shape, "name": spec.name}
