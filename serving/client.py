"""Ask a served model for predictions, over TensorFlow Serving's REST API. Needs no TensorFlow."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias
from urllib.parse import quote

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from serving.artifact import DEFAULT_SIGNATURE, Signature, TensorSpec
from serving.coercion import coerce, pad
from serving.errors import (
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    ServingError,
    UnavailableError,
    UnreachableError,
    from_http_status,
)

Row: TypeAlias = Mapping[str, Any]
Extra: TypeAlias = Literal["refuse", "drop"]

ROWS_PER_REQUEST = 1000
_ATTEMPTS = 4
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0
_SHOWN_CHARACTERS = 300


class PredictionClient:
    """A connection to one model of a server.

    Rows may come straight from a CSV file or a data frame: values are coerced to the dtypes that the model's metadata
    tells, and missing ones are sent as the marker that the model knows them by. Close it, or use it in a `with`.
    """

    def __init__(
        self, url: str, model: str, timeout_s: float = 30.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        """Connects on the first request.

        Args:
            url: the server, such as `http://localhost:8501`.
            model: the name that the server knows the model by.
            timeout_s: for one request.
            transport: stands in for the network, in tests.
        """
        self._url = f"{url.rstrip('/')}/v1/models/{quote(model, safe='')}"
        self._timeout_s = timeout_s
        self._http = httpx.Client(timeout=timeout_s, transport=transport)
        self._signatures: dict[str, Signature] = {}

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Close the connection, whatever happened."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def metadata(self, signature_name: str = DEFAULT_SIGNATURE) -> Signature:
        """Inputs and outputs of a signature, with dtypes and shapes; asked of the server anew at each call.

        Raises:
            NotFoundError: the model has no such signature, or the server no such model.
            UnreachableError: nothing answers at the address.
            ServingError: the server's own answer.
        """
        self._signatures = _read_signatures(self._request("GET", "/metadata"))
        if signature_name not in self._signatures:
            known = ", ".join(sorted(self._signatures))
            raise NotFoundError(f"the model has no signature {signature_name!r}, only {known}")
        return self._signatures[signature_name]

    def predict(
        self, rows: Sequence[Row], signature_name: str = DEFAULT_SIGNATURE, extra: Extra = "refuse"
    ) -> list[Any]:
        """One prediction for each row, in the order of the rows.

        Args:
            rows: values by input name. An input that a row lacks counts as missing.
            signature_name: what to run.
            extra: what to do with keys that are no inputs.

        Returns:
            A value a row or, where the signature has several outputs, a dict of them.

        Raises:
            InvalidArgumentError: a row does not fit, before anything is sent; names row (from 0), feature
                and value.
            UnreachableError: nothing answers at the address.
            ServingError: the server's own answer, after further attempts if it was 503.
        """
        signature = self._signatures.get(signature_name) or self.metadata(signature_name)
        instances = [_prepare_row(row, index, signature.inputs, extra) for index, row in enumerate(rows)]
        starts = range(0, len(instances), ROWS_PER_REQUEST)
        chunks = (instances[start : start + ROWS_PER_REQUEST] for start in starts)
        return [prediction for chunk in chunks for prediction in self._predict_chunk(chunk, signature, signature_name)]

    def _predict_chunk(self, rows: list[dict[str, Any]], signature: Signature, signature_name: str) -> list[Any]:
        instances = pad(rows, signature.inputs)
        content = json.dumps({"signature_name": signature_name, "instances": instances})
        try:
            answer = self._request("POST", ":predict", content)
        except InvalidArgumentError:
            # A newer version with other inputs may have taken over: the next call asks for them again.
            self._signatures = {}
            raise
        predictions = answer.get("predictions")
        if not isinstance(predictions, list) or len(predictions) != len(instances):
            raise InternalError(f"{self._url}:predict did not answer with one prediction for each row")
        return predictions

    def _request(self, method: str, path: str, content: str | None = None) -> dict[str, Any]:
        attempts = Retrying(
            retry=retry_if_exception_type(UnavailableError),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_exponential_jitter(initial=_FIRST_WAIT_S, max=_LONGEST_WAIT_S, jitter=_FIRST_WAIT_S),
            reraise=True,
        )
        return attempts(self._request_once, method, self._url + path, content)

    def _request_once(self, method: str, url: str, content: str | None) -> dict[str, Any]:
        try:
            response = self._http.request(method, url, content=content, headers={"Content-Type": "application/json"})
        except httpx.TimeoutException as error:
            raise UnreachableError(f"{url} did not answer within {self._timeout_s:g} s") from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise UnreachableError(f"{url} cannot be reached: {error}") from error
        body = _read_object(response)
        if response.is_success and body is not None:
            return body
        raise _to_error(response, body)


def _read_signatures(body: Mapping[str, Any]) -> dict[str, Signature]:
    try:
        described = body["metadata"]["signature_def"]["signature_def"]
        return {name: _read_signature(signature) for name, signature in described.items()}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InternalError(f"the server's metadata cannot be read: {error!r}") from error


def _read_signature(described: Mapping[str, Any]) -> Signature:
    inputs, outputs = (
        {name: _read_spec(tensor) for name, tensor in described.get(side, {}).items()} for side in ("inputs", "outputs")
    )
    return Signature(inputs, outputs, described.get("method_name", ""))


def _read_spec(described: Mapping[str, Any]) -> TensorSpec:
    shape = described.get("tensor_shape", {})
    sizes = tuple(int(dim["size"]) for dim in shape.get("dim", []))
    dtype = described["dtype"].removeprefix("DT_").lower()
    return TensorSpec(described["name"], dtype, None if shape.get("unknown_rank") else sizes)


def _prepare_row(row: Row, index: int, inputs: Mapping[str, TensorSpec], extra: Extra) -> dict[str, Any]:
    if extra == "refuse" and not row.keys() <= inputs.keys():
        raise _unknown_key(next(key for key in row if key not in inputs), index, inputs)
    return {name: _coerce_value(row.get(name), spec, name, index) for name, spec in inputs.items()}


def _coerce_value(value: object, spec: TensorSpec, name: str, index: int) -> Any:
    try:
        return coerce(value, spec)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"row {index}, feature {name!r}: {error.message}") from error


def _unknown_key(key: str, index: int, inputs: Mapping[str, TensorSpec]) -> InvalidArgumentError:
    near = difflib.get_close_matches(str(key), inputs)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"the inputs are {', '.join(sorted(inputs))}"
    return InvalidArgumentError(f"row {index}: the model has no input {key!r}; {hint}")


def _read_object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _to_error(response: httpx.Response, body: Mapping[str, Any] | None) -> ServingError:
    message = (body or {}).get("error") or response.text[:_SHOWN_CHARACTERS] or response.reason_phrase
    if response.is_success:
        return InternalError(f"{response.url} did not answer with a JSON object: {message}")
    return from_http_status(response.status_code, str(message))
