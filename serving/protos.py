"""TensorFlow's and TensorFlow Serving's protobuf messages, without TensorFlow.

`from serving.protos import PredictRequest` gives the class at the first use. The generated modules of both packages
import all of TensorFlow (seconds, and hundreds of MB), so the descriptors are read from these modules' text into a pool
of their own; messages of this pool and of TensorFlow's exchange bytes, not objects.
"""

from __future__ import annotations

import ast
import importlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorProto

_FILES = {
    "ClassificationRequest": "tensorflow_serving/apis/classification.proto",
    "ClassificationResponse": "tensorflow_serving/apis/classification.proto",
    "ConfigProto": "tensorflow/core/protobuf/config.proto",
    "Example": "tensorflow/core/example/example.proto",
    "GetModelMetadataRequest": "tensorflow_serving/apis/get_model_metadata.proto",
    "GetModelMetadataResponse": "tensorflow_serving/apis/get_model_metadata.proto",
    "GetModelStatusRequest": "tensorflow_serving/apis/get_model_status.proto",
    "GetModelStatusResponse": "tensorflow_serving/apis/get_model_status.proto",
    "InferenceTask": "tensorflow_serving/apis/inference.proto",
    "Input": "tensorflow_serving/apis/input.proto",
    "ModelServerConfig": "tensorflow_serving/config/model_server_config.proto",
    "ModelSpec": "tensorflow_serving/apis/model.proto",
    "MultiInferenceRequest": "tensorflow_serving/apis/inference.proto",
    "MultiInferenceResponse": "tensorflow_serving/apis/inference.proto",
    "PredictRequest": "tensorflow_serving/apis/predict.proto",
    "PredictResponse": "tensorflow_serving/apis/predict.proto",
    "PredictionLog": "tensorflow_serving/apis/prediction_log.proto",
    "RegressionRequest": "tensorflow_serving/apis/regression.proto",
    "RegressionResponse": "tensorflow_serving/apis/regression.proto",
    "ReloadConfigRequest": "tensorflow_serving/apis/model_management.proto",
    "ReloadConfigResponse": "tensorflow_serving/apis/model_management.proto",
    "SignatureDef": "tensorflow/core/protobuf/meta_graph.proto",
    "SignatureDefMap": "tensorflow_serving/apis/get_model_metadata.proto",
    "TensorProto": "tensorflow/core/framework/tensor.proto",
}

_pool = descriptor_pool.DescriptorPool()


def __getattr__(name: str) -> Any:
    """Return the class of a message."""
    return _make_class(name)


@cache
def _make_class(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"{__name__} knows no message {name!r}")
    file = _add(_FILES[name])
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{file.package}.{name}"))


@cache
def _add(path: str) -> FileDescriptorProto:
    """Put a .proto file and those that it imports into the pool."""
    file = FileDescriptorProto.FromString(_read_descriptor(path))
    for dependency in file.dependency:
        _add(dependency)
    _pool.Add(file)
    return file


def _read_descriptor(path: str) -> bytes:
    module = path.removesuffix(".proto") + "_pb2"
    if module.startswith("xla/"):
        module = f"tensorflow/compiler/{module}"
    package, _, rest = module.partition("/")
    if package == "google":
        serialized: bytes = importlib.import_module(module.replace("/", ".")).DESCRIPTOR.serialized_pb
        return serialized
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        # protoc writes the descriptor as one literal, the argument of AddSerializedFile
        for node in ast.walk(ast.parse(Path(folder, f"{rest}.py").read_bytes())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "AddSerializedFile":
                descriptor: bytes = ast.literal_eval(node.args[0])
                return descriptor
    raise ImportError(f"{path}: the package {package} is not installed, or its generated modules have another form")
