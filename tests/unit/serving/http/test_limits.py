"""What a client leaves unfinished ends, and never keeps others out."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from serving.http.connection import connection_of
from serving.http.limits import HttpLimits
from tests.support.http_server import serving
from tests.support.waiting import TIMEOUT_SECONDS, wait_until

LARGE = bytes(16 * 2**20)
"""More than the system keeps of a response that nobody takes."""
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
SHORT = HttpLimits(head_seconds=0.3, body_seconds=0.3, response_seconds=0.3, idle_seconds=1)
LONG = 600.0


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the body; /large with LARGE, /stream until the client leaves, /early at once."""
    path, body, more = scope["path"], b"", scope["path"] != "/early"
    if path == "/stream":
        connection_of(scope).is_stream = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if path == "/stream":
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    await send(
        {"type": "http.response.body", "body": LARGE if path == "/large" else b"<%b>" % body}
    )


@asynccontextmanager
async def connections(
    port: int, count: int, sent: bytes = b""
) -> AsyncIterator[list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    """Open connections that send this and no more; they are closed at the end."""
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**10)
            stack.callback(writer.close)
            writer.write(sent)
            opened.append((reader, writer))
        yield opened


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """Return what is still received until the server ends the connection."""
    received = b""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while data := await reader.read(2**20):
                received += data
    except ConnectionResetError:
        pass
    return received


async def is_answered(port: int) -> bool:
    async with connections(port, 1, GET) as [(reader, _)]:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await reader.readline() == b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", b""),
        (b"GET / HT", b"HTTP/1.1 408 Request Timeout"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc", b"HTTP/1.1 408 Request"),
        (b"HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc", b"HTTP/1.1 408 Request"),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            b"HTTP/1.1 408 Request",
        ),
        (b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc", b"HTTP/1.1 200 OK"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT", b"HTTP/1.1 200 OK"),
    ],
    ids=["nothing", "head", "body", "body of HEAD", "chunks", "rest of a body", "second head"],
)
async def test_what_is_unfinished_ends(sent: bytes, status: bytes) -> None:
    async with serving(app, SHORT) as port, connections(port, 1, sent) as [(reader, _)]:
        received = await rest_of(reader)
        assert received.startswith(status)
        assert bool(received) == bool(status)
        assert await is_answered(port)


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"GET / HTTP/1.1\r\n", b"a: b\r\n"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n", b"a"),
    ],
    ids=["head", "body"],
)
async def test_a_request_that_arrives_byte_by_byte_ends(begin: bytes, more: bytes) -> None:
    async with serving(app, SHORT) as port, connections(port, 1, begin) as [(reader, writer)]:

        async def drip() -> None:
            while True:
                writer.write(more)
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        assert b" 408 " in await rest_of(reader)
        dripping.cancel()


async def test_body_that_makes_progress_is_received() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 30000\r\n\r\n"
    limits = HttpLimits(head_seconds=1, body_seconds=1)
    async with serving(app, limits) as port, connections(port, 1, head) as [(reader, writer)]:
        for _ in range(30):  # for longer than the limit
            writer.write(bytes(1000))
            await asyncio.sleep(0.1)
        assert (await rest_of(reader)).startswith(b"HTTP/1.1 200 OK")


async def test_response_that_nobody_takes_ends() -> None:
    async with serving(app, SHORT) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(GET.replace(b"/", b"/large", 1))
            client.setblocking(False)
            await asyncio.sleep(0)

            def is_ended() -> bool:
                # The server's end is gone: its system answers what is sent with a reset.
                try:
                    client.send(b"x")
                except BlockingIOError:
                    return False
                except OSError:
                    return True
                return False

            await wait_until(is_ended)


async def test_response_that_is_taken_slowly_is_whole() -> None:
    limits = HttpLimits(response_seconds=2.0, idle_seconds=1)
    sent = GET.replace(b"/", b"/large", 1).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with serving(app, limits) as port, connections(port, 1, sent) as [(reader, _)]:
        received = 0
        while data := await reader.read(2**19):
            received += len(data)
            await asyncio.sleep(0.01)
        assert received > len(LARGE)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HT",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
        b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
        GET,
        GET.replace(b"/", b"/stream", 1),
        GET.replace(b"/", b"/large", 1),
    ],
    ids=["nothing", "heads", "bodies", "rests", "idle", "streams", "responses"],
)
async def test_connections_that_wait_for_their_clients_keep_nobody_out(sent: bytes) -> None:
    limits = HttpLimits(8, head_seconds=LONG, body_seconds=LONG, idle_seconds=600)
    async with serving(app, limits) as port, connections(port, 40, sent):
        for _ in range(5):
            assert await is_answered(port)


async def test_one_that_waits_for_the_application_is_not_ended_for_others() -> None:
    release = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            await release.wait()
        await app(scope, receive, send)

    sent = GET.replace(b"/", b"/slow", 1).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with serving(slow, HttpLimits(4)) as port, connections(port, 3, sent) as slow_ones:
        await asyncio.sleep(0.1)
        async with connections(port, 20, b"GET"):
            assert await is_answered(port)
        release.set()
        for reader, _ in slow_ones:
            assert (await rest_of(reader)).startswith(b"HTTP/1.1 200 OK")


async def test_connections_beyond_the_limit_wait_until_there_is_room() -> None:
    release = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await release.wait()
        await app(scope, receive, send)

    sent = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with serving(slow, HttpLimits(4)) as port, connections(port, 12, sent) as all_of_them:
        await asyncio.sleep(0.3)
        release.set()
        for reader, _ in all_of_them:
            assert (await rest_of(reader)).startswith(b"HTTP/1.1 200 OK")


async def test_pipelined_requests_are_answered_one_by_one() -> None:
    async with serving(app, SHORT) as port, connections(port, 1, GET * 200) as [(reader, _)]:
        assert (await rest_of(reader)).count(b"HTTP/1.1 200 OK") == 200
