from __future__ import annotations

import asyncio
import http.client
import socket
from typing import Any

import uvicorn

from serving.http.connection import HttpProtocol, connection_of


async def test_connection_is_the_same_for_each_of_its_requests() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(connection_of(scope))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    def request_twice(port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for _ in range(2):
            connection.request("GET", "/")
            connection.getresponse().read()
        connection.close()

    server = uvicorn.Server(
        uvicorn.Config(app, http=HttpProtocol, lifespan="off", log_config=None, ws="none")
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        serving = asyncio.create_task(server._serve([listener]))
        await asyncio.to_thread(request_twice, port)
        await asyncio.to_thread(request_twice, port)
        server.should_exit = True
        await serving
    assert seen[0] is seen[1]
    assert seen[2] is seen[3]
    assert seen[0] is not seen[2]
