"""Lets sockets reach this machine only: imported by conftest.py, and by every Python that a test starts (PYTHONPATH).

Loopback and own addresses are needed by training in two processes, Ray and the browser tests. Whatever else would leave
the machine, a datagram or a look-up of a name included, raises BlockedError: no test may reach for a hub.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import Any

_look_up = socket.getaddrinfo


class BlockedError(OSError):
    """A test reached for the network."""


def _is_here(host: Any) -> bool:
    """Whether a socket can be bound to the address, which is so for those of this machine and no others."""
    if host in (None, "", "localhost", b"localhost", socket.gethostname()):
        return True
    try:
        family, _, _, _, address = _look_up(host, 0, flags=socket.AI_NUMERICHOST)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind(address)
    except OSError:
        return False
    return True


def _guarded_connect(name: str) -> Callable[..., Any]:
    original = getattr(socket.socket, name)

    def connect(self: socket.socket, address: Any) -> Any:
        inet = self.family in (socket.AF_INET, socket.AF_INET6)
        # A datagram socket sends nothing when it is connected: Ray asks so for the machine's own address.
        if inet and self.type != socket.SOCK_DGRAM and not _is_here(address[0]):
            raise BlockedError(f"expected tests to stay on this machine, got a connection to {address[0]}")
        return original(self, address)

    return connect


_send_to = socket.socket.sendto


def _guarded_send_to(self: socket.socket, data: Any, *flags_and_address: Any) -> int:
    address = flags_and_address[-1]
    if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(address[0]):
        raise BlockedError(f"expected tests to stay on this machine, got a datagram to {address[0]}")
    return _send_to(self, data, *flags_and_address)


def _guarded_look_up(original: Callable[..., Any], host: Any, *more: Any, **options: Any) -> Any:
    if not _is_here(host):
        raise BlockedError(f"expected tests to stay on this machine, got a look-up of {host}")
    return original(host, *more, **options)


socket.socket.connect = _guarded_connect("connect")  # type: ignore[method-assign]
socket.socket.connect_ex = _guarded_connect("connect_ex")  # type: ignore[method-assign]
socket.socket.sendto = _guarded_send_to  # type: ignore[method-assign,assignment]
for _name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
    setattr(socket, _name, partial(_guarded_look_up, getattr(socket, _name)))
