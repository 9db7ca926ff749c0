"""Whose program is at the other end, so that nobody borrows another user's rights."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from backend import peer
from backend.peer import is_loopback, owner_of_listener, owner_of_peer

NOBODY = 65534
CONNECT = """
import encodings.idna, os, socket, sys  # afterwards, Python's files may be out of reach
os.setuid(int(sys.argv[2]))
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as one:
    print("connected", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(("family", "host"), [("4", "127.0.0.1"), ("6", "::1")])
def test_a_program_of_this_user_is_known(family: str, host: str) -> None:
    kind = socket.AF_INET if family == "4" else socket.AF_INET6
    with (
        socket.create_server((host, 0), family=kind) as server,
        socket.create_connection(server.getsockname()[:2]) as client,
    ):
        assert owner_of_peer(client.getsockname()[:2], server.getsockname()[:2]) == os.getuid()


def test_a_connection_that_there_is_not_belongs_to_nobody() -> None:
    assert owner_of_peer(("127.0.0.1", 1), ("127.0.0.1", 2)) is None


@pytest.fixture
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The client's and the server's end of a connection of this process."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        with client, accepted:
            yield client, accepted


def test_a_client_that_says_no_more_is_still_known(
    connected: tuple[socket.socket, socket.socket],
) -> None:
    client, server = connected
    client.shutdown(socket.SHUT_WR)
    assert owner_of_peer(server.getpeername(), server.getsockname()) == os.getuid()


@pytest.mark.parametrize("tables_alone", [False, True])
def test_a_connection_that_its_client_closed_has_no_owner(
    connected: tuple[socket.socket, socket.socket],
    tables_alone: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if tables_alone:
        without_netlink(monkeypatch)
    client, server = connected
    ends = server.getpeername(), server.getsockname()
    assert owner_of_peer(*ends) == os.getuid()
    client.close()  # the kernel shows root as the owner of what is left of it
    assert owner_of_peer(*ends) is None
    server.close()
    assert owner_of_peer(*ends) is None


def test_a_client_that_is_only_connecting_is_not_known() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = []
        try:
            for _ in range(8):  # more than the queue takes: the last ones get no answer
                client = socket.socket()
                client.setblocking(False)
                client.connect_ex(address)
                waiting.append(client)
            states = Counter(
                client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] for client in waiting
            )
            assert states[2], f"none is in SYN_SENT: {states}"
            for client in waiting:
                state = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
                owner = owner_of_peer(client.getsockname(), address)
                assert owner == (os.getuid() if state == 1 else None)
        finally:
            for client in waiting:
                client.close()


@pytest.mark.parametrize(
    ("listens", "connects"),
    [
        ("::", "127.0.0.1"),
        ("::", "::1"),
        ("127.0.0.1", "::ffff:127.0.0.1"),
        ("0.0.0.0", "127.9.9.9"),
    ],
)
@pytest.mark.parametrize("tables_alone", [False, True])
def test_every_way_over_loopback_is_known(
    listens: str, connects: str, tables_alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if tables_alone:
        without_netlink(monkeypatch)
    family = socket.AF_INET6 if ":" in listens else socket.AF_INET
    both = listens == "::"
    with (
        socket.create_server((listens, 0), family=family, dualstack_ipv6=both) as server,
        socket.create_connection((connects, server.getsockname()[1])) as client,
    ):
        accepted, address = server.accept()
        with accepted:
            ends = address[:2], accepted.getsockname()[:2]
            assert is_loopback(ends[0][0])
            assert owner_of_peer(*ends) == os.getuid()
            assert owner_of_peer(ends[0], (ends[1][0], 1)) is None
        del client


def test_a_listener_is_known_and_is_no_client() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        assert owner_of_listener(address) == os.getuid()
        assert owner_of_listener((address[0], 1)) is None
        # The kernel answers with the listener where no connection has these ends.
        assert owner_of_peer(address, ("127.0.0.1", 2)) is None


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *((host, True) for host in ("127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1")),
        *((host, False) for host in ("192.168.1.7", "::", "0.0.0.0", "::ffff:10.0.0.1")),
        *((host, False) for host in ("localhost", "testclient", "", "127.0.0.1.example")),
    ],
)
def test_only_addresses_of_loopback_are_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_the_user_who_stands_for_all_unknown_ones_is_nobody_in_particular(
    connected: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, server = connected
    monkeypatch.setattr(peer, "_unknown_users", lambda: frozenset((os.getuid(),)))
    assert owner_of_peer(server.getpeername(), server.getsockname()) is None


def without_netlink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the tables in /proc alone, as in a sandbox whose kernel answers nothing else."""

    def refuse(*ends: object) -> tuple[int, int, int]:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(peer, "_ask_kernel", refuse)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")
def test_the_connection_of_another_user_is_recognized() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        port = server.getsockname()[1]
        command = [sys.executable, "-I", "-c", CONNECT, str(port), str(NOBODY)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            connection, address = server.accept()
            with connection:
                assert owner_of_peer(address, connection.getsockname()) == NOBODY
            other.communicate(b"", timeout=30)
