"""Where the backend listens, and what it says if it cannot."""

from __future__ import annotations

import socket

import pytest

from backend.server import listening_socket
from serving.errors import ServeryError


def test_taken_port_that_has_to_be_that_one_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(ServeryError) as caught,
            listening_socket("127.0.0.1", port, exact_port=True),
        ):
            pass
    assert caught.value.what == (
        f"Port {port} of 127.0.0.1 cannot be used: another program uses it."
    )
    assert "--port" in caught.value.advice


def test_taken_port_that_may_be_another_is_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with listening_socket("127.0.0.1", port) as listener:
            found = listener.getsockname()[1]
    assert found != port
    assert f"Port {port} is taken, so port {found} is used." in capsys.readouterr().err


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])  # of no machine: RFC 5737, 3849
def test_address_of_another_machine_is_refused(host: str) -> None:
    with (
        pytest.raises(ServeryError) as caught,
        listening_socket(host, 0, exact_port=True),
    ):
        pass
    assert caught.value.what == (
        f"The backend cannot listen at {host}: this machine does not have that address."
    )
    assert "--host" in caught.value.advice
