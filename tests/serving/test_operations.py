"""The allow-list of operations: graphs made by hand, so that TensorFlow is not needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serving.errors import Code, DataLossError, ServingError
from serving.operation_names import ALLOWED
from serving.operations import check_operations
from serving.saved_model_proto import SavedGraphs


def add(nodes: Any, name: str, op: str, inputs: tuple[str, ...] = (), function: str = "") -> None:
    node = nodes.add(name=name, op=op)
    node.inputs.extend(inputs)
    if function:
        node.attributes.add(key="f").value.function.name = function


def add_function(graph: Any, name: str, op: str, calls: str = "") -> None:
    function = graph.graph.library.functions.add()
    function.signature.name = name
    add(function.nodes, "inner", op, function=calls)


@pytest.fixture
def saved() -> Any:
    """A model as TensorFlow saves it: a signature, a function that fills a table, one that restores, one that saves."""
    message = SavedGraphs()
    graph = message.meta_graphs.add()
    nodes = graph.graph.nodes
    add(nodes, "x", "Placeholder")
    add(nodes, "answer", "StatefulPartitionedCall", ("x",), "predict")
    add(nodes, "fill", "StatefulPartitionedCall", function="fill_table")
    add(nodes, "start", "NoOp", ("^fill",))
    add(nodes, "save", "StatefulPartitionedCall", function="save_all")
    add(nodes, "restore", "StatefulPartitionedCall", function="restore_all")
    add_function(graph, "predict", "PartitionedCall", calls="deep")
    add_function(graph, "deep", "MatMul")
    add_function(graph, "fill_table", "InitializeTableFromTextFileV2")
    add_function(graph, "save_all", "SaveV2")
    add_function(graph, "restore_all", "RestoreV2")
    graph.saver.restore_op_name = "restore"
    for name, node in (("serving_default", "answer"), ("__saved_model_init_op", "start")):
        entry = graph.signatures.add(key=name)
        entry.value.outputs.add(key="y").value.name = f"{node}:0"
    return message


@pytest.fixture
def check(tmp_path: Path) -> Callable[[Any], str]:
    """`check(saved)`: what is said of the model, nothing if it may be loaded."""

    def run(saved: Any) -> str:
        (tmp_path / "saved_model.pb").write_bytes(saved.SerializeToString())
        try:
            check_operations(tmp_path)
        except ServingError as error:
            assert error.code == Code.PERMISSION_DENIED
            return error.message
        return ""

    return run


def function_of(saved: Any, name: str) -> Any:
    functions = saved.meta_graphs[0].graph.library.functions
    return next(function for function in functions if function.signature.name == name)


def test_what_tensorflow_saves_may_be_loaded(saved, check):
    assert check(saved) == ""


@pytest.mark.parametrize(
    "op", ["ReadFile", "WriteFile", "PyFunc", "EagerPyFunc", "PrintV2", "TextLineDataset", "XlaCallModule", "Own>Op"]
)
def test_operations_beyond_the_list_are_refused_wherever_they_stand(saved, check, op):
    function_of(saved, "deep").nodes[0].op = op
    assert check(saved) == f"forbidden operations: {op} (in deep)"


def test_a_function_that_nobody_calls_counts_too(saved, check):
    add_function(saved.meta_graphs[0], "hidden", "ReadFile")
    assert check(saved) == "forbidden operations: ReadFile (in hidden)"


def test_the_graph_itself_counts_too(saved, check):
    add(saved.meta_graphs[0].graph.nodes, "read", "ReadFile")
    assert check(saved) == "forbidden operations: ReadFile (in graph)"


@pytest.mark.parametrize("op", ["SaveV2", "RestoreV2", "InitializeTableFromTextFileV2", "MergeV2Checkpoints"])
def test_a_signature_may_not_touch_the_models_own_files(saved, check, op):
    function_of(saved, "deep").nodes[0].op = op
    assert check(saved) == f"forbidden operations: {op} (in deep)"


def test_nor_may_it_call_the_function_that_saves(saved, check):
    add(function_of(saved, "deep").nodes, "again", "If")
    branches = function_of(saved, "deep").nodes[-1].attributes.add(key="branches").value.list
    branches.functions.add(name="save_all")
    assert check(saved) == "forbidden operations: SaveV2 (in save_all)"


@pytest.mark.parametrize("loader", ["fill_table", "restore_all"])
def test_loading_may_not_save(saved, check, loader):
    function_of(saved, loader).nodes[0].op = "SaveV2"
    assert check(saved) == f"forbidden operations: SaveV2 (in {loader})"


def test_what_the_first_version_of_tensorflow_saved_may_be_loaded(check):
    message = SavedGraphs()
    graph = message.meta_graphs.add()
    add(graph.graph.nodes, "table", "InitializeTableFromTextFileV2")
    add(graph.graph.nodes, "init", "NoOp", ("^table",))
    add(graph.graph.nodes, "restore", "RestoreV2")
    add(graph.graph.nodes, "save", "SaveV2")
    graph.saver.restore_op_name = "restore"
    graph.collections.add(key="legacy_init_op").value.nodes.value.append("init")
    assert check(message) == ""


def test_many_are_counted(saved, check):
    for index in range(8):
        add_function(saved.meta_graphs[0], f"f{index}", "ReadFile")
    assert check(saved).endswith("ReadFile (in f4) and 3 more")


def test_a_function_may_be_called_by_its_name_as_an_operation(saved, check):
    function_of(saved, "predict").nodes[0].op = "restore_all"
    assert check(saved) == "forbidden operations: RestoreV2 (in restore_all)"


def test_no_saved_model_is_told(tmp_path):
    with pytest.raises(DataLossError, match="is not a SavedModel"):
        check_operations(tmp_path)


def test_the_list_has_nothing_that_reaches_out_of_the_graph():
    words = ("File", "Py", "Dataset", "Iterator", "Reader", "Summary", "Queue", "Rpc", "Send", "Recv", "Save", "Debug")
    assert [name for name in ALLOWED if any(word in name for word in words)] == []
    assert {"MatMul", "ParseExampleV2", "LookupTableFindV2", "If", "While"} <= ALLOWED
