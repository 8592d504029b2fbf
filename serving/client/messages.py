"""What client and server say to each other, whichever protocol carries it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from serving.artifact import Signature

Columns: TypeAlias = Mapping[str, list[Any]]
"""Values by input or output name, one for each row, in JSON's terms; of an output, bytes are bytes."""
Example: TypeAlias = Mapping[str, Any]


class Call(NamedTuple):
    """One request.

    Attributes:
        target: path of the URL, or full name of the gRPC method.
        body: JSON or a serialized message; None: a GET.
    """

    target: str
    body: bytes | None = None


class Description(NamedTuple):
    """A served version.

    Attributes:
        version: its number.
        signatures: what it can be asked, by name.
    """

    version: int
    signatures: dict[str, Signature]


class VersionState(NamedTuple):
    """How a version is.

    Attributes:
        version: its number.
        state: `AVAILABLE`, `LOADING`, `UNLOADING`, `START`, `END` or `UNKNOWN`.
        code: `OK`, or the canonical name of what went wrong.
        message: what went wrong, if anything.
    """

    version: int
    state: str
    code: str
    message: str


class Wire(Protocol):
    """One protocol: requests to bytes, bytes to answers. `read_*` raise InternalError for an answer of another form."""

    def ask_description(self) -> Call:
        """Ask which version answers, and its signatures."""
        ...

    def read_description(self, body: bytes) -> Description:
        """Read the answer."""
        ...

    def ask_status(self) -> Call:
        """Ask for the states of the model's versions."""
        ...

    def read_status(self, body: bytes) -> list[VersionState]:
        """Read the answer."""
        ...

    def ask_predict(self, signature_name: str, signature: Signature, columns: Columns) -> Call:
        """Ask about rows."""
        ...

    def read_predict(self, body: bytes, signature: Signature) -> Columns:
        """Read the answer: the outputs by name."""
        ...

    def ask_examples(self, method: str, signature_name: str, examples: Sequence[Example]) -> Call:
        """Ask to `classify` or `regress` examples."""
        ...

    def read_classes(self, body: bytes) -> list[list[tuple[str, float]]]:
        """Read the answer to classify: pairs of label and score for each example."""
        ...

    def read_values(self, body: bytes) -> list[float]:
        """Read the answer to regress."""
        ...
