"""TensorFlow Serving's gRPC API over the models that REST answers for: what each method answers, in its words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from google.protobuf import json_format

from serving.artifact import DEFAULT_SIGNATURE
from serving.errors import InvalidArgumentError
from serving.protos import (
    GetModelMetadataResponse,
    GetModelStatusResponse,
    InferenceTask,
    ModelSpec,
    PredictResponse,
    ReloadConfigResponse,
    SignatureDefMap,
)
from serving.server import grpc_examples, metadata
from serving.server.grpc_request import read_feeds, read_output_filter, select_signature
from serving.server.inference import Inference, Outputs
from serving.server.keys import read_message_key
from serving.server.model import Servable
from serving.server.models_config import read_models
from serving.server.registry import ModelQuery, Registry
from serving.server.results import Method
from serving.server.tensors import fill_proto

_SIGNATURE_FIELD = "signature_def"


@dataclass(frozen=True, slots=True)
class Service:
    """The methods over one registry. Each takes a request message and returns the answer's, or raises ServingError.

    Those that run a model return what is to be run.
    """

    registry: Registry

    def prepare_predict(self, request: Any, query: ModelQuery | None = None) -> Inference:
        """PredictRequest to what is run, which writes a PredictResponse; `query` as `read_query` gives it.

        Raises:
            InvalidArgumentError: no model named, inputs that the signature does not take, unknown outputs.
            NotFoundError: unknown model or version.
            ServingError: unknown signature (FAILED_PRECONDITION).
        """
        servable = self.registry.find(query or read_query(request), partial(read_message_key, request))
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

    def prepare_classify(self, request: Any, query: ModelQuery | None = None) -> Inference:
        """ClassificationRequest to what is run, which writes a ClassificationResponse.

        Raises:
            InvalidArgumentError: no model named, unknown or unfit signature, no examples, outputs that are no classes.
            NotFoundError: unknown model or version.
        """
        return self._prepare_examples(request, query, "classify")

    def prepare_regress(self, request: Any, query: ModelQuery | None = None) -> Inference:
        """RegressionRequest to what is run, which writes a RegressionResponse; raises what `prepare_classify` does."""
        return self._prepare_examples(request, query, "regress")

    def prepare_multi_inference(self, request: Any) -> list[Inference]:
        """MultiInferenceRequest to what is run for each task; `grpc_examples.join` makes one answer of theirs.

        Raises:
            InvalidArgumentError: no task, or any of the faults of `prepare_classify` in one.
            NotFoundError: unknown model or version.
            UnimplementedError: a task of another method.
        """
        return grpc_examples.prepare_tasks(request, self.registry.find(read_query(first_task(request))))

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

    def _prepare_examples(self, request: Any, query: ModelQuery | None, method: Method) -> Inference:
        servable = self.registry.find(query or read_query(request), partial(read_message_key, request))
        return grpc_examples.prepare(request, servable, method)


def first_task(request: Any) -> Any:
    """The task that names the model of a MultiInferenceRequest; without any, one that names none."""
    return request.tasks[0] if request.tasks else InferenceTask(model_spec=ModelSpec())


def read_query(request: Any) -> ModelQuery:
    """The model that a request names.

    Raises:
        InvalidArgumentError: none.
    """
    if not request.HasField("model_spec"):
        raise InvalidArgumentError("Missing ModelSpec")
    return _read_spec(request.model_spec)


def _read_spec(spec: Any) -> ModelQuery:
    if not spec.name:
        raise InvalidArgumentError("ModelSpec has no name specified.")
    version = spec.version.value if spec.HasField("version") else None
    return ModelQuery(spec.name, version, spec.version_label if spec.HasField("version_label") else None)


def _fill_model_spec(spec: Any, request: Any, servable: Servable) -> None:
    spec.name = request.model_spec.name
    spec.version.value = servable.version
