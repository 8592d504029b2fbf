"""Models that must not be served, each made of one that may; tests/pipeline/infra takes them too."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

MORE_MEMORY_MB = 400
SIZE_MB = 10
P99_MS = 250


class Fault(NamedTuple):
    """One way to break a model.

    Attributes:
        reason: how the refusal must begin.
        apply: changes the SavedModel in a folder.
        is_loaded: whether it is found only by loading the model, which takes seconds.
    """

    reason: str
    apply: Callable[[Path], None]
    is_loaded: bool = False


def break_model(sound: Path, folder: Path, fault: Fault) -> Path:
    """Copy what the Trainer left, with the SavedModel `sound`, to `folder`; break the copy and return it."""
    shutil.copytree(sound.parent, folder)
    fault.apply(folder / sound.name)
    return folder / sound.name


def _vocabulary(folder: Path) -> Path:
    return next(iter(sorted((folder / "assets").iterdir())))


def remove_asset(folder: Path) -> None:
    _vocabulary(folder).unlink()


def truncate_vocabulary(folder: Path) -> None:
    lines = _vocabulary(folder).read_bytes().splitlines(keepends=True)
    _vocabulary(folder).write_bytes(b"".join(lines[: len(lines) // 2]))


def swap_words(folder: Path) -> None:
    first, second, *others = _vocabulary(folder).read_bytes().splitlines(keepends=True)
    _vocabulary(folder).write_bytes(b"".join([second, first, *others]))


def truncate_graph(folder: Path) -> None:
    file = folder / "saved_model.pb"
    os.truncate(file, file.stat().st_size // 2)


def remove_variables(folder: Path) -> None:
    for file in (folder / "variables").glob("*.data-*"):
        file.unlink()


def empty_variables(folder: Path) -> None:
    shutil.rmtree(folder / "variables")


def enlarge(folder: Path) -> None:
    (folder / "assets.extra" / "unused").touch()
    os.truncate(folder / "assets.extra" / "unused", 2 * SIZE_MB * 1_000_000)


def edit_graph(change: Callable[[Any], None]) -> Callable[[Path], None]:
    """A fault that edits the MetaGraphDef."""

    def apply(folder: Path) -> None:
        from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

        file = folder / "saved_model.pb"
        model = SavedModel.FromString(file.read_bytes())
        change(model.meta_graphs[0])
        file.write_bytes(model.SerializeToString())

    return apply


def rename_output(meta_graph: Any) -> None:
    outputs = meta_graph.signature_def["serving_default"].outputs
    (name,) = outputs
    outputs["score"].CopyFrom(outputs.pop(name))


def use_custom_operation(meta_graph: Any) -> None:
    function = next(each for each in meta_graph.graph_def.library.function if len(each.node_def) > 1)
    function.node_def[0].op = "Addons>Custom"


def move_mean(meta_graph: Any) -> None:
    """Change what tf.Transform has learned: the largest number that is a constant of the graph itself."""
    import numpy as np
    from tensorflow.core.framework.types_pb2 import DT_FLOAT

    constants = [
        node.attr["value"].tensor
        for node in meta_graph.graph_def.node
        if node.op == "Const" and node.attr["dtype"].type == DT_FLOAT
    ]
    values = [
        np.frombuffer(each.tensor_content, "float32") if each.tensor_content else each.float_val for each in constants
    ]
    place = int(np.argmax([np.abs(each).max() for each in values]))
    changed = np.asarray(values[place], "float32") * np.float32(1.01)
    constants[place].tensor_content = changed.tobytes()
    del constants[place].float_val[:]


def export_again(
    change: Callable[[Any], None] | None = None, add: Callable[[Any], Any] | None = None
) -> Callable[[Path], None]:
    """A fault in a model that is loaded, changed and saved; `add(input)` is added to each answer."""

    def apply(folder: Path) -> None:
        import tensorflow as tf

        module = tf.Module()
        module.loaded = tf.saved_model.load(str(folder))
        module.variables_of_network = module.loaded.variables_of_network
        if change:
            change(module.loaded)
        signatures = {name: _with(function, add) for name, function in module.loaded.signatures.items()}
        written = folder.with_name("written")
        tf.saved_model.save(module, str(written), signatures)
        shutil.copytree(folder / "assets.extra", written / "assets.extra")
        shutil.rmtree(folder)
        written.rename(folder)

    return apply


def _with(function: Any, add: Callable[[Any], Any] | None) -> Any:
    import tensorflow as tf

    specs = function.structured_input_signature[1]

    @tf.function(autograph=False)
    def changed(**request: Any) -> Any:
        answers = function(**request)
        if not add or len(answers) > 1:
            return answers
        more = add(tf.cast(tf.size(next(iter(request.values()))), tf.float32))
        return {name: answer + more for name, answer in answers.items()}

    return changed.get_concrete_function(
        **{name: tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in specs.items()}
    )


def forget_weights(loaded: Any) -> None:
    """Make NaN of the hidden layer's weights alone: its ReLU hides them from the answers."""
    weights = loaded.variables_of_network[1]
    weights.assign(weights * float("nan"))


def read_file(rows: Any) -> Any:
    import tensorflow as tf

    return 0.0 * (rows + tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32))


def write_file(rows: Any) -> Any:
    import tensorflow as tf

    with tf.control_dependencies([tf.io.write_file("/tmp/penstock-was-here", "x")]):
        return 0.0 * rows


def call_python(rows: Any) -> Any:
    import tensorflow as tf

    return 0.0 * tf.ensure_shape(tf.numpy_function(lambda count: count, [rows], tf.float32), [])


def take_time(rows: Any) -> Any:
    import tensorflow as tf

    matrix = tf.fill([500, 500], rows / 1e9)
    for _ in range(300):
        matrix = tf.tanh(tf.matmul(matrix, matrix))
    return 0.0 * tf.reduce_mean(matrix)


def take_memory(rows: Any) -> Any:
    import tensorflow as tf

    return 0.0 * tf.reduce_max(tf.fill([MORE_MEMORY_MB * 250_000], rows))


FAULTS = {
    "missing asset": Fault("missing asset", remove_asset),
    "truncated vocabulary": Fault("missing asset", truncate_vocabulary),
    "truncated saved_model.pb": Fault("does not load", truncate_graph),
    "no variables": Fault("does not load", empty_variables),
    "wrong signature": Fault("wrong signature", edit_graph(rename_output)),
    "oversize": Fault("too large", enlarge),
    "ReadFile": Fault("forbidden operations: ReadFile", export_again(add=read_file)),
    "WriteFile": Fault("forbidden operations: WriteFile", export_again(add=write_file)),
    "PyFunc": Fault("forbidden operations: PyFunc", export_again(add=call_python)),
    "custom operation": Fault("forbidden operations: Addons>Custom", edit_graph(use_custom_operation)),
    "missing variables": Fault("does not load", remove_variables, is_loaded=True),
    "NaN weights": Fault("NaN or infinite", export_again(forget_weights), is_loaded=True),
    "slow operation": Fault("too slow", export_again(add=take_time), is_loaded=True),
    "too much memory": Fault("too much memory", export_again(add=take_memory), is_loaded=True),
    "transform: words swapped": Fault("parity", swap_words, is_loaded=True),
    "transform: mean moved by 1 %": Fault("parity", edit_graph(move_mean), is_loaded=True),
}
