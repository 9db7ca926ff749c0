"""A tunnel to the instances of an engine on another machine, through the engine's own API.

The engine publishes their ports on the loopback of its own machine. Each becomes a port on the
loopback of this one: for each connection to it the engine runs a small relay in the container,
whose input and output go over the API, encrypted and authenticated as every other call.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import ssl
import threading
from collections.abc import Awaitable, Container
from typing import Any, TypeVar

from docker import APIClient

from serving.background import cancel_and_wait
from serving.engines.docker.errors import LIBRARY_ERRORS
from serving.errors import EngineError

T = TypeVar("T")

log = logging.getLogger(__name__)

CHUNK_BYTES = 65536
OPEN_TIMEOUT_SECONDS = 10.0
HEADER_BYTES = 8
"""Before each piece of output: which stream it is of, and its length in the last four bytes."""

_WITH_PYTHON = """\
import os, select, socket, sys
server = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
while True:
    for end in select.select([0, server], [], [])[0]:
        data = os.read(0, 65536) if end == 0 else server.recv(65536)
        if not data:
            sys.exit()
        if end == 0:
            server.sendall(data)
        else:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
"""
_WITH_BASH = """\
exec 3<>"/dev/tcp/127.0.0.1/$1" 4<&0 || exit
cat <&3 & output=$!
(cat <&4 >&3; kill $output) & input=$!
wait $output
kill $input
"""
_RELAY = """\
python="${SERVERY_PYTHON:-python3}"
if command -v "$python" >/dev/null; then exec "$python" -S -c "$2" "$1"; fi
exec bash -c "$3" bash "$1"
"""
"""What runs in the container: our own image has Python, TensorFlow Serving's has bash."""


def relay_command(port: int) -> list[str]:
    """Return what passes on its input to a port of its own loopback, and output from there."""
    return ["sh", "-c", _RELAY, "relay", str(port), _WITH_PYTHON, _WITH_BASH]


class ExecTunnel:
    """Ports of this machine's loopback that lead to those of an engine's containers."""

    def __init__(self, client: APIClient, address: tuple[str, int], tls: ssl.SSLContext) -> None:
        """`client` is one of the engine at `address`, and not closed here."""
        self._client = client
        self._address = address
        self._tls = tls
        self._servers: dict[int, asyncio.Server] = {}
        """By the port on the other machine."""
        self._connections: set[asyncio.Task[None]] = set()
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="tunnel")
        self._thread.start()

    def port(self, remote: int) -> int:
        """Return the port on this machine's loopback that leads to `remote` on the other's.

        It is the same number if that is free here. Raises EngineError.
        """
        with self._lock:
            if remote not in self._servers:
                try:
                    self._servers[remote] = self._run(self._listen(remote))
                except OSError as error:
                    raise EngineError(
                        f"No port of this machine can lead to the instance: {error.strerror}.",
                        "Close other programs, then try again.",
                    ) from error
            return int(self._servers[remote].sockets[0].getsockname()[1])

    def keep_only(self, remotes: Container[int]) -> None:
        """Close the local ports that lead to any others."""
        with self._lock:
            for remote in [port for port in self._servers if port not in remotes]:
                self._loop.call_soon_threadsafe(self._servers.pop(remote).close)

    def close(self) -> None:
        """Close every port and connection."""
        with self._lock:
            if self._loop.is_closed():
                return
            self._run(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _run(self, work: Awaitable[T]) -> T:
        async def carry_out() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(carry_out(), self._loop).result()

    async def _listen(self, remote: int) -> asyncio.Server:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._connections.add(task)
            try:
                await self._serve(remote, reader, writer)
            except asyncio.CancelledError:
                pass  # the tunnel is closed, and so is this connection
            finally:
                self._connections.discard(task)
                writer.close()

        try:
            return await asyncio.start_server(accept, "127.0.0.1", remote)
        except OSError:  # the number is taken here
            return await asyncio.start_server(accept, "127.0.0.1", 0)

    async def _end(self) -> None:
        for server in self._servers.values():
            server.close()
        self._servers.clear()
        await cancel_and_wait(*self._connections)

    async def _serve(
        self, remote: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Pass on what either end sends, until one of them closes."""
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_SECONDS):
                relay = await asyncio.to_thread(self._new_relay, remote)
                output, input_ = await self._start(relay)
        except (*LIBRARY_ERRORS, EOFError) as error:
            log.debug("No way to port %d of the engine's machine: %s", remote, error)
            return
        ends = (
            asyncio.ensure_future(_copy(reader, input_)),
            asyncio.ensure_future(_copy_output(output, writer)),
        )
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_and_wait(*ends)
            input_.transport.abort()

    def _new_relay(self, remote: int) -> str:
        """Return the id of a relay in the container that publishes a port; raises OSError."""
        for row in self._client.containers():
            for port in row.get("Ports") or ():
                if port.get("PublicPort") == remote:
                    command = relay_command(int(port["PrivatePort"]))
                    made: dict[str, Any] = self._client.exec_create(
                        row["Id"], command, stdin=True, stderr=False
                    )
                    return str(made["Id"])
        raise ConnectionRefusedError(f"no container publishes port {remote}")

    async def _start(self, relay: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return the output and the input of a relay; raises OSError or EOFError."""
        host, port = self._address
        body = json.dumps({"Detach": False, "Tty": False}).encode()
        reader, writer = await asyncio.open_connection(host, port, ssl=self._tls)
        head = (
            f"POST /v{self._client.api_version}/exec/{relay}/start HTTP/1.1\r\n"
            f"Host: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        )
        try:
            writer.write(head.encode() + body)
            status = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n", 1)[0].decode()
            if status.split()[1:2] not in (["101"], ["200"]):
                raise ConnectionRefusedError(f"the engine answers {status}")
        except BaseException:
            writer.transport.abort()
            raise
        return reader, writer


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()


async def _copy_output(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on the output of a relay without what the engine puts before each piece."""
    with contextlib.suppress(OSError, EOFError):
        while True:
            left = int.from_bytes((await reader.readexactly(HEADER_BYTES))[4:])
            while left:
                data = await reader.read(min(left, CHUNK_BYTES))
                if not data:
                    return
                left -= len(data)
                writer.write(data)
                await writer.drain()
