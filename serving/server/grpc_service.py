"""TensorFlow Serving's gRPC API over the models that REST answers for: what each method answers, in its words.

Classify, Regress, MultiInference and HandleReloadConfigRequest are left out; gRPC answers UNIMPLEMENTED for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format

from serving.artifact import DEFAULT_SIGNATURE, Signature, TensorSpec
from serving.errors import Code, InternalError, InvalidArgumentError, ServingError
from serving.server import metadata, tensors
from serving.server.dense import Array
from serving.server.model import Servable
from serving.server.registry import ModelQuery, Registry

_SIGNATURE_FIELD = "signature_def"


@dataclass(frozen=True, slots=True)
class Service:
    """The methods over one registry. Each takes a request message and returns the answer's, or raises ServingError."""

    registry: Registry

    def predict(self, request: Any) -> Any:
        """PredictRequest to PredictResponse.

        Raises:
            InvalidArgumentError: no model named, inputs that the signature does not take, unknown outputs.
            NotFoundError: unknown model or version.
            ServingError: unknown signature (FAILED_PRECONDITION), or what TensorFlow says of the run.
        """
        from tensorflow_serving.apis.predict_pb2 import PredictResponse

        servable = self.registry.find(_read_query(request))
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        signature = _select_signature(servable.signatures, name)
        feeds = _read_feeds(request.inputs, signature.inputs)
        wanted = _read_output_filter(request.output_filter, signature)
        outputs = servable.run(name, feeds)
        response = PredictResponse()
        _fill_model_spec(response.model_spec, request, servable)
        response.model_spec.signature_name = name
        for output in wanted:
            response.outputs[output].CopyFrom(tensors.to_proto(outputs[output]))
        return response

    def get_metadata(self, request: Any) -> Any:
        """GetModelMetadataRequest to GetModelMetadataResponse.

        Raises:
            InvalidArgumentError: no model named, or a field other than `signature_def`.
            NotFoundError: unknown model or version.
        """
        from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataResponse, SignatureDefMap

        query = _read_query(request)
        if not request.metadata_field:
            raise InvalidArgumentError("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != _SIGNATURE_FIELD:
                raise InvalidArgumentError(f"Metadata field {field} is not supported")
        servable = self.registry.find(query)
        signatures = json_format.Parse(metadata.write_signatures(servable), SignatureDefMap())
        response = GetModelMetadataResponse()
        _fill_model_spec(response.model_spec, request, servable)
        response.metadata[_SIGNATURE_FIELD].Pack(signatures)
        return response

    def get_status(self, request: Any) -> Any:
        """GetModelStatusRequest to GetModelStatusResponse.

        Raises:
            InvalidArgumentError: no model named.
            NotFoundError: unknown model or version.
        """
        from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse

        statuses = self.registry.list_statuses(_read_query(request))
        return json_format.Parse(metadata.write_statuses(statuses), GetModelStatusResponse())


def _read_query(request: Any) -> ModelQuery:
    if not request.HasField("model_spec"):
        raise InvalidArgumentError("Missing ModelSpec")
    spec = request.model_spec
    if not spec.name:
        raise InvalidArgumentError("ModelSpec has no name specified.")
    version = spec.version.value if spec.HasField("version") else None
    return ModelQuery(spec.name, version, spec.version_label if spec.HasField("version_label") else None)


def _fill_model_spec(spec: Any, request: Any, servable: Servable) -> None:
    spec.name = request.model_spec.name
    spec.version.value = servable.version


def _select_signature(signatures: Mapping[str, Signature], name: str) -> Signature:
    if name not in signatures:
        raise ServingError(f'Serving signature key "{name}" not found.', Code.FAILED_PRECONDITION)
    if not signatures[name].inputs:
        raise InternalError("Expected at least one input Tensor in prediction signature.")
    return signatures[name]


def _read_feeds(inputs: Mapping[str, Any], specs: Mapping[str, TensorSpec]) -> dict[str, Array]:
    _check_names(inputs, specs)
    for index, (name, spec) in enumerate(specs.items()):
        given = tensors.get_dtype_name(inputs[name])
        if given != spec.dtype:
            raise InvalidArgumentError(
                f"Expects arg[{index}] to be {spec.dtype} but {given} is provided (input {name})"
            )
    return {name: tensors.to_array(inputs[name], name) for name in specs}


def _check_names(inputs: Mapping[str, Any], specs: Mapping[str, TensorSpec]) -> None:
    if len(inputs) != len(specs):
        raise InvalidArgumentError(
            f"input size does not match signature: {len(inputs)}!={len(specs)} len({_show(inputs)}) != "
            f"len({_show(specs)}). Sent extra: {_show(inputs.keys() - specs.keys())}. "
            f"Missing but required: {_show(specs.keys() - inputs.keys())}."
        )
    for name in sorted(inputs):
        if name not in specs:
            raise InvalidArgumentError(
                f"input tensor alias not found in signature: {name}. Inputs expected to be in the set {_show(specs)}."
            )


def _read_output_filter(names: Sequence[str], signature: Signature) -> Sequence[str]:
    """The outputs to answer with: those named, or all."""
    for position, name in enumerate(names):
        if name not in signature.outputs:
            raise InvalidArgumentError(
                f"output tensor alias not found in signature: {name} Outputs expected to be in the set "
                f"{_show(signature.outputs)}."
            )
        if name in names[:position]:
            raise InvalidArgumentError(f"duplicate output tensor alias: {name}")
    return names or list(signature.outputs)


def _show(names: Mapping[str, Any] | set[str]) -> str:
    return f"{{{','.join(sorted(names))}}}"
