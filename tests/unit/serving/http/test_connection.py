from __future__ import annotations

import asyncio
import http.client
import socket
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import uvicorn

from serving.http.connection import HttpProtocol, JoinedWrites, Turns, connection_of
from serving.http.limits import HttpLimits
from tests.support.http_server import serving


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
        running = asyncio.create_task(server._serve([listener]))
        await asyncio.to_thread(request_twice, port)
        await asyncio.to_thread(request_twice, port)
        server.should_exit = True
        await running
    assert seen[0] is seen[1]
    assert seen[2] is seen[3]
    assert seen[0] is not seen[2]


async def test_many_small_chunks_let_others_have_their_turn() -> None:
    """Each costs as much time to parse as thousands of bytes."""
    turns = [0]
    bodies: list[bytes] = []

    def turn() -> None:
        turns[0] += 1
        asyncio.get_running_loop().call_soon(turn)

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        turn()
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        bodies.append(body)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    def post(port: int) -> bytes:
        content = bytes(range(256)) * 75
        with socket.create_connection(("127.0.0.1", port)) as connection:
            for end in (b"0\r\n\r\n", b"0\r\n\r\n"):
                connection.sendall(
                    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + b"".join(b"1\r\n%c\r\n" % byte for byte in content)
                    + end
                )
            answers = b""
            while answers.count(b"204 No Content") < 2:
                answers += connection.recv(1000)
        return content

    server = uvicorn.Server(
        uvicorn.Config(app, http=HttpProtocol, lifespan="off", log_config=None, ws="none")
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        running = asyncio.create_task(server._serve([listener]))
        content = await asyncio.to_thread(post, port)
        server.should_exit = True
        await running
    assert bodies == [content, content]
    # 115 kB each, at most 8 kB of which are parsed in one turn.
    assert turns[0] > 20


@pytest.mark.parametrize(
    ("count", "size", "status"),
    [(20_000, 1, 204), (25_000, 512, 204), (21_000, 1, 413), (40_000, 100, 413)],
)
async def test_a_body_in_too_many_small_chunks_is_refused(
    count: int, size: int, status: int
) -> None:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    def post(port: int) -> bytes:
        chunk = b"%x\r\n%b\r\n" % (size, bytes(size))
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            with suppress(ConnectionError):  # refused, it is not read to its end
                connection.sendall(
                    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + chunk * count
                    + b"0\r\n\r\n"
                )
            with suppress(ConnectionError):
                return connection.recv(12)
        return b"HTTP/1.1 413"  # the reset came before the answer was read

    async with serving(app, HttpLimits()) as port:
        assert await asyncio.to_thread(post, port) == f"HTTP/1.1 {status}".encode()


@pytest.mark.parametrize(
    "lengths",
    [
        "Content-Length: 6\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 6",
        "TRANSFER-ENCODING: Chunked\r\ncontent-length: 0",
    ],
)
async def test_a_request_with_two_ends_is_refused_and_nothing_after_it_is_read(
    lengths: str,
) -> None:
    """A proxy that goes by the other one would let the second request through as a body."""
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    def post(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(
                f"POST /first HTTP/1.1\r\nHost: x\r\n{lengths}\r\n\r\n0\r\n\r\n"
                "GET /second HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            )
            answer = b""
            while received := connection.recv(4096):
                answer += received
        return answer

    async with serving(app, HttpLimits()) as port:
        answer = await asyncio.to_thread(post, port)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert seen == []


async def test_connections_take_turns() -> None:
    turns = Turns(asyncio.get_running_loop())
    order: list[str] = []
    done = asyncio.Event()

    def work(name: str, times: int) -> None:
        order.append(name)
        asyncio.get_running_loop().call_soon(order.append, "other")
        if times > 1:
            turns.add(partial(work, name, times - 1))
        elif name == "b":
            asyncio.get_running_loop().call_soon(done.set)

    turns.add(partial(work, "a", 2))
    turns.add(partial(work, "b", 2))
    await done.wait()
    assert order == ["a", "other", "b", "other", "a", "other", "b", "other"]


async def test_clients_that_send_many_requests_at_once_make_room_for_others() -> None:
    served = [0]
    begun, may_answer = asyncio.Semaphore(0), asyncio.Event()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        served[0] += 1
        begun.release()
        await may_answer.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    async with serving(app, HttpLimits(connections=1)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request * 3)
        await begun.acquire()
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", port)
        other_writer.write(request)
        for _ in range(50):  # rounds of the loop, in which the server looks for room
            await asyncio.sleep(0)
        may_answer.set()
        assert (await reader.read()).count(b"HTTP/1.1 204") == 1
        assert await other_reader.readuntil(b"\r\n\r\n")
        assert served[0] == 2
        for each in (writer, other_writer):
            each.close()


class KeptWrites(asyncio.Transport):
    """A transport that only keeps what is written, and in how many pieces."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def get_write_buffer_size(self) -> int:
        return 0


async def test_a_head_and_its_body_are_sent_at_once() -> None:
    kept = KeptWrites()
    joined = JoinedWrites(kept, asyncio.get_running_loop())
    joined.write(b"head ")
    joined.write(b"")
    joined.write(b"body")
    assert kept.written == []
    await asyncio.sleep(0)
    assert kept.written == [b"head body"]
    # What comes alone, such as an event of a stream, does not wait for more.
    joined.write(b"event")
    await asyncio.sleep(0)
    assert kept.written[1:] == [b"event"]


async def test_much_is_sent_before_more_is_written() -> None:
    kept = KeptWrites()
    joined = JoinedWrites(kept, asyncio.get_running_loop())
    joined.write(b"head")
    joined.write(bytes(100_000))
    assert kept.written == [b"head" + bytes(100_000)]
    await asyncio.sleep(0)
    assert len(kept.written) == 1


@pytest.mark.parametrize("way", ["close", "size", "abort"])
async def test_what_waits_is_sent_before_the_end_unless_that_is_sudden(way: str) -> None:
    kept = KeptWrites()
    joined = JoinedWrites(kept, asyncio.get_running_loop())
    joined.write(b"answer")
    if way == "size":
        assert joined.get_write_buffer_size() == 0
    else:
        getattr(joined, way)()
    await asyncio.sleep(0)
    assert kept.written == ([] if way == "abort" else [b"answer"])
