"""The HTTP side of the server."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from serving.model_server.http_server import HttpServer


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"small"})


async def test_small_answers_are_sent_at_once() -> None:
    """Without TCP_NODELAY a small answer waits for an acknowledgement, some 40 ms."""
    app: Any = answer
    server = HttpServer(app)
    reader, writer = await asyncio.open_connection("127.0.0.1", await server.start("127.0.0.1", 0))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    (connection,) = server._server.server_state.connections
    accepted = connection.transport.get_extra_info("socket")
    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    writer.close()
    await server.stop(0)
