"""Who may change what is served: callers on this machine."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from urllib.parse import unquote

from serving.errors import Code, ServingError


def check_admin(host: str) -> None:
    """Let a caller change what is served, or refuse.

    Args:
        host: the caller's address; empty for a socket that is a file of this machine.

    Raises:
        ServingError: the caller is on another machine (PERMISSION_DENIED).
    """
    if host and not _is_loopback(host):
        raise ServingError(
            f"Only callers on this machine may do this; received a call from {host}", Code.PERMISSION_DENIED
        )


def read_peer(peer: str) -> str:
    """The address in what gRPC calls a peer: `ipv4:127.0.0.1:5000`, `ipv6:%5B::1%5D:5000`, `unix:...`."""
    kind, _, rest = peer.partition(":")
    return "" if kind == "unix" else unquote(rest).rpartition(":")[0].strip("[]")


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    # a socket of both families calls 127.0.0.1 ::ffff:127.0.0.1
    return ((address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address).is_loopback
