"""The schemas and messages that other programs hold rendered files against."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pool, message_factory, text_format, wrappers_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

SCHEMAS = Path(__file__).parent / "schemas"


@pytest.fixture(scope="session")
def parse_proto() -> Callable[[str, str], Any]:
    """Return what parses a text proto as a message of TensorFlow Serving."""
    from serving import protos

    described = text_format.Parse((SCHEMAS / "tensorflow_serving.pbtxt").read_text("utf-8"), FileDescriptorSet())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(FileDescriptorProto.FromString(wrappers_pb2.DESCRIPTOR.serialized_pb))
    for file in described.file:
        pool.Add(file)

    def parse(name: str, text: str) -> Any:
        if name == "ModelServerConfig":
            return text_format.Parse(text, protos.ModelServerConfig())
        kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tensorflow.serving.{name}"))
        return text_format.Parse(text, kind())

    return parse


@pytest.fixture(scope="session")
def check_compose() -> Callable[[Any], None]:
    """Return what holds a document against the Compose specification."""
    import check_jsonschema
    import jsonschema_rs

    vendored = Path(check_jsonschema.__file__).parent / "builtin_schemas/vendor"
    schema = jsonschema_rs.validator_for(json.loads((vendored / "compose-spec.json").read_bytes()))
    return schema.validate


@pytest.fixture(scope="session")
def check_object() -> Callable[[Any], None]:
    """Return what holds an object against the strict schemas of an old and a new Kubernetes, or of KServe."""
    old, new = _read_schemas("1.28"), _read_schemas("1.34")

    def check(document: Any) -> None:
        # KServe's schema knows fields of pods that the old one lacks
        for find in (new,) if document["kind"] == "InferenceService" else (old, new):
            find(document["apiVersion"], document["kind"]).validate(document)

    return check


def _read_schemas(release: str) -> Callable[[str, str], Any]:
    """Return what finds the validator of a kind of object in a release of Kubernetes."""
    import jsonschema_rs
    import kubernetes_validate

    package = Path(kubernetes_validate.__file__).parent
    folder = package / f"kubernetes-json-schema/v{release}.0-local-strict"
    definitions = json.loads((folder / "_definitions.json").read_bytes())
    registry = jsonschema_rs.Registry([(definitions["$id"], definitions)])

    @cache
    def find(version: str, kind: str) -> Any:
        if kind == "InferenceService":
            schema = json.loads((SCHEMAS / "inferenceservice.json").read_bytes())
        else:
            group, _, number = version.rpartition("/")  # policy/v1 -> policy-v1, v1 -> v1
            name = "-".join(part for part in (kind.lower(), group.split(".")[0], number) if part)
            schema = json.loads((folder / f"{name}.json").read_bytes())
        own = {"$id": definitions["$id"].replace("_definitions", kind)}
        return jsonschema_rs.validator_for(own | schema, registry=registry)

    return find
