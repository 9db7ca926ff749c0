"""Clients that open connections and leave them unfinished."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

HEAD = b"POST /labels HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Len"
BODY = b"POST /classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000\r\n\r\n\xff\xd8"
FORM = (
    b"POST /labels HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disp"
)
CHUNKS = (
    b"POST /classify HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n\xff\xd8"
)
EVENTS = b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
WHOLE = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@contextmanager
def unfinished(port: int, sent: Sequence[bytes]) -> Iterator[list[socket.socket]]:
    """Open a connection for each of `sent`, which sends that and no more."""
    with ExitStack() as stack:
        opened = []
        for data in sent:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), 60))
            with contextlib.suppress(OSError):  # ended for one that came later
                connection.sendall(data)
            opened.append(connection)
        yield opened
