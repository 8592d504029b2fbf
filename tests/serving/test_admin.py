"""Fault 39: what changes the server is for callers on this machine."""

from __future__ import annotations

import pytest

from serving.errors import ServingError
from serving.server.admin import check_admin, read_peer


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:127.0.0.1:5000", "127.0.0.1"),
        ("ipv6:[::1]:5000", "::1"),
        ("ipv6:%5B::1%5D:5000", "::1"),
        ("ipv6:[::ffff:127.0.0.1]:5000", "::ffff:127.0.0.1"),
        ("unix:/run/penstock", ""),
        ("ipv4:192.0.2.7:5000", "192.0.2.7"),
        ("ipv6:[2001:db8::7]:5000", "2001:db8::7"),
    ],
)
def test_hosts_of_peers(peer, host):
    assert read_peer(peer) == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", ""])
def test_fault_39_this_machine_may(host):
    assert check_admin(host) is None


@pytest.mark.parametrize("host", ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::7", "0.0.0.0", "localhost.example"])
def test_fault_39_other_machines_may_not(host):
    with pytest.raises(ServingError, match=f"received a call from {host}") as caught:
        check_admin(host)
    assert caught.value.code.name == "PERMISSION_DENIED"
