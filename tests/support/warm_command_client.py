"""Has a warm process run one command: what `servery` is in a shell of a test.

Imports little, since it is started for each command.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence


def send_command(
    connection: socket.socket,
    arguments: Sequence[str],
    folder: str,
    environment: Mapping[str, str],
    streams: Sequence[int],
) -> None:
    """Send a command with its standard streams; the answers are its pid and its exit code."""
    request = {
        "arguments": list(arguments),
        "folder": folder,
        "environment": dict(environment),
    }
    socket.send_fds(connection, [b"."], streams)
    connection.sendall(json.dumps(request).encode())
    connection.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    with socket.socket(socket.AF_UNIX) as to_warm:
        to_warm.connect(sys.argv[1])
        send_command(to_warm, sys.argv[2:], os.getcwd(), os.environ, (0, 1, 2))  # noqa: PTH109
        with to_warm.makefile("rb") as answers:
            _, code = answers.readline(), answers.readline()
    sys.exit(int(code))
