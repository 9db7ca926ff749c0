"""Whose program is at the other end, so that nobody borrows another user's rights."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from backend.peer import owner_of_peer

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


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")
def test_another_user_is_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        port = server.getsockname()[1]
        command = [sys.executable, "-I", "-c", CONNECT, str(port), str(NOBODY)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            connection, address = server.accept()
            with connection:
                assert owner_of_peer(address, connection.getsockname()) == NOBODY
            other.communicate(b"", timeout=30)
