"""Accepts connections as far as there is room for them, and makes room where clients dawdle."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable, Collection

from serving.http.connection import HttpProtocol, Waiting
from serving.http.limits import affordable_connections

_log = logging.getLogger(__name__)

_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_NEW_SECONDS, _YOUNGEST_SECONDS = 1.0, 0.1
"""A request that began less than these ago is likely to be whole soon: it is ended for others
last, or not at all, since what the client sent may not have been read yet."""
_MAX_ACCEPTED_AT_ONCE = 16
"""Connections that are accepted before the other work of the loop gets its turn."""


class Listener:
    """Passes connections of one listening socket to `new_protocol`; `close` ends that.

    When as many as allowed are open, the one whose client has kept the server waiting for
    the longest is ended for the next. If all wait for the application, the next one is
    accepted once one has ended.
    """

    def __init__(
        self,
        listening: socket.socket,
        new_protocol: Callable[[], HttpProtocol],
        connections: Collection[HttpProtocol],
        limit: int,
        backlog: int,
        on_pause: Callable[[], object],
        tls: ssl.SSLContext | None = None,
        handshake_seconds: float = 10.0,
    ) -> None:
        """`connections` are those that are open, kept by the protocols themselves.

        After `on_pause`, somebody has to `resume`. With `tls` each begins with a handshake, which
        takes at most `handshake_seconds`.
        """
        self._tls, self._handshake_seconds = tls, handshake_seconds
        self._on_pause = on_pause
        self._loop = asyncio.get_running_loop()
        self._socket, self._new_protocol = listening, new_protocol
        self._connections, self._limit = connections, limit
        self._at_once = max(1, min(_MAX_ACCEPTED_AT_ONCE, limit // 4))
        self._beginning: dict[asyncio.Task[object], float] = {}
        """What is no connection yet, and since when (loop time): the oldest first."""
        self._paused = True
        self._closed = self._warned = False
        listening.setblocking(False)
        listening.listen(backlog)
        self.resume()

    @property
    def is_paused(self) -> bool:
        """Whether it does not accept for want of room."""
        return self._paused and not self._closed

    def resume(self) -> None:
        """Accept again after there was no room; to be called now and then."""
        if self._paused and not self._closed:
            self._paused = False
            self._loop.add_reader(self._socket.fileno(), self._accept)

    def close(self) -> None:
        """Accept no more; open connections stay."""
        self._pause()
        self._closed = True
        self._socket.close()

    async def wait_closed(self) -> None:
        """Wait until what was being accepted has become a connection."""
        await asyncio.gather(*self._beginning, return_exceptions=True)

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._loop.remove_reader(self._socket.fileno())
            self._on_pause()

    def _accept(self) -> None:
        for _ in range(self._at_once):
            if len(self._connections) + len(self._beginning) >= self._limit:
                self._make_room()
                return
            try:
                accepted, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if not self._warned:  # once: it would be a line for each attempt
                    self._warned = True
                    _log.warning("No connection could be accepted: %s", error.strerror)
                if error.errno in _NO_DESCRIPTORS:
                    # The rest of the program uses more of them than it did at the start.
                    open_now = len(self._connections)
                    self._limit = min(self._limit, affordable_connections(self._limit, open_now))
                    self._make_room()
                else:
                    self._pause()
                return
            self._begin(accepted)

    def _begin(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        if accepted.family in (socket.AF_INET, socket.AF_INET6):
            # asyncio does so only if the socket names its protocol: a small answer would wait
            # for the client's acknowledgement otherwise.
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # It is a connection only in a later round of the loop: until then it counts here.
        seconds = None if self._tls is None else self._handshake_seconds
        task: asyncio.Task[object] = self._loop.create_task(
            self._loop.connect_accepted_socket(
                self._new_protocol, accepted, ssl=self._tls, ssl_handshake_timeout=seconds
            )
        )
        self._beginning[task] = self._loop.time()
        task.add_done_callback(self._begun)

    def _begun(self, task: asyncio.Task[object]) -> None:
        del self._beginning[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            # A client that does not encrypt, or does not believe the certificate.
            _log.debug("No connection came about: %s", error)

    def _make_room(self) -> None:
        """End the connections that others can best do without, of those that wait for clients."""
        candidates = [
            (rank, connection)
            for connection in self._connections
            if not connection.transport.is_closing()
            and (waiting := connection.waiting())
            and (rank := _rank(*waiting, self._loop.time()))
        ]
        # At least one, since one is waiting to be accepted.
        too_many = max(1, len(self._connections) + len(self._beginning) - self._limit + 1)
        # The socket stays readable: without a pause the loop would spin until there is room.
        self._pause()
        ended = self._end_handshakes(too_many)
        for _, connection in sorted(candidates, key=lambda entry: entry[0])[: too_many - ended]:
            connection.refuse(503)
        if not candidates and not ended:
            # Clients that sent many requests at once would keep others out until the last.
            ending = 0
            for connection in self._connections:
                ending += connection.end_after_response()
                if ending >= self._at_once:
                    break
        if candidates or ended:
            # Its descriptor is free in the next round of the loop, or the one after that.
            self._loop.call_soon(self._loop.call_soon, self.resume)

    def _end_handshakes(self, max_ended: int) -> int:
        """End the oldest connections whose client does not go on encrypting; returns how many."""
        now = self._loop.time()
        old = [task for task, since in self._beginning.items() if now - since > _NEW_SECONDS]
        for task in old[:max_ended]:
            task.cancel()
        return len(old[:max_ended])


def _rank(what: Waiting, since: float, now: float) -> tuple[int, float] | None:
    """Return a key that is smaller the better others can do without; None if it is to stay."""
    if what in (Waiting.IDLE, Waiting.STREAM):
        return 1, since
    if now - since > _NEW_SECONDS:
        return 0, since
    return (2, since) if now - since > _YOUNGEST_SECONDS else None
