"""Processes that decode photos, as many at a time as there are cores for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
from dataclasses import asdict

from backend.photos.decoder import MESSAGE_BYTES, Decoded, DecodingJob
from serving.programs import child_environment, module_command

PROGRAM = "backend.photos.decoder"
IDLE_SECONDS = 5.0
"""An idle process ends after this long; the last one stays."""
WALL_SECONDS = 60.0
"""Longest time for one photo, however busy the machine is."""
_DYING_SECONDS = 2.0


class DecoderEnded(Exception):
    """The process ended before it had decoded the photo."""

    def __init__(self, out_of_time: bool) -> None:
        self.out_of_time = out_of_time


class DecoderPool:
    """Up to `count` processes that decode photos, started when they are needed.

    `keeps_last` says that one of them is not ended when idle.
    """

    def __init__(self, count: int, *, nice: int, keeps_last: bool) -> None:
        self._free = asyncio.Semaphore(count)
        self._nice, self._keeps_last = nice, keeps_last
        self._idle: list[_Decoder] = []
        self._running: set[_Decoder] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    async def decode(self, job: DecodingJob, file: int) -> tuple[Decoded, int | None]:
        """Carry out `job` on an open file; returns the result, and a new file if there is one.

        The caller closes both files. Raises DecoderEnded. If cancelled, the process is killed,
        so that it costs nothing more.
        """
        async with self._free:
            decoder = await self._take()
            try:
                async with asyncio.timeout(WALL_SECONDS):
                    result = await decoder.decode(job, file)
            except (OSError, EOFError) as error:  # TimeoutError is an OSError
                code = await self._end(decoder, wait=not isinstance(error, TimeoutError))
                out_of_time = isinstance(error, TimeoutError) or code == -signal.SIGXCPU
                raise DecoderEnded(out_of_time) from error
            except BaseException:
                await self._end(decoder)
                raise
            self._give_back(decoder)
            return result

    async def close(self) -> None:
        """End all processes; photos that are being decoded fail."""
        self._closed = True
        for decoder in list(self._running):
            await self._end(decoder)
        await asyncio.gather(*self._ending)

    async def _take(self) -> _Decoder:
        while self._idle:
            decoder = self._idle.pop()
            if decoder.is_usable():
                return decoder
            await self._end(decoder)
        decoder = await _Decoder.start(self._nice)
        self._running.add(decoder)
        return decoder

    def _give_back(self, decoder: _Decoder) -> None:
        self._idle.append(decoder)
        asyncio.get_running_loop().call_later(
            IDLE_SECONDS, self._end_if_idle, decoder, decoder.jobs
        )

    def _end_if_idle(self, decoder: _Decoder, jobs: int) -> None:
        is_last = self._keeps_last and len(self._idle) == 1
        if decoder in self._idle and decoder.jobs == jobs and not is_last and not self._closed:
            self._idle.remove(decoder)
            self._running.discard(decoder)
            ending = asyncio.get_running_loop().create_task(decoder.end_by_itself())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    async def _end(self, decoder: _Decoder, *, wait: bool = False) -> int | None:
        self._running.discard(decoder)
        if decoder in self._idle:
            self._idle.remove(decoder)
        return await decoder.kill(wait=wait)


class _Decoder:
    def __init__(self, process: asyncio.subprocess.Process, connection: socket.socket) -> None:
        self._process, self._connection = process, connection
        self.jobs = 0

    @classmethod
    async def start(cls, nice: int) -> _Decoder:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * MESSAGE_BYTES)
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *module_command(PROGRAM),
                    str(nice),
                    stdin=theirs.fileno(),
                    stdout=asyncio.subprocess.DEVNULL,
                    # It has one thread, whose memory is to go back to the system.
                    env=child_environment(MALLOC_ARENA_MAX="1"),
                )
        except BaseException:
            ours.close()
            raise
        return cls(process, ours)

    def is_usable(self) -> bool:
        """Say whether it still runs; while it is idle there is nothing to read but its end."""
        if self._process.returncode is not None:
            return False
        try:
            self._connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    async def decode(self, job: DecodingJob, file: int) -> tuple[Decoded, int | None]:
        """Raises OSError or EOFError if it ends."""
        self.jobs += 1
        message = json.dumps(asdict(job)).encode()
        socket.send_fds(self._connection, [message], [file])  # never blocks: nothing else is in it
        await self._readable()
        data, files, _, _ = socket.recv_fds(self._connection, MESSAGE_BYTES, 1)
        if not data:
            raise EOFError
        return Decoded(**json.loads(data)), files[0] if files else None

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        readable: asyncio.Future[None] = loop.create_future()

        def set_readable() -> None:
            if not readable.done():
                readable.set_result(None)

        loop.add_reader(self._connection, set_readable)
        try:
            await readable
        finally:
            loop.remove_reader(self._connection)

    async def end_by_itself(self) -> None:
        """Let it end, as it does without a connection."""
        self._connection.close()
        await self._process.wait()

    async def kill(self, *, wait: bool) -> int | None:
        """End it now; returns its exit code. `wait` lets one that ends by itself do so."""
        self._connection.close()
        if wait:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DYING_SECONDS):
                    return await self._process.wait()
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        return await self._process.wait()
