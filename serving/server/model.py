"""One loaded version: what the server needs of it, and how it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from serving.artifact import Signature, read_signatures
from serving.errors import InternalError
from serving.manifest import check_files
from serving.operations import check_operations
from serving.server.dense import Array
from serving.server.session import Session


class Servable(Protocol):
    """What the server needs of a loaded version. `SavedModel` is the real one; tests bring their own."""

    @property
    def version(self) -> int:
        """The version number."""

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """What can be run, by name."""

    @property
    def is_row_wise(self) -> bool:
        """Whether each row's answer depends on that row alone, so that requests may share a batch."""

    def run(self, signature_name: str, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Run one signature: an array for each input gives an array for each output."""


class SavedModel:
    """A version in a session of its own. Safe to run from several threads at once."""

    def __init__(self, version: int, path: Path) -> None:
        self.version = version
        self.signatures: Mapping[str, Signature] = read_signatures(path)
        check_operations(path)
        # what Penstock exports is
        self.is_row_wise = (path / "assets.extra" / "spec.json").is_file()
        # Spread over cores the small operations of a table's model take twice as long; runs share the cores instead.
        self._session = Session(path, threads=1 if self.is_row_wise else 0)

    def run(self, signature_name: str, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Run one signature.

        Args:
            signature_name: a key of `signatures`.
            feeds: an array of the input's dtype for each input; strings are object arrays of bytes.

        Raises:
            ServingError: with the status and message that TensorFlow gives.
        """
        return self._session.run(signature_name, self.signatures[signature_name], feeds)


def load(version: int, path: Path) -> SavedModel:
    """Load one pushed version, once its files are what its manifest says.

    Raises:
        DataLossError: the version is incomplete, altered or cannot be parsed.
        ServingError: it would do more than compute, or TensorFlow refuses it; with its status and message.
    """
    try:
        check_files(path)
        return SavedModel(version, path)
    except OSError as error:
        raise InternalError(f"{path} cannot be loaded: {error}") from error
