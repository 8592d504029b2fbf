"""The parts of TensorFlow's SavedModel message that tell what a model takes and gives, and what it runs.

TensorFlow's own generated class cannot be had without importing TensorFlow (seconds, and hundreds of MB). A protobuf
reader skips the fields it was not told of, so this names the few that matter; only SavedGraphs decodes the graph.
Field numbers: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/protobuf/meta_graph.proto,
saved_model.proto, saver.proto, and graph, node_def, function and attr_value of core/framework. The maps are declared
as the repeated key/value pairs that they are on the wire.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

_PACKAGE = "penstock.serving"


class _Field(NamedTuple):
    """One field: a scalar `kind` (`string`, `int64`, ...) or the name of another message here."""

    name: str
    number: int
    kind: str
    repeated: bool = False


_MESSAGES = {
    "SavedModel": [_Field("meta_graphs", 2, "MetaGraph", repeated=True)],
    "MetaGraph": [
        _Field("meta_info_def", 1, "MetaInfo"),
        _Field("saver_def", 3, "SaverDef"),
        _Field("signature_def", 5, "SignatureEntry", repeated=True),
    ],
    "MetaInfo": [_Field("tags", 4, "string", repeated=True)],
    "SaverDef": [],
    "SignatureEntry": [_Field("key", 1, "string"), _Field("value", 2, "Signature")],
    "Signature": [
        _Field("inputs", 1, "TensorEntry", repeated=True),
        _Field("outputs", 2, "TensorEntry", repeated=True),
        _Field("method_name", 3, "string"),
    ],
    "TensorEntry": [_Field("key", 1, "string"), _Field("value", 2, "TensorInfo")],
    "TensorInfo": [_Field("name", 1, "string"), _Field("dtype", 2, "int32"), _Field("tensor_shape", 3, "Shape")],
    "Shape": [_Field("dim", 2, "Dimension", repeated=True), _Field("unknown_rank", 3, "bool")],
    "Dimension": [_Field("size", 1, "int64")],
    "SavedGraphs": [_Field("meta_graphs", 2, "GraphOfTags", repeated=True)],
    "GraphOfTags": [
        _Field("graph", 2, "Graph"),
        _Field("saver", 3, "Saver"),
        _Field("collections", 4, "CollectionEntry", repeated=True),
        _Field("signatures", 5, "SignatureEntry", repeated=True),
    ],
    "Saver": [_Field("restore_op_name", 3, "string")],
    "CollectionEntry": [_Field("key", 1, "string"), _Field("value", 2, "Collection")],
    "Collection": [_Field("nodes", 1, "NodeNames")],
    "NodeNames": [_Field("value", 1, "string", repeated=True)],
    "Graph": [_Field("nodes", 1, "Node", repeated=True), _Field("library", 2, "Library")],
    "Library": [_Field("functions", 1, "Function", repeated=True)],
    "Function": [_Field("signature", 1, "FunctionSignature"), _Field("nodes", 3, "Node", repeated=True)],
    "FunctionSignature": [_Field("name", 1, "string")],
    "Node": [
        _Field("name", 1, "string"),
        _Field("op", 2, "string"),
        _Field("inputs", 3, "string", repeated=True),
        _Field("attributes", 5, "AttributeEntry", repeated=True),
    ],
    "AttributeEntry": [_Field("key", 1, "string"), _Field("value", 2, "Attribute")],
    "Attribute": [_Field("list", 1, "AttributeList"), _Field("function", 10, "FunctionName")],
    "AttributeList": [_Field("functions", 9, "FunctionName", repeated=True)],
    "FunctionName": [_Field("name", 1, "string")],
}


def _describe_field(field: _Field) -> FieldDescriptorProto:
    described = FieldDescriptorProto(name=field.name, number=field.number)
    described.label = FieldDescriptorProto.LABEL_REPEATED if field.repeated else FieldDescriptorProto.LABEL_OPTIONAL
    if field.kind in _MESSAGES:
        described.type = FieldDescriptorProto.TYPE_MESSAGE
        described.type_name = f".{_PACKAGE}.{field.kind}"
    else:
        described.type = FieldDescriptorProto.Type.Value(f"TYPE_{field.kind.upper()}")
    return described


def _build_messages() -> tuple[Any, Any]:
    file = FileDescriptorProto(name="penstock/serving/saved_model.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        file.message_type.add(name=name).field.extend(_describe_field(field) for field in fields)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    saved_model, saved_graphs = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in ("SavedModel", "SavedGraphs")
    )
    return saved_model, saved_graphs


# `Any`, because protobuf makes the classes at run time
SavedModel: Any
SavedGraphs: Any
SavedModel, SavedGraphs = _build_messages()
