"""Which operations a model may run: an allow-list, held against its graph and functions before anything is loaded.

TensorFlow's own words are that a SavedModel is a program. ReadFile, WriteFile, PyFunc and a custom operation's library
would run in the server with all of its rights, so a model that holds one is refused; nothing has to be run to know it.
The list is in operation_names.py.

Three kinds of operations on files are a SavedModel's own, each in its place alone: loading it fills vocabulary tables
and reads the variables, and functions that no signature reaches would save them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from serving.artifact import SAVED_MODEL_FILE
from serving.errors import Code, DataLossError, ServingError
from serving.operation_names import ALLOWED
from serving.saved_model_proto import SavedGraphs

_LOADING = frozenset({"InitializeTableFromTextFile", "InitializeTableFromTextFileV2", "RestoreV2"})
_SAVING = frozenset({"SaveV2", "ShardedFilename", "MergeV2Checkpoints"})
_LOADERS = frozenset({"saved_model_main_op", "legacy_init_op"})
_INITIALIZER = "__saved_model_init_op"
_SHOWN = 5


class _Place(NamedTuple):
    """An operation and the function that it stands in; `graph` is no function."""

    operation: str
    function: str


def check_operations(version_path: Path) -> None:
    """Refuse a SavedModel that may do more than compute.

    Raises:
        DataLossError: saved_model.pb cannot be read or is not a SavedModel.
        ServingError: PERMISSION_DENIED, with the operations that are not allowed and where they stand.
    """
    file = version_path / SAVED_MODEL_FILE
    try:
        saved = SavedGraphs.FromString(file.read_bytes())
    except (OSError, DecodeError) as error:
        raise DataLossError(f"{file} is not a SavedModel: {error}") from error
    found = sorted({place for graph in saved.meta_graphs for place in _find_forbidden(graph)})
    if found:
        shown = ", ".join(f"{place.operation} (in {place.function})" for place in found[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise ServingError(f"forbidden operations: {shown}{more}", Code.PERMISSION_DENIED)


def _find_forbidden(meta_graph: Any) -> Iterator[_Place]:
    graph = meta_graph.graph
    functions = {function.signature.name: list(function.nodes) for function in graph.library.functions}
    signatures = {entry.key: entry.value for entry in meta_graph.signatures}
    loaders = [name for entry in meta_graph.collections if entry.key in _LOADERS for name in entry.value.nodes.value]
    loaders += [meta_graph.saver.restore_op_name]
    loaders += _outputs(signatures.pop(_INITIALIZER, None))
    asked = [name for signature in signatures.values() for name in _outputs(signature)]
    everything = {"graph": list(graph.nodes)} | functions
    parts = (
        (_reach(asked, graph, functions), ALLOWED),
        (_reach(loaders, graph, functions), ALLOWED | _LOADING),
        (everything, ALLOWED | _LOADING | _SAVING),
    )
    for nodes, names in parts:
        for function, members in nodes.items():
            known = names | functions.keys()
            yield from (_Place(node.op, function) for node in members if node.op not in known)


def _outputs(signature: Any) -> list[str]:
    return [entry.value.name for entry in signature.outputs] if signature else []


def _reach(names: Iterable[str], graph: Any, functions: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """The nodes that running `names` (of nodes or of their tensors) can run, by the function that they stand in."""
    nodes = {node.name: node for node in graph.nodes}
    found: dict[str, Any] = {}
    waiting = [_node_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in nodes and name not in found:
            found[name] = nodes[name]
            waiting += map(_node_name, nodes[name].inputs)
    reached = {"graph": list(found.values())}
    called = [name for node in found.values() for name in _calls(node)]
    while called:
        function = called.pop()
        if function in functions and function not in reached:
            reached[function] = functions[function]
            called += [name for node in functions[function] for name in _calls(node)]
    return reached


def _node_name(tensor: str) -> str:
    """The node that gives `name:0`, or that `^name` waits for."""
    return tensor.removeprefix("^").partition(":")[0]


def _calls(node: Any) -> Iterator[str]:
    """The functions that a node calls: an operation may be a function's name, or have functions as attributes."""
    yield node.op
    for entry in node.attributes:
        yield entry.value.function.name
        yield from (function.name for function in entry.value.list.functions)
