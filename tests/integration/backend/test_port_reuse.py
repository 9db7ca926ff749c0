"""A client that is gone is not taken for the program that has its port by now.

Another user could send a request, reset the connection, and have one of the person's programs
connect from the same port before the backend asks whose port it is.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from backend.access import Access
from backend.peer import Address, owner_of_peer
from serving.access_token import AccessToken
from serving.http.limits import HttpLimits
from serving.named_tokens import NamedTokens
from tests.support.http_server import serving

REQUEST = b"GET /models HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
RESET_AT_CLOSE = struct.pack("ii", 1, 0)


def connect(server: Address, port: int = 0) -> socket.socket:
    """Connect from a port that is free for others as soon as this is closed."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    made.settimeout(60)
    made.connect(server)
    return made


@pytest.mark.parametrize("requests", [1, 3])
async def test_a_reused_port_gives_the_former_client_no_access(
    tmp_path: Path, requests: int
) -> None:
    let_in = 0
    asked = asyncio.Event()
    opened: list[socket.socket] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal let_in
        let_in += 1
        await PlainTextResponse("mine")(scope, receive, send)

    def owner_of(client: Address, server: Address) -> int | None:
        first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        first.close()
        opened.append(connect(server, client[1]))
        asked.set()
        return owner_of_peer(client, server)

    access = Access(
        app, AccessToken(tmp_path / "token"), NamedTokens(tmp_path / "tokens.json"), owner_of
    )
    async with serving(access, HttpLimits()) as port:
        first = await asyncio.to_thread(connect, ("127.0.0.1", port))
        await asyncio.to_thread(first.sendall, REQUEST * requests)
        await asyncio.wait_for(asked.wait(), 60)
        await asyncio.sleep(0)
        with opened[0]:
            assert let_in == 0


async def test_a_client_that_waits_for_its_answer_is_let_in(tmp_path: Path) -> None:
    access = Access(
        PlainTextResponse("mine"),
        AccessToken(tmp_path / "token"),
        NamedTokens(tmp_path / "tokens.json"),
        owner_of_peer,
    )
    async with serving(access, HttpLimits()) as port:
        with await asyncio.to_thread(connect, ("127.0.0.1", port)) as client:
            client.sendall(REQUEST)
            client.shutdown(socket.SHUT_WR)
            assert b" 200 OK" in await asyncio.to_thread(client.recv, 1000)
