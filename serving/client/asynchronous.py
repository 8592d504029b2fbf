"""The client for asyncio."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from serving.artifact import DEFAULT_SIGNATURE, Signature
from serving.client.messages import Description, Example, VersionState
from serving.client.options import Options
from serving.client.rows import Extra, Rows
from serving.client.session import Steps
from serving.client.transports import AsyncGrpcTransport, AsyncHttpTransport, is_grpc, open_session, retrying
from serving.errors import RowError, ServingError

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


class AsyncPredictionClient:
    """`PredictionClient` for asyncio: the same calls, arguments, results and errors, to be awaited.

    Use it in an `async with`, or await `close()`; in one event loop.
    """

    def __init__(
        self, url: str, model: str, options: Options | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """As `PredictionClient`."""
        self._options = options or Options()
        self._session = open_session(url, model, self._options)
        self._transport: AsyncGrpcTransport | AsyncHttpTransport = (
            AsyncGrpcTransport(url, self._options)
            if is_grpc(url)
            else AsyncHttpTransport(url, self._options, transport)
        )

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Close the connection, whatever happened."""
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        self._session.close()
        await self._transport.close()

    async def describe(self) -> Description:
        """The version that answers and its signatures."""
        return await self._run(self._session.describe())

    async def metadata(self, signature_name: str = DEFAULT_SIGNATURE) -> Signature:
        """Inputs and outputs of a signature."""
        return await self._run(self._session.find(signature_name))

    async def status(self) -> list[VersionState]:
        """The states of the model's versions."""
        return await self._run(self._session.status())

    async def check(
        self, rows: Rows, signature_name: str = DEFAULT_SIGNATURE, extra: Extra = "refuse"
    ) -> list[RowError]:
        """What `predict` would refuse before sending anything, by row."""
        return await self._run(self._session.check(rows, signature_name, extra))

    async def predict(self, rows: Rows, signature_name: str = DEFAULT_SIGNATURE, extra: Extra = "refuse") -> Any:
        """One prediction for each row, in the order of the rows."""
        return await self._run(self._session.predict(rows, signature_name, extra))

    async def classify(
        self, examples: Sequence[Example], signature_name: str = DEFAULT_SIGNATURE
    ) -> list[list[tuple[str, float]]]:
        """The classes of each example as pairs of label and score."""
        return await self._run(self._session.classify(examples, signature_name))

    async def regress(self, examples: Sequence[Example], signature_name: str = DEFAULT_SIGNATURE) -> list[float]:
        """The value of each example."""
        return await self._run(self._session.regress(examples, signature_name))

    async def _run(self, steps: Steps[T]) -> T:
        from tenacity import AsyncRetrying

        send = AsyncRetrying(**retrying(self._options)).wraps(self._transport.send)
        try:
            call = next(steps)
            while True:
                try:
                    body = await send(call)
                except ServingError as error:
                    call = steps.throw(error)
                else:
                    call = steps.send(body)
        except StopIteration as done:
            result: T = done.value
            return result
