"""The client that waits for its answers."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from serving.artifact import DEFAULT_SIGNATURE, Signature
from serving.client.messages import Description, Example, VersionState
from serving.client.options import Options
from serving.client.rows import Extra, Rows
from serving.client.session import Steps
from serving.client.transports import GrpcTransport, HttpTransport, is_grpc, open_session, retrying
from serving.errors import RowError, ServingError

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


class PredictionClient:
    """A connection to one model of a server, over REST or gRPC.

    Rows may come straight from a file or a data frame: values are coerced to the dtypes that the model's metadata
    tells, and missing ones are sent as the marker that the model knows them by. Threads may share a client.
    Close it, or use it in a `with`.
    """

    def __init__(
        self, url: str, model: str, options: Options | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        """Connects on the first request.

        Args:
            url: the server: `http://localhost:8501`, `https://...`, or for gRPC `grpc://localhost:8500`, `grpcs://...`.
            model: the name that the server knows the model by.
            options: which version, token, certificates, time-out, ...
            transport: stands in for the network under REST.

        Raises:
            InvalidArgumentError: no such kind of address, or unreadable certificates.
        """
        self._options = options or Options()
        self._session = open_session(url, model, self._options)
        self._transport: GrpcTransport | HttpTransport = (
            GrpcTransport(url, self._options) if is_grpc(url) else HttpTransport(url, self._options, transport)
        )

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Close the connection, whatever happened."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()
        self._transport.close()

    def describe(self) -> Description:
        """The version that answers and its signatures; asked of the server anew at each call.

        Raises:
            NotFoundError: the server has no such model or version.
            UnreachableError: nothing answers at the address.
            ServingError: the server's own answer.
        """
        return self._run(self._session.describe())

    def metadata(self, signature_name: str = DEFAULT_SIGNATURE) -> Signature:
        """Inputs and outputs of a signature, with dtypes and shapes; asked of the server anew at each call.

        Raises:
            NotFoundError: the model has no such signature, or the server no such model.
            UnreachableError: nothing answers at the address.
            ServingError: the server's own answer.
        """
        return self._run(self._session.find(signature_name))

    def status(self) -> list[VersionState]:
        """The states of the model's versions.

        Raises:
            NotFoundError: the server has no such model or version.
            UnreachableError: nothing answers at the address.
            ServingError: the server's own answer.
        """
        return self._run(self._session.status())

    def check(self, rows: Rows, signature_name: str = DEFAULT_SIGNATURE, extra: Extra = "refuse") -> list[RowError]:
        """What `predict` would refuse before sending anything, by row; no more than the metadata is asked for.

        Raises:
            ServingError: as `metadata`.
        """
        return self._run(self._session.check(rows, signature_name, extra))

    def predict(self, rows: Rows, signature_name: str = DEFAULT_SIGNATURE, extra: Extra = "refuse") -> Any:
        """One prediction for each row, in the order of the rows; more than ROWS_PER_REQUEST go in several requests.

        Args:
            rows: values by input name: a list of dicts, a data frame of pandas, a table or record batch of Arrow. An
                input that a row lacks counts as missing.
            signature_name: what to run.
            extra: what to do with keys or columns that are no inputs.

        Returns:
            For a list of rows: a value a row or, where the signature has several outputs, a dict of them. For a data
            frame: a frame of the outputs with the same index. For a table or batch: an Arrow table of the outputs.

        Raises:
            RowError: a row does not fit; before anything is sent.
            UnreachableError: nothing answers at the address.
            ServingError: the server's own answer, after further attempts if it was 503.
        """
        return self._run(self._session.predict(rows, signature_name, extra))

    def classify(
        self, examples: Sequence[Example], signature_name: str = DEFAULT_SIGNATURE
    ) -> list[list[tuple[str, float]]]:
        """The classes of each example as pairs of label and score, from a signature that classifies.

        Args:
            examples: features by name: a number, text, bytes or a list of them. No value is coerced: a feature of
                floats takes 5.0, not 5. A missing value is left out, as where the model was trained.
            signature_name: what to run.

        Raises:
            UnreachableError: nothing answers at the address.
            ServingError: the server's own answer, after further attempts if it was 503.
        """
        return self._run(self._session.classify(examples, signature_name))

    def regress(self, examples: Sequence[Example], signature_name: str = DEFAULT_SIGNATURE) -> list[float]:
        """The value of each example, from a signature that regresses; arguments and errors as for `classify`."""
        return self._run(self._session.regress(examples, signature_name))

    def _run(self, steps: Steps[T]) -> T:
        from tenacity import Retrying

        send = Retrying(**retrying(self._options)).wraps(self._transport.send)
        try:
            call = next(steps)
            while True:
                try:
                    body = send(call)
                except ServingError as error:
                    call = steps.throw(error)
                else:
                    call = steps.send(body)
        except StopIteration as done:
            result: T = done.value
            return result
