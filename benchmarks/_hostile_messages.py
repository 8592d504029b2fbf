"""What hostile clients send over gRPC. Strategies of hypothesis."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from _hostile_bodies import Target
from hypothesis import strategies as st

from serving.protos import GetModelMetadataRequest, GetModelStatusRequest, PredictRequest, TensorProto


class Call(NamedTuple):
    """One gRPC request: the method's path and the message's bytes."""

    method: str
    message: bytes


def calls(target: Target) -> st.SearchStrategy[Call]:
    """Return gRPC calls; HandleReloadConfigRequest is none of them, for a right one would take the model away."""
    predict = "/tensorflow.serving.PredictionService/Predict"
    methods = st.sampled_from(
        [
            predict,
            "/tensorflow.serving.PredictionService/GetModelMetadata",
            "/tensorflow.serving.ModelService/GetModelStatus",
            "/tensorflow.serving.PredictionService/Classify",
            "/grpc.health.v1.Health/Check",
            "/no/such",
            "/x",
        ]
    )
    feeds = st.dictionaries(st.sampled_from([*target.inputs, "", "nobody"]), _tensors(), max_size=len(target.inputs))
    all_feeds = st.fixed_dictionaries({name: _tensors([dtype]) for name, dtype in target.inputs.items()})
    messages = st.builds(_write_predict, _specs(target), feeds | all_feeds, st.lists(st.text(max_size=5), max_size=2))
    others = st.builds(_write_other, st.sampled_from([GetModelMetadataRequest, GetModelStatusRequest]), _specs(target))
    cut = st.builds(lambda message, size: message[:size], messages, st.integers(0, 200))
    return st.one_of(
        messages.map(lambda message: Call(predict, message)),
        messages.map(lambda message: Call(predict, message)),
        st.builds(Call, methods, st.one_of(st.binary(max_size=200), cut, others, messages)),
    )


def _specs(target: Target) -> st.SearchStrategy[tuple[Any, ...]]:
    models = st.sampled_from([target.model] * 6 + ["", "nobody", "a" * 5000, "\u0000"])
    versions = st.sampled_from([None] * 6 + [0, -1, 1, 2**63 - 1])
    labels = st.sampled_from([None] * 6 + ["", "stable"])
    signatures = st.sampled_from(
        [""] * 4 + ["serving_default", "scalar", "anything", "nobody", "__saved_model_init_op"]
    )
    return st.tuples(models, versions, labels, signatures)


def _fill_spec(spec: Any, wanted: tuple[Any, ...]) -> None:
    spec.name, version, label, spec.signature_name = wanted
    if version is not None:
        spec.version.value = version
    elif label is not None:
        spec.version_label = label


def _write_predict(spec: tuple[Any, ...], feeds: Mapping[str, Any], wanted: list[str]) -> bytes:
    request = PredictRequest(output_filter=wanted)
    _fill_spec(request.model_spec, spec)
    for name, proto in feeds.items():
        request.inputs[name].CopyFrom(proto)
    return bytes(request.SerializeToString())


def _write_other(request_class: Callable[..., Any], spec: tuple[Any, ...]) -> bytes:
    request = request_class()
    _fill_spec(request.model_spec, spec)
    return bytes(request.SerializeToString())


def _tensors(dtypes: list[int] | None = None) -> st.SearchStrategy[Any]:
    sizes = st.lists(st.sampled_from([0, 1, 1, 2, 3, -1, -(2**63), 2**20, 2**31, 2**40, 2**62, 2**63 - 1]), max_size=4)
    contents = st.sampled_from([b"", b"\xff" * 16, b"\x00" * 7, b"\x80" * 40, struct.pack("3f", 1, 2, 3)]) | st.binary(
        max_size=16
    )
    fields = st.sampled_from(["float_val", "double_val", "int_val", "string_val", "int64_val", "bool_val", "half_val"])
    kinds = st.sampled_from(dtypes) if dtypes else st.sampled_from([*range(30), 101, 107, 2**31 - 1])

    def build(dtype: int, shape: list[int], content: bytes, field: str, count: int, unknown: bool) -> Any:
        proto = TensorProto(dtype=dtype, tensor_content=content)
        proto.tensor_shape.unknown_rank = unknown
        for size in shape:
            proto.tensor_shape.dim.add().size = size
        getattr(proto, field).extend([b"a" if field == "string_val" else 1] * count)
        return proto

    return st.builds(
        build, kinds, sizes, contents, fields, st.sampled_from([0, 1, 2, 1000]), st.just(False) | st.booleans()
    )
