"""Who may ask: a bearer token, compared in constant time, and administration from this machine alone without one."""

from __future__ import annotations

import hmac
import ipaddress
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import orjson

from serving.errors import InvalidArgumentError, PermissionDeniedError, UnauthenticatedError
from serving.server.body import Application, Receive, Scope, Send
from serving.server.settings import Auth

_SCHEME = b"bearer "
_HEADERS = [(b"content-type", b"application/json"), (b"www-authenticate", b"Bearer")]


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """A secret. It is not shown by `repr`, so no log line or traceback can hold it."""

    secret: bytes

    def check(self, authorization: bytes) -> None:
        """Compare with the value of an `Authorization` header.

        Raises:
            UnauthenticatedError: it is not `Bearer` and the token.
        """
        given = authorization[len(_SCHEME) :].strip() if authorization[: len(_SCHEME)].lower() == _SCHEME else b""
        if not hmac.compare_digest(given, self.secret):
            raise UnauthenticatedError("Expected the header Authorization: Bearer with the server's token")


def read_token(auth: Auth) -> Token:
    """The token: the first line of its file, or the environment variable.

    Raises:
        InvalidArgumentError: there is none, or it is not visible ASCII.
    """
    if auth.token_file is not None:
        place, text = str(auth.token_file), _read_first_line(auth.token_file)
    else:
        place, text = f"the environment variable {auth.token_env}", os.environ.get(auth.token_env or "", "")
    text = text.strip()
    if not text or not all("!" <= character <= "~" for character in text):
        raise InvalidArgumentError(f"auth: expected a token of visible ASCII characters in {place}, received none")
    return Token(text.encode())


def check_admin(peer: str, token: Token | None) -> None:
    """Let administration through from this machine, or from anywhere once a token has been asked for.

    Args:
        peer: as gRPC names it: `ipv4:127.0.0.1:4711`, `ipv6:%5B::1%5D:4711`, `unix:...`.
        token: of the server, which has been checked by then.

    Raises:
        PermissionDeniedError: from another machine, without a token.
    """
    if token is None and not _is_loopback(peer):
        raise PermissionDeniedError(
            "Without a token the server is administered from its own machine alone; start it with one (auth:)"
        )


class TokenGate:
    """An ASGI application that asks for the token before another one does."""

    def __init__(self, application: Application, token: Token, open_paths: Collection[str]) -> None:
        """Guard all paths but those of `open_paths`."""
        self._application = application
        self._token = token
        self._open_paths = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] == "http" and scope["path"] not in self._open_paths:
            header = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
            try:
                self._token.check(header)
            except UnauthenticatedError as error:
                await send({"type": "http.response.start", "status": 401, "headers": _HEADERS})
                await send({"type": "http.response.body", "body": orjson.dumps({"error": error.message})})
                return
        await self._application(scope, receive, send)


def _read_first_line(file: Path) -> str:
    try:
        return (file.read_text("utf-8").splitlines() or [""])[0]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"auth.token_file: {file} cannot be read: {error}") from error


def _is_loopback(peer: str) -> bool:
    kind, _, address = unquote(peer).partition(":")
    if kind == "unix":
        return True
    try:
        found = ipaddress.ip_address(address.rpartition(":")[0].strip("[]"))
    except ValueError:
        return False
    # a socket of both families calls 127.0.0.1 ::ffff:127.0.0.1
    return ((found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None) or found).is_loopback
