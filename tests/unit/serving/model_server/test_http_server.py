"""The HTTP side of the server."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from serving.model_server.http_server import HttpServer
from tests.support.waiting import wait_until


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


async def test_a_server_without_connections_is_idle_and_shuts_down() -> None:
    app: Any = answer
    server = HttpServer(app)
    port = await server.start("127.0.0.1", 0)
    ticks = 0
    tick = server._server.on_tick

    async def count(counter: int) -> bool:
        nonlocal ticks
        ticks += 1
        return await tick(counter)

    server._server.on_tick = count  # type: ignore[method-assign]
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    await wait_until(lambda: ticks > 2)  # what a client leaves unfinished is looked for
    writer.close()
    await wait_until(lambda: not server._server.server_state.connections)
    await asyncio.sleep(1)
    before = ticks
    await asyncio.sleep(1)
    assert ticks == before
    await server.stop(0)
