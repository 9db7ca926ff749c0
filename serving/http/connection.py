"""One accepted HTTP connection, which may carry many requests one after the other."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from asyncio.trsock import TransportSocket
from collections import deque
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from serving.http.limits import PROGRESS_BYTES, HttpLimits
from serving.http.problem import PROBLEM_MEDIA_TYPE, problem

_KEY = "connection"
_MESSAGES = {
    400: ("This is not an HTTP request.", "Check which program sends it."),
    408: ("The request did not arrive in time.", "Send it again, without pauses."),
    413: ("The body comes in too many small chunks.", "Send it in larger ones."),
    503: ("There are too many connections.", "Send the whole request at once, or try later."),
}
_RETRY_SECONDS = 2
_JOINED_BYTES = 1 << 16
"""More is sent right away."""
_CHUNKED_BYTES = 1 << 13
"""Of a body in chunks that are parsed before others have their turn."""
_FREE_CHUNKS = 20_000
"""A body may have that many chunks, whatever their size."""
_CHUNK_BYTES = 512
"""A body of more chunks has at least so many bytes for each of the others."""


@dataclass(eq=False)
class Connection:
    """What is known of a connection; the same object for each of its requests."""

    facts: dict[str, Any] = field(default_factory=dict)
    """What middleware found out about it once, by a name of its own."""
    socket: TransportSocket | None = None
    """Our end; None for a request that came on no connection, as tests make them."""
    is_stream: bool = False
    """Set by the application: its response goes on until one side ends it, as the server does
    if it needs room for others."""

    def is_connected(self) -> bool:
        """Whether the client has not reset the connection, and so still has its port."""
        if self.socket is None:
            return True
        try:
            self.socket.getpeername()
        except OSError:
            return False
        return True


class Waiting(Enum):
    """What a server waits for its client to do."""

    HEAD = "send the head of a request"
    BODY = "send the body of a request"
    REST = "send the rest of a request that is answered already"
    RESPONSE = "take the response"
    IDLE = "send another request"
    STREAM = "end the connection, which it may do without"


class JoinedWrites:
    """A transport that sends what is written within one turn of the event loop at once.

    The head of a response and its body are two writes, and each is a call of the system that may
    wake the client. What is long is sent right away, so that `pause_writing` comes in time.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0

    def write(self, data: bytes) -> None:
        """Send bytes soon, after those before."""
        if not data:
            return
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(data)
        self._unsent_bytes += len(data)
        if self._unsent_bytes > _JOINED_BYTES:
            self._flush()

    def close(self) -> None:
        """Close the connection once everything is sent."""
        self._flush()
        self._transport.close()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes the client has not taken yet, of those that could be sent."""
        self._flush()
        return self._transport.get_write_buffer_size()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        self._unsent_bytes = 0
        if unsent and not self._transport.is_closing():
            self._transport.write(unsent[0] if len(unsent) == 1 else b"".join(unsent))


class Turns:
    """Lets the connections of a server that have much to parse take turns.

    One has its turn, then whatever else the event loop has to do, then the next one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Callable[[], None]] = deque()

    def add(self, work: Callable[[], None]) -> None:
        """Call `work` when it is its turn."""
        self._waiting.append(work)
        if len(self._waiting) == 1:
            self._loop.call_soon(self._take_one)

    def _take_one(self) -> None:
        try:
            self._waiting[0]()
        finally:
            self._waiting.popleft()
            if self._waiting:
                self._loop.call_soon(self._take_one)


class _Parser(h11.Connection):
    """Refuses what is allowed in HTTP and does harm.

    A body in very many small chunks costs far more time than its bytes. One with two lengths
    has two ends.
    """

    chunks = body_bytes = 0

    @property
    def has_small_chunks(self) -> bool:
        return self.chunks > _FREE_CHUNKS + self.body_bytes // _CHUNK_BYTES

    def next_event(self) -> Any:
        event = super().next_event()
        if isinstance(event, h11.Data):
            # `chunk_start` is False in a body with a length, and in later parts of one chunk.
            self.chunks += event.chunk_start
            self.body_bytes += len(event.data)
            if self.has_small_chunks:
                raise h11.RemoteProtocolError(_MESSAGES[413][0], 413)
        elif isinstance(event, h11.Request):
            self.chunks = self.body_bytes = 0
            if {b"content-length", b"transfer-encoding"} <= {name for name, _ in event.headers}:
                # A proxy that goes by the other one would see other requests than we do.
                raise h11.RemoteProtocolError("a length and chunks", 400)
        return event


class HttpProtocol(H11Protocol):
    """uvicorn's protocol, which also tells the application which connection a request is on.

    And it ends what its client leaves unfinished, when the server calls `end_if_overdue`.
    Give it to `uvicorn.Config(http=...)`.
    """

    def __init__(self, *arguments: Any, turns: Turns | None = None, **settings: Any) -> None:
        """Take `turns` with the server's other connections; the rest is uvicorn's."""
        super().__init__(*arguments, **settings)
        limit = self.config.h11_max_incomplete_event_size
        self.conn = _Parser(h11.SERVER) if limit is None else _Parser(h11.SERVER, limit)
        self._turns = turns or Turns(self.loop)

    # uvicorn narrows the argument's type too, since its connections are always TCP or UNIX sockets.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, JoinedWrites(transport, self.loop)))
        # uvicorn copies this dictionary for each request, but not what is in it.
        self._connection = Connection(socket=transport.get_extra_info("socket"))
        self.app_state = {**self.app_state, _KEY: self._connection}
        self._waiting: Waiting | None = Waiting.HEAD
        self._since = self.loop.time()
        self._received = self._unsent = 0
        self._postponed = bytearray()

    def data_received(self, data: bytes) -> None:
        """Receive bytes of a request."""
        self._received += len(data)
        if self._waiting is Waiting.IDLE:
            self._waiting, self._since = Waiting.HEAD, self.loop.time()
        if self._postponed:
            self._postponed += data
        else:
            self._take(data)
        self._update_wait()

    def _take(self, data: bytes, has_turn: bool = False) -> None:
        """Parse what was received; of a body in chunks only a little, and the rest later.

        A chunk may be a byte long, and each costs as much time as thousands of bytes.
        """
        at = 0
        while at < len(data) and not self.transport.is_closing():
            if self._is_in_chunks() and not has_turn:
                self._postponed += data[at:]
                self.transport.pause_reading()
                self._turns.add(self._take_postponed)
                return
            has_head = self.conn.their_state is h11.SEND_BODY and not self._is_in_chunks()
            stop = len(data) if has_head else at + _CHUNKED_BYTES
            super().data_received(data[at:stop])
            at, has_turn = stop, False

    def _take_postponed(self) -> None:
        data = bytes(self._postponed)
        self._postponed.clear()
        self._take(data, has_turn=True)
        if not (self._postponed or self.flow.read_paused):
            self.transport.resume_reading()
        self._update_wait()

    def _is_in_chunks(self) -> bool:
        return self.conn.their_state is h11.SEND_BODY and any(
            name == b"transfer-encoding" for name, _ in self.headers
        )

    def on_response_complete(self) -> None:
        """Go on with the next request; called by uvicorn."""
        self._connection.is_stream = False
        super().on_response_complete()
        self._update_wait()

    def resume_writing(self) -> None:
        """Note that the client took some of the response; called by the transport."""
        super().resume_writing()
        if self._waiting is Waiting.RESPONSE:
            self._since = self.loop.time()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request of HTTP; called by uvicorn."""
        has_small_chunks = cast(_Parser, self.conn).has_small_chunks
        self.refuse(413 if has_small_chunks else 400)

    def waiting(self) -> tuple[Waiting, float] | None:
        """Return what the connection waits for its client to do, and since when (loop time).

        None while the client waits for the application.
        """
        self._update_wait()
        return None if self._waiting is None else (self._waiting, self._since)

    @property
    def is_kept(self) -> bool:
        """Whether it is kept for another request, or for a response without an end."""
        self._update_wait()
        return self._waiting in (Waiting.IDLE, Waiting.STREAM)

    def end_if_overdue(self, limits: HttpLimits) -> None:
        """End the connection if its client has left it waiting for longer than `limits` allow.

        With 408 if there is no response yet.
        """
        if (waiting := self.waiting()) is None:
            return
        seconds = {
            Waiting.HEAD: limits.head_seconds,
            Waiting.BODY: limits.body_seconds,
            Waiting.REST: limits.body_seconds,
            Waiting.RESPONSE: limits.response_seconds,
            Waiting.IDLE: limits.idle_seconds,
            Waiting.STREAM: math.inf,
        }[waiting[0]]
        if self.loop.time() - waiting[1] < seconds:
            return
        self.refuse(408)

    def refuse(self, status: int) -> None:
        """End the connection now, with this status if a request began and has no response yet."""
        if self._waiting is Waiting.BODY or (self._waiting is Waiting.HEAD and self._received):
            self._answer(status)
        if self.cycle is not None:
            # The application waits for the body, and must not answer any more.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._unset_keepalive_if_required()
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # `close` would wait until the client has taken it all
        else:
            self.transport.close()

    def end_after_response(self) -> bool:
        """End the connection after the response that is being made, if more requests came already.

        Says whether it will end; their client may send those again on another connection.
        """
        if self.cycle is None or self.cycle.response_complete or not self.conn.trailing_data[0]:
            return False
        self.cycle.keep_alive = False
        return True

    def _answer(self, status: int) -> None:
        what, advice = _MESSAGES[status]
        body = json.dumps(problem(status, what, advice)).encode()
        headers = [
            (b"content-type", PROBLEM_MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append((b"retry-after", str(_RETRY_SECONDS).encode()))
        reason = HTTPStatus(status).phrase.encode()
        with contextlib.suppress(h11.LocalProtocolError):  # the application has begun to answer
            for event in (
                h11.Response(status_code=status, headers=headers, reason=reason),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")

    def _update_wait(self) -> None:
        """Find out what the connection waits for; restart the time if that is something else."""
        now, unsent = self.loop.time(), self.transport.get_write_buffer_size()
        waiting = self._current_wait(unsent)
        if waiting is not self._waiting:
            self._waiting, self._since = waiting, now
            self._received = 0
        elif waiting is Waiting.BODY and (
            # While reading is paused, it is the application that is slow.
            self.flow.read_paused or self._received >= PROGRESS_BYTES
        ):
            self._since, self._received = now, 0
        elif waiting is Waiting.RESPONSE and unsent < self._unsent:
            self._since = now
        self._unsent = unsent

    def _current_wait(self, unsent: int) -> Waiting | None:
        if unsent:
            return Waiting.RESPONSE
        theirs, ours = self.conn.their_state, self.conn.our_state
        if theirs is h11.SEND_BODY:
            return Waiting.REST if ours is h11.DONE else Waiting.BODY
        if theirs is h11.IDLE and ours is h11.IDLE:
            # Until the head is whole it may be anything: what was received tells them apart.
            return Waiting.HEAD if self._waiting is Waiting.HEAD else Waiting.IDLE
        return Waiting.STREAM if self._connection.is_stream else None


def connection_of(scope: MutableMapping[str, Any]) -> Connection:
    """Return the connection that a request came on; a new one for a request made by a test."""
    state = scope.setdefault("state", {})
    return cast(Connection, state.setdefault(_KEY, Connection()))
