"""A proxy before a container engine that kills its client at a request of the test's choice."""

from __future__ import annotations

import asyncio
import re
from asyncio.subprocess import Process
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

CHUNK_BYTES = 2**16


class KillingProxy:
    """Listens at `path` and forwards to `engine`, both Unix sockets, until the kill.

    The `occurrence`th request whose first line matches `pattern` is answered by
    the engine, but the answer is never seen: `victim` is killed by then.
    """

    def __init__(self, path: Path, engine: Path, pattern: str, occurrence: int) -> None:
        self.path = path
        self.victim: Process | None = None
        self._engine = engine
        self._pattern = re.compile(pattern.encode())
        self._left = occurrence
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> KillingProxy:
        self._server = await asyncio.start_unix_server(self._serve, self.path)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        engine, to_engine = await asyncio.open_unix_connection(self._engine)
        deadly = asyncio.Event()

        def on_request(data: bytes) -> None:
            if self._pattern.match(data):
                self._left -= 1
                if self._left == 0:
                    deadly.set()

        def on_answer(data: bytes) -> None:
            if deadly.is_set() and self.victim is not None:
                self.victim.kill()

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_forward(client, to_engine, on_request))
                group.create_task(_forward(engine, to_client, on_answer))
        except* ConnectionError:
            pass  # either side may go at any time: that is what is tested
        finally:
            to_client.close()
            to_engine.close()
            self._connections.discard(task)


async def _forward(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, on_data: Callable[[bytes], None]
) -> None:
    while data := await source.read(CHUNK_BYTES):
        on_data(data)
        target.write(data)
        await target.drain()
    target.write_eof()
