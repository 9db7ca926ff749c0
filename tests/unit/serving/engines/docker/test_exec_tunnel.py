"""The relay of a tunnel, as containers run it: with Python, or with bash alone."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from serving.engines.docker.exec_tunnel import relay_command

SIZE = 3 * 2**20


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back the first SIZE bytes of a connection, then closes it."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            left = SIZE
            while left and (data := connection.recv(65536)):
                left -= len(data)
                connection.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join()


def start(port: int, python: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        relay_command(port),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", "SERVERY_PYTHON": python},
    )


@pytest.mark.parametrize("python", [sys.executable, "no-python-here"])
def test_a_relay_passes_on_every_byte_and_ends_with_either_end(echo: int, python: str) -> None:
    if python != sys.executable and shutil.which("bash") is None:
        pytest.skip("there is no bash")
    data = bytes(range(256)) * (SIZE // 256)
    with start(echo, python) as relay:
        assert relay.stdin is not None
        assert relay.stdout is not None
        sender = threading.Thread(target=relay.stdin.write, args=(data,))
        sender.start()
        received = relay.stdout.read()  # until the server has closed
        sender.join()
        relay.stdin.close()
        relay.wait(30)
    assert received == data


@pytest.mark.parametrize("python", [sys.executable, "no-python-here"])
def test_a_relay_ends_when_nobody_sends_any_more(echo: int, python: str) -> None:
    if python != sys.executable and shutil.which("bash") is None:
        pytest.skip("there is no bash")
    with start(echo, python) as relay:
        assert relay.stdin is not None
        assert relay.stdout is not None
        relay.stdin.close()
        assert relay.stdout.read() == b""
        relay.wait(30)
