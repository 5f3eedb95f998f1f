"""The block of the network that conftest.py sets up for every test works, here and in processes that tests start."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.request

import pytest

OUTSIDE = "192.0.2.1"  # TEST-NET-1 of RFC 5737: nobody's address
REACH = f"import socket; socket.create_connection(({OUTSIDE!r}, 80), timeout=1)"


@pytest.mark.parametrize("host", [OUTSIDE, "2001:db8::1", "huggingface.co"])
def test_no_connection_leaves_the_machine(host: str) -> None:
    with pytest.raises(OSError, match="expected tests to stay on this machine"):
        socket.create_connection((host, 443), timeout=1)
    with pytest.raises(OSError, match="expected tests to stay on this machine"):
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"http://[{host}]" if ":" in host else f"http://{host}"
        )


@pytest.mark.parametrize("name", ["connect", "connect_ex"])
def test_sockets_are_guarded_themselves(name: str) -> None:
    with socket.socket() as each, pytest.raises(OSError, match=f"got a connection to {OUTSIDE}"):
        getattr(each, name)((OUTSIDE, 80))


@pytest.mark.parametrize("name", ["getaddrinfo", "gethostbyname", "gethostbyname_ex"])
def test_no_name_is_looked_up(name: str) -> None:
    look_up, port = getattr(socket, name), [80] if name == "getaddrinfo" else []
    with pytest.raises(OSError, match=r"got a look-up of huggingface\.co"):
        look_up("huggingface.co", *port)
    assert "127.0.0.1" in str(look_up("localhost", *port))


def test_no_datagram_leaves_the_machine() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as other:
        for flags in ((), (0,)):
            with pytest.raises(OSError, match=f"got a datagram to {OUTSIDE}"):
                one.sendto(b"1", *flags, (OUTSIDE, 53))
        other.bind(("127.0.0.1", 0))
        one.sendto(b"1", other.getsockname())
        assert other.recv(1) == b"1"


def test_a_process_of_a_test_is_guarded_too() -> None:
    done = subprocess.run([sys.executable, "-c", REACH], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "BlockedError: expected tests to stay on this machine" in done.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_can_be_reached(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()[:2]) as one:
        assert one.getpeername() == server.getsockname()
        with socket.create_connection((host, server.getsockname()[1])) as other:
            assert other.getpeername() == server.getsockname()
    near, far = socket.socketpair(socket.AF_UNIX)
    with near, far:
        near.sendall(b"1")
        assert far.recv(1) == b"1"
