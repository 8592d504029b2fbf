"""The four ways to send a request: REST or gRPC, waiting for the answer or letting others run meanwhile.

`send` raises UnavailableError for what may be sent again, and NotSentError where no connection opens; any other error
is final. httpx, grpc and tenacity are imported by the first client, not with this module.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from serving.client.messages import Call, Wire
from serving.client.options import Options
from serving.client.session import Session
from serving.errors import (
    Code,
    InvalidArgumentError,
    UnavailableError,
    UnreachableError,
    from_code,
    from_http_status,
)

if TYPE_CHECKING:
    import httpx

_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0
_SHOWN_CHARACTERS = 300
_GRPC_SCHEMES = {"grpc", "grpcs"}
_SCHEMES = {"http", "https", *_GRPC_SCHEMES}


class NotSentError(UnreachableError):
    """No connection could be opened, so nothing was sent."""


def open_wire(url: str, model: str, options: Options) -> Wire:
    """Return the protocol that an address asks for by its scheme.

    Raises:
        InvalidArgumentError: another scheme, or no host.
    """
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not parts.netloc:
        raise InvalidArgumentError(f"{url}: expected http://, https://, grpc:// or grpcs:// and a host")
    if not is_grpc(url):
        from serving.client.rest import Rest

        return Rest(model, options)
    from serving.client.rpc import Rpc

    return Rpc(model, options)


def open_session(url: str, model: str, options: Options) -> Session:
    """Return the conversation that the options ask for.

    Raises:
        InvalidArgumentError: as `open_wire`, or a roll-out's folder that there is not.
    """
    wire = open_wire(url, model, options)
    if options.rollout is None:
        return Session(wire)
    from serving.client.rollout import SplitSession

    return SplitSession(wire, open_wire(url, model, replace(options, rollout=None, label="canary")), options.rollout)


def is_grpc(url: str) -> bool:
    """Whether an address is one of gRPC."""
    return urlsplit(url).scheme in _GRPC_SCHEMES


def retrying(options: Options) -> dict[str, Any]:
    """Return the policy, for tenacity: what is sent again, how often, and after how long."""
    from tenacity import retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

    return {
        "retry": retry_if_exception_type((UnavailableError, NotSentError)),
        "stop": stop_after_attempt(options.attempts),
        "wait": wait_exponential_jitter(initial=_FIRST_WAIT_S, max=_LONGEST_WAIT_S, jitter=_FIRST_WAIT_S),
        "reraise": True,
    }


class HttpTransport:
    """REST, waiting."""

    def __init__(self, url: str, options: Options, transport: httpx.BaseTransport | None = None) -> None:
        import httpx

        self._url, self._options = url.rstrip("/"), options
        self._http = httpx.Client(transport=transport, **_http_settings(url, options))

    def send(self, call: Call) -> bytes:
        """Send one request, once; return the body of the answer."""
        url = self._url + call.target
        with _explained(url, self._options):
            return _read(self._http.request(url=url, **_http_request(call, self._options)))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


class AsyncHttpTransport:
    """REST, asynchronous."""

    def __init__(self, url: str, options: Options, transport: httpx.AsyncBaseTransport | None = None) -> None:
        import httpx

        self._url, self._options = url.rstrip("/"), options
        self._http = httpx.AsyncClient(transport=transport, **_http_settings(url, options))

    async def send(self, call: Call) -> bytes:
        """Send one request, once; return the body of the answer."""
        url = self._url + call.target
        with _explained(url, self._options):
            return _read(await self._http.request(url=url, **_http_request(call, self._options)))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def _http_settings(url: str, options: Options) -> dict[str, Any]:
    import ssl

    headers = {"authorization": f"Bearer {options.token}"} if options.token else {}
    # plain HTTP needs no certificates: reading them takes longer and more memory than all the rest
    verify: Any = urlsplit(url).scheme == "https"
    if verify and options.ca_file:
        try:
            verify = ssl.create_default_context(cafile=options.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise InvalidArgumentError(f"{options.ca_file}: no certificates to trust: {error}") from error
    return {"timeout": options.timeout_s, "headers": headers, "verify": verify}


def _http_request(call: Call, options: Options) -> dict[str, Any]:
    if call.body is None:
        return {"method": "GET"}
    headers = {"content-type": "application/json"} | ({"content-encoding": "gzip"} if options.gzip else {})
    content = gzip.compress(call.body, 1) if options.gzip else call.body
    return {"method": "POST", "content": content, "headers": headers}


def _read(response: httpx.Response) -> bytes:
    if response.is_success:
        return response.content
    try:
        message = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        message = response.text[:_SHOWN_CHARACTERS] or response.reason_phrase
    raise from_http_status(response.status_code, str(message))


@contextmanager
def _explained(url: str, options: Options) -> Iterator[None]:
    import httpx

    try:
        yield
    except httpx.TimeoutException as error:
        raise UnreachableError(f"{url} did not answer within {options.timeout_s:g} s") from error
    except httpx.ConnectError as error:
        raise NotSentError(f"{url} cannot be reached: {error}") from error
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise UnreachableError(f"{url} cannot be reached: {error}") from error


class GrpcTransport:
    """gRPC, waiting."""

    def __init__(self, url: str, options: Options) -> None:
        import grpc

        self._url, self._options = url, options
        self._channel = _open_channel(grpc, url, options)

    def send(self, call: Call) -> bytes:
        """Send one message, once; return the answer's bytes."""
        import grpc

        try:
            answer: bytes = self._channel.unary_unary(call.target)(call.body, **_grpc_request(self._options))
        except grpc.RpcError as error:
            _raise_grpc(error, self._url, self._options)
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._channel.close()


class AsyncGrpcTransport:
    """gRPC, asynchronous."""

    def __init__(self, url: str, options: Options) -> None:
        self._url, self._options = url, options
        self._channel: Any = None

    async def send(self, call: Call) -> bytes:
        """Send one message, once; return the answer's bytes."""
        import grpc
        import grpc.aio

        # it belongs to the loop that runs when it is opened
        self._channel = self._channel or _open_channel(grpc.aio, self._url, self._options)
        try:
            answer: bytes = await self._channel.unary_unary(call.target)(call.body, **_grpc_request(self._options))
        except grpc.RpcError as error:
            _raise_grpc(error, self._url, self._options)
        return answer

    async def close(self) -> None:
        """Close the connections."""
        if self._channel is not None:
            await self._channel.close()


def _open_channel(module: Any, url: str, options: Options) -> Any:
    import grpc

    unlimited = [(f"grpc.max_{way}_message_length", -1) for way in ("send", "receive")]
    settings = {
        "options": unlimited,
        "compression": grpc.Compression.Gzip if options.gzip else None,
    }
    parts = urlsplit(url)
    if parts.scheme == "grpc":
        return module.insecure_channel(parts.netloc, **settings)
    try:
        trusted = options.ca_file.read_bytes() if options.ca_file else None
    except OSError as error:
        raise InvalidArgumentError(f"{options.ca_file}: no certificates to trust: {error}") from error
    return module.secure_channel(parts.netloc, grpc.ssl_channel_credentials(trusted), **settings)


def _grpc_request(options: Options) -> dict[str, Any]:
    metadata = (("authorization", f"Bearer {options.token}"),) if options.token else ()
    return {"timeout": options.timeout_s, "metadata": metadata}


def _raise_grpc(error: Any, url: str, options: Options) -> NoReturn:
    code, details = Code[error.code().name], error.details() or ""
    if code is Code.DEADLINE_EXCEEDED:
        raise UnreachableError(f"{url} did not answer within {options.timeout_s:g} s") from error
    if code is Code.UNAVAILABLE and "failed to connect" in details:
        raise NotSentError(f"{url} cannot be reached: {details}") from error
    raise from_code(code, details) from error
