"""One pushed version: the folder `<base>/<integer>/` with a SavedModel, read without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from serving.errors import DataLossError
from serving.saved_model_proto import SavedModel

DEFAULT_SIGNATURE = "serving_default"
SAVED_MODEL_FILE = "saved_model.pb"
SCHEMA_FILE = Path("assets.extra", "schema.pbtxt")
"""What a row of the model's data looks like, in a version that `penstock run` pushed."""
EDGE_FILE = Path("assets.extra", "model.tflite")
"""The same model for devices, in a version that was pushed with `push.edge`."""

_SERVE_TAG = "serve"
_MAX_VERSION = 2**63 - 1

# Number in TensorFlow's types.proto -> the name that TensorFlow prints. 100 + n would be a reference to n.
_DTYPE_NAMES = {
    0: "INVALID",
    1: "float",
    2: "double",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    7: "string",
    8: "complex64",
    9: "int64",
    10: "bool",
    11: "qint8",
    12: "quint8",
    13: "qint32",
    14: "bfloat16",
    15: "qint16",
    16: "quint16",
    17: "uint16",
    18: "complex128",
    19: "half",
    20: "resource",
    21: "variant",
    22: "uint32",
    23: "uint64",
}


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One named input or output of a signature.

    Attributes:
        name: the tensor in the graph, such as `StatefulPartitionedCall:0`; empty for a sparse or composite tensor.
        dtype: TensorFlow's name of the type: `float`, `double`, `int64`, `string`, ...
        shape: sizes, -1 where unknown; None when even the rank is unknown.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Signature:
    """What a caller can run: named inputs to named outputs. The names may be any strings."""

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    method_name: str


def name_dtype(number: int) -> str:
    """TensorFlow's name of a dtype by its number in types.proto, as `TensorSpec` has it; else the number."""
    return _DTYPE_NAMES.get(number, str(number))


def locate(base: Path) -> dict[int, Path]:
    """The folder of each version below `base`: those with an integer name and a saved_model.pb.

    Staging folders, plain files and copies that have no saved_model.pb yet are no versions. No folder, no versions.
    """
    return {version: path for version, path in _list_numbered(base).items() if (path / SAVED_MODEL_FILE).is_file()}


def find_unfit(base: Path) -> dict[int, str]:
    """Why what has the name of a version below `base` is none."""
    unfit = {number: path for number, path in _list_numbered(base).items() if not (path / SAVED_MODEL_FILE).is_file()}
    return {
        number: f"{path} has no {SAVED_MODEL_FILE}" if path.is_dir() else f"{path} is a file, expected a folder"
        for number, path in unfit.items()
    }


def _list_numbered(base: Path) -> dict[int, Path]:
    if not base.is_dir():
        return {}
    named = [path for path in base.iterdir() if path.name.isascii() and path.name.isdigit() and len(path.name) < 20]
    return {int(path.name): path for path in named if int(path.name) <= _MAX_VERSION}


def versions(base: Path) -> list[int]:
    """The versions below `base`, ascending."""
    return sorted(locate(base))


def read_signatures(version_path: Path) -> dict[str, Signature]:
    """The signatures of a pushed version, by name, in the order of their names.

    Raises:
        DataLossError: saved_model.pb cannot be read, is not a SavedModel, has no graph for serving, or the variables
            that belong to it are not there.
    """
    graph = _find_serving_graph(_parse(version_path / SAVED_MODEL_FILE), version_path)
    # The loader would take a graph without its variables and fail at the first request.
    if graph.HasField("saver_def") and not (version_path / "variables" / "variables.index").is_file():
        raise DataLossError(f"{version_path}: variables/variables.index is missing")
    entries = sorted(graph.signature_def, key=lambda entry: str(entry.key))
    return {entry.key: _to_signature(entry.value) for entry in entries}


def _parse(file: Path) -> Any:
    try:
        return SavedModel.FromString(file.read_bytes())
    except OSError as error:
        raise DataLossError(f"{file} cannot be read: {error}") from error
    except DecodeError as error:
        raise DataLossError(f"{file} is not a SavedModel: {error}") from error


def _find_serving_graph(saved_model: Any, version_path: Path) -> Any:
    tag_sets = [sorted(graph.meta_info_def.tags) for graph in saved_model.meta_graphs]
    if [_SERVE_TAG] not in tag_sets:
        raise DataLossError(f"{version_path}: no graph with the tags ['{_SERVE_TAG}'], only {tag_sets}")
    return saved_model.meta_graphs[tag_sets.index([_SERVE_TAG])]


def _to_signature(message: Any) -> Signature:
    return Signature(_to_specs(message.inputs), _to_specs(message.outputs), message.method_name)


def _to_specs(entries: Any) -> dict[str, TensorSpec]:
    ordered = sorted(entries, key=lambda entry: str(entry.key))
    return {entry.key: _to_spec(entry.value) for entry in ordered}


def _to_spec(info: Any) -> TensorSpec:
    shape = None if info.tensor_shape.unknown_rank else tuple(dim.size for dim in info.tensor_shape.dim)
    return TensorSpec(info.name, name_dtype(info.dtype), shape)
