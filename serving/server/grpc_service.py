"""TensorFlow Serving's gRPC API over the models that REST answers for: what each method answers, in its words.

Classify, Regress and MultiInference are left out; gRPC answers UNIMPLEMENTED for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format

from serving.artifact import DEFAULT_SIGNATURE
from serving.errors import InvalidArgumentError
from serving.protos import (
    GetModelMetadataResponse,
    GetModelStatusResponse,
    PredictResponse,
    ReloadConfigResponse,
    SignatureDefMap,
)
from serving.server import metadata
from serving.server.grpc_request import read_feeds, read_output_filter, select_signature
from serving.server.inference import Inference, Outputs
from serving.server.model import Servable
from serving.server.models_config import read_models
from serving.server.registry import ModelQuery, Registry
from serving.server.tensors import fill_proto

_SIGNATURE_FIELD = "signature_def"


@dataclass(frozen=True, slots=True)
class Service:
    """The methods over one registry. Each takes a request message and returns the answer's, or raises ServingError.

    Those that run a model return what is to be run.
    """

    registry: Registry

    def prepare_predict(self, request: Any) -> Inference:
        """PredictRequest to what is run, which writes a PredictResponse.

        Raises:
            InvalidArgumentError: no model named, inputs that the signature does not take, unknown outputs.
            NotFoundError: unknown model or version.
            ServingError: unknown signature (FAILED_PRECONDITION).
        """
        servable = self.registry.find(read_query(request))
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        signature = select_signature(servable.signatures, name)
        feeds = read_feeds(request.inputs, signature.inputs)
        wanted = read_output_filter(request.output_filter, signature)

        def write(outputs: Outputs) -> Any:
            response = PredictResponse()
            _fill_model_spec(response.model_spec, request, servable)
            response.model_spec.signature_name = name
            for output in wanted:
                fill_proto(response.outputs[output], outputs[output])
            return response

        return Inference(servable, name, feeds, write, is_queued=True)

    def get_metadata(self, request: Any) -> Any:
        """GetModelMetadataRequest to GetModelMetadataResponse.

        Raises:
            InvalidArgumentError: no model named, or a field other than `signature_def`.
            NotFoundError: unknown model or version.
        """
        query = read_query(request)
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
        statuses = self.registry.list_statuses(read_query(request))
        return json_format.Parse(metadata.write_statuses(statuses), GetModelStatusResponse())

    def reload_config(self, request: Any) -> Any:
        """ReloadConfigRequest to ReloadConfigResponse, once exactly the models of the request are loaded.

        Raises:
            InvalidArgumentError: no list of models, or one that cannot be served.
            ServingError: a new model did not load, or a label is given to a version that is not loaded.
        """
        if request.config.WhichOneof("config") != "model_config_list":
            raise InvalidArgumentError(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
                "supported"
            )
        self.registry.configure(read_models(request.config.model_config_list))
        response = ReloadConfigResponse()
        response.status.SetInParent()
        return response


def read_query(request: Any) -> ModelQuery:
    """The model that a request names.

    Raises:
        InvalidArgumentError: none.
    """
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
