"""A SavedModel in memory, loaded and run by TensorFlow's C++ runtime as TensorFlow Serving does it."""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from serving.artifact import Signature, TensorSpec
from serving.errors import Code, InvalidArgumentError, UnimplementedError, from_code
from serving.protos import ConfigProto
from serving.server.aside import leave_aside, run_aside
from serving.server.dense import Array
from serving.server.library import Output, load_library
from serving.server.native import from_native, to_native


class _Plan(NamedTuple):
    """A signature's tensors in the order in which they are fed and fetched, and the types of C arrays to hold them.

    A type made anew for each run would cost more than the array, and be garbage that only the collector finds.
    """

    inputs: Sequence[str]
    feeds: Any
    input_tensors: type[ctypes.Array[ctypes.c_void_p]]
    outputs: Sequence[str]
    fetches: Any
    output_tensors: type[ctypes.Array[ctypes.c_void_p]]


class Session:
    """One graph with its variables and tables. Safe to run from several threads at once.

    Memory is given back when the last reference goes, so a request that runs while a newer version takes over ends in
    peace.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        """Load the graph with the tag `serve`, its variables and its tables.

        Args:
            path: of the version.
            threads: over which one large operation spreads; 0 for all cores.

        Raises:
            ServingError: TensorFlow refuses it; with its status and message.
        """
        library = load_library()
        tags = (ctypes.c_char_p * 1)(b"serve")
        self._graph: int = library.TF_NewGraph()
        options = library.TF_NewSessionOptions()
        try:
            # Operations of a run follow each other on the thread that asks: handing hundreds of small ones to a pool
            # costs more than it gains (a quarter of flights' run).
            config = ConfigProto(
                inter_op_parallelism_threads=-1, intra_op_parallelism_threads=threads
            ).SerializeToString()
            with _checked(library) as status:
                library.TF_SetConfig(options, config, len(config), status)
            with _checked(library) as status:
                arguments = options, None, os.fsencode(path), tags, 1, self._graph, None, status
                self._session: int = run_aside(partial(library.TF_LoadSessionFromSavedModel, *arguments))
        except BaseException:
            library.TF_DeleteGraph(self._graph)
            raise
        finally:
            library.TF_DeleteSessionOptions(options)
        self._plans: dict[str, _Plan] = {}
        # The last reference may go on the event loop, and closing takes 10 ms.
        close = partial(_close, library, self._session, self._graph)
        weakref.finalize(self, leave_aside, close).atexit = False

    def run(self, name: str, signature: Signature, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Run a signature.

        Args:
            name: of the signature.
            signature: its inputs and outputs.
            feeds: an array of the input's dtype for each input; strings are object arrays of bytes.

        Returns:
            an array for each output.

        Raises:
            ServingError: with the status and message that TensorFlow gives.
        """
        plan = self._plans.get(name)
        if plan is None:
            plan = self._plans[name] = self._make_plan(signature)
        library, count = load_library(), len(plan.inputs)
        tensors, results, kept = plan.input_tensors(), plan.output_tensors(), []
        try:
            for index, input_name in enumerate(plan.inputs):
                tensors[index], memory = to_native(feeds[input_name])
                kept.append(memory)
            with _checked(library) as status:
                library.TF_SessionRun(
                    self._session,
                    None,
                    plan.feeds,
                    tensors,
                    count,
                    plan.fetches,
                    results,
                    len(results),
                    None,
                    0,
                    None,
                    status,
                )
            return {name: from_native(result) for name, result in zip(plan.outputs, results, strict=True)}
        finally:
            for tensor in (*tensors, *results):
                if tensor:
                    library.TF_DeleteTensor(tensor)

    def _make_plan(self, signature: Signature) -> _Plan:
        inputs, outputs = signature.inputs, signature.outputs
        feeds, fetches = (
            (Output * len(specs))(*(self._find(spec) for spec in specs.values())) for specs in (inputs, outputs)
        )
        input_tensors, output_tensors = (ctypes.c_void_p * len(specs) for specs in (inputs, outputs))
        return _Plan(tuple(inputs), feeds, input_tensors, tuple(outputs), fetches, output_tensors)

    def _find(self, spec: TensorSpec) -> Output:
        if not spec.name:
            raise UnimplementedError("Sparse and composite tensors in a signature are not supported")
        operation_name, _, index = spec.name.partition(":")
        library = load_library()
        operation = library.TF_GraphOperationByName(self._graph, operation_name.encode())
        if not operation:
            raise InvalidArgumentError(f"{operation_name} is not in the graph")
        if int(index or 0) >= library.TF_OperationNumOutputs(operation):
            raise InvalidArgumentError(f"Operation {operation_name} does not have output {index or 0}")
        return Output(operation, int(index or 0))


@contextmanager
def _checked(library: Any) -> Iterator[int]:
    status = library.TF_NewStatus()
    try:
        yield status
        code = library.TF_GetCode(status)
        if code != Code.OK:
            raise from_code(code, library.TF_Message(status).decode(errors="replace"))
    finally:
        library.TF_DeleteStatus(status)


def _close(library: Any, session: int, graph: int) -> None:
    status = library.TF_NewStatus()
    library.TF_CloseSession(session, status)
    library.TF_DeleteSession(session, status)
    library.TF_DeleteGraph(graph)
    library.TF_DeleteStatus(status)
