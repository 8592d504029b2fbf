"""One loaded version: a session over a SavedModel, the same path as TensorFlow Serving's C++ loader."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from serving.artifact import Signature, TensorSpec, read_signatures
from serving.errors import InternalError, UnimplementedError, from_code
from serving.manifest import check_files
from serving.operations import check_operations
from serving.server.dense import Array


class Servable(Protocol):
    """What the server needs of a loaded version. `SavedModel` is the real one; tests bring their own."""

    @property
    def version(self) -> int:
        """The version number."""

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """What can be run, by name."""

    def run(self, signature_name: str, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Run one signature: an array for each input gives an array for each output."""


class SavedModel:
    """A version loaded in a graph and a session of its own. Safe to run from several threads at once.

    The session closes when the last reference goes, so a request that runs while a newer version takes over ends in
    peace.
    """

    def __init__(self, version: int, path: Path) -> None:
        import tensorflow as tf

        self.version = version
        self.signatures: Mapping[str, Signature] = read_signatures(path)
        check_operations(path)
        graph = tf.Graph()
        with graph.as_default():
            self._session: Any = tf.compat.v1.Session(graph=graph)
            tf.compat.v1.saved_model.loader.load(self._session, ["serve"], str(path))
        self._callables: dict[str, Callable[..., list[Any]]] = {}
        self._lock = threading.Lock()
        weakref.finalize(self, self._session.close)

    def run(self, signature_name: str, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Run one signature.

        Args:
            signature_name: a key of `signatures`.
            feeds: an array of the input's dtype for each input; strings are object arrays of bytes.

        Raises:
            ServingError: with the status and message that TensorFlow gives.
        """
        import tensorflow as tf

        signature = self.signatures[signature_name]
        try:
            results = self._get_callable(signature_name)(*(feeds[name] for name in signature.inputs))
        except tf.errors.OpError as error:
            raise from_code(error.error_code, error.message) from error
        return {name: _to_array(value) for name, value in zip(signature.outputs, results, strict=True)}

    def _get_callable(self, signature_name: str) -> Callable[..., list[Any]]:
        with self._lock:
            if signature_name not in self._callables:
                self._callables[signature_name] = self._make_callable(self.signatures[signature_name])
            return self._callables[signature_name]

    def _make_callable(self, signature: Signature) -> Callable[..., list[Any]]:
        from tensorflow.core.protobuf.config_pb2 import CallableOptions

        options = CallableOptions()
        options.feed.extend(_get_tensor_name(spec) for spec in signature.inputs.values())
        options.fetch.extend(_get_tensor_name(spec) for spec in signature.outputs.values())
        # Session.run resolves names and shapes in Python on each call, which takes several times longer.
        made: Callable[..., list[Any]] = self._session._make_callable_from_options(options)
        return made


def load(version: int, path: Path) -> SavedModel:
    """Load one pushed version, once its files are what its manifest says.

    Raises:
        DataLossError: the version is incomplete, altered or cannot be parsed.
        ServingError: it would do more than compute, or TensorFlow refuses it; with its status and message.
    """
    import tensorflow as tf

    try:
        check_files(path)
        return SavedModel(version, path)
    except tf.errors.OpError as error:
        raise from_code(error.error_code, error.message) from error
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        # TensorFlow's importer raises these for graphs that it cannot take (unknown operation, missing file, ...).
        raise InternalError(f"{path} cannot be loaded: {error}") from error


def _get_tensor_name(spec: TensorSpec) -> str:
    if not spec.name:
        raise UnimplementedError("Sparse and composite tensors in a signature are not supported")
    return spec.name


def _to_array(value: Any) -> Array:
    # Scalars come back as NumPy scalars or, for strings, as bytes; NumPy would strip trailing NULs from the latter.
    return np.asarray(value, dtype=np.object_) if isinstance(value, bytes) else np.asarray(value)
