"""Which side answers a request: by a hash of it, or of a key in it, so always the same."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Literal

_RANGE = 2**64


def is_chosen(salt: str, key: bytes, share: float) -> bool:
    """Whether what has this key belongs to the share.

    A larger share holds all that a smaller one holds; another salt, which each roll-out has, chooses others.

    >>> is_chosen("42-1", b"anna", 1.0)
    True
    """
    digest = blake2b(key, digest_size=8, key=salt.encode()).digest()
    return int.from_bytes(digest) < share * _RANGE


def choose_label(salt: str, key: Any, share: float) -> Literal["stable", "canary"]:
    """The label to ask for: for callers of a server that splits nothing itself, as TensorFlow Serving's.

    >>> choose_label("summer", 4711, 0.0)
    'stable'
    """
    return "canary" if is_chosen(salt, to_key(key), share) else "stable"


def first_value(value: Any) -> Any:
    """The first value of lists within lists; None of an empty one."""
    while isinstance(value, list):
        value = value[0] if value else None
    return value


def to_key(value: Any) -> bytes:
    """The bytes that are hashed of a key: the same for 7, 7.0 and "7", in JSON and in a tensor."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).encode(errors="surrogatepass")
