"""TensorFlow Serving's gRPC API: serialized messages out and in, tensors by NumPy. No TensorFlow, and no channel."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from serving import protos
from serving.artifact import Signature, TensorSpec
from serving.client.messages import Call, Columns, Description, Example, VersionState
from serving.client.options import Options
from serving.client.rest import read_signatures
from serving.errors import Code, InternalError, InvalidArgumentError

_SIGNATURES = "signature_def"
_PREDICTION, _MODEL = "/tensorflow.serving.PredictionService", "/tensorflow.serving.ModelService"
_NUMPY = {"float": "float32", "double": "float64", "half": "float16"}
_DTYPES = protos.TensorProto.DESCRIPTOR.fields_by_name["dtype"].enum_type
# Where typed values are; integers of up to 32 bits share a field.
_FIELDS = {
    "float": "float_val",
    "double": "double_val",
    "half": "half_val",
    "int64": "int64_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "bool": "bool_val",
    "string": "string_val",
}


class Rpc:
    """The requests for one model, as `Wire` says."""

    def __init__(self, model: str, options: Options) -> None:
        self._model = model
        self._options = options

    def ask_description(self) -> Call:
        """GetModelMetadata."""
        request = protos.GetModelMetadataRequest(metadata_field=[_SIGNATURES])
        self._fill(request.model_spec, "")
        return Call(f"{_PREDICTION}/GetModelMetadata", request.SerializeToString())

    def read_description(self, body: bytes) -> Description:
        """A GetModelMetadataResponse."""
        response = _parse(protos.GetModelMetadataResponse, body)
        signatures = _parse(protos.SignatureDefMap, response.metadata[_SIGNATURES].value)
        return Description(
            response.model_spec.version.value,
            read_signatures(
                json_format.MessageToDict(
                    signatures, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
                )
            ),
        )

    def ask_status(self) -> Call:
        """GetModelStatus."""
        request = protos.GetModelStatusRequest()
        self._fill(request.model_spec, "")
        return Call(f"{_MODEL}/GetModelStatus", request.SerializeToString())

    def read_status(self, body: bytes) -> list[VersionState]:
        """A GetModelStatusResponse."""
        states = _parse(protos.GetModelStatusResponse, body).model_version_status
        return [
            VersionState(
                each.version,
                each.State.Name(each.state),
                Code(each.status.error_code).name,
                each.status.error_message,
            )
            for each in states
        ]

    def ask_predict(self, signature_name: str, signature: Signature, columns: Columns) -> Call:
        """Predict, with one tensor for each input."""
        request = protos.PredictRequest()
        self._fill(request.model_spec, signature_name)
        for name, values in columns.items():
            _fill_tensor(request.inputs[name], name, values, signature.inputs[name])
        return Call(f"{_PREDICTION}/Predict", request.SerializeToString())

    def read_predict(self, body: bytes, signature: Signature) -> Columns:
        """A PredictResponse. Text is text but in outputs whose name ends in `_bytes`, as over REST."""
        outputs = _parse(protos.PredictResponse, body).outputs
        if outputs.keys() != signature.outputs.keys():
            raise InternalError(f"the server's answer has not the outputs {', '.join(signature.outputs)}")
        return {name: _read_tensor(outputs[name], is_text=not name.endswith("_bytes")) for name in signature.outputs}

    def ask_examples(self, method: str, signature_name: str, examples: Sequence[Example]) -> Call:
        """Classify or Regress."""
        request = protos.ClassificationRequest() if method == "classify" else protos.RegressionRequest()
        self._fill(request.model_spec, signature_name)
        for example in examples:
            _fill_example(request.input.example_list.examples.add(), example)
        return Call(f"{_PREDICTION}/{method.capitalize()}", request.SerializeToString())

    def read_classes(self, body: bytes) -> list[list[tuple[str, float]]]:
        """A ClassificationResponse."""
        results = _parse(protos.ClassificationResponse, body).result.classifications
        return [[(each.label, each.score) for each in result.classes] for result in results]

    def read_values(self, body: bytes) -> list[float]:
        """A RegressionResponse."""
        return [each.value for each in _parse(protos.RegressionResponse, body).result.regressions]

    def _fill(self, spec: Any, signature_name: str) -> None:
        spec.name, spec.signature_name = self._model, signature_name
        if self._options.version is not None:
            spec.version.value = self._options.version
        elif self._options.label is not None:
            spec.version_label = self._options.label


def _parse(kind: Any, body: bytes) -> Any:
    try:
        message: Message = kind.FromString(body)
    except DecodeError as error:
        raise InternalError(f"the server did not answer with a {kind.DESCRIPTOR.name}: {error}") from error
    return message


def _fill_tensor(proto: Any, name: str, values: list[Any], spec: TensorSpec) -> None:
    try:
        proto.dtype = _DTYPES.values_by_name[f"DT_{spec.dtype.upper()}"].number
        if spec.dtype == "string":
            shape, flat = _flatten(values)
            proto.string_val.extend(map(_to_bytes, flat))
        else:
            with np.errstate(over="ignore"):  # too large for a float is infinite, as over REST
                array = np.asarray(values, _NUMPY.get(spec.dtype, spec.dtype))
            shape = array.shape
            proto.tensor_content = array.tobytes()
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InvalidArgumentError(f"feature {name!r}: no {spec.dtype} tensor: {error}") from error
    proto.tensor_shape.SetInParent()
    for size in shape:
        proto.tensor_shape.dim.add(size=size)


def _flatten(values: list[Any]) -> tuple[tuple[int, ...], list[Any]]:
    shape = [len(values)]
    while values and isinstance(values[0], list):
        shape.append(len(values[0]))
        values = [each for inner in values for each in inner]
        if len(values) != math.prod(shape):
            raise ValueError("lists of different lengths")
    return tuple(shape), values


def _to_bytes(value: Any) -> bytes:
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode()


def _read_tensor(proto: Any, *, is_text: bool) -> Any:
    dtype = _DTYPES.values_by_number[proto.dtype].name.removeprefix("DT_").lower()
    shape = [dim.size for dim in proto.tensor_shape.dim]
    try:
        if proto.tensor_content:
            flat = np.frombuffer(proto.tensor_content, _NUMPY.get(dtype, dtype))
        elif dtype == "string":
            texts = [each.decode(errors="replace") if is_text else each for each in proto.string_val]
            flat = np.array(texts, object)
        elif dtype == "half":
            flat = np.array(proto.half_val, np.uint16).view(np.float16)
        else:
            flat = np.array(getattr(proto, _FIELDS.get(dtype, "int_val")), _NUMPY.get(dtype, dtype))
        if len(flat) == 1:
            return np.broadcast_to(flat, shape).tolist()
        return flat.reshape(shape).tolist()
    except (TypeError, ValueError) as error:
        raise InternalError(f"the server's answer has a tensor that cannot be read: {error}") from error


def _fill_example(example: Any, values: Example) -> None:
    for name, value in values.items():
        _fill_feature(example.features.feature[name], name, value if isinstance(value, list) else [value])


def _fill_feature(feature: Any, name: str, items: list[Any]) -> None:
    """Fill in values by their Python type, as REST takes JSON's."""
    kinds = set(map(type, items))
    if kinds <= {int, bool}:
        feature.int64_list.value.extend(items)
    elif kinds <= {float}:
        feature.float_list.value.extend(items)
    elif kinds <= {str, bytes}:
        feature.bytes_list.value.extend(item.encode() if isinstance(item, str) else item for item in items)
    else:
        raise InvalidArgumentError(f"feature {name!r}: expected numbers of one kind, or text, got {items!r:.80}")
