"""Uploads and connections that try to cost the backend far more than they cost their sender.

Each `send` returns how the backend answered: HTTP statuses, counted.
"""

from __future__ import annotations

import io
import socket
import threading
import zipfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial

from tests.benchmarks.attack import Attack, Target, together
from tests.support import slow_clients
from tests.support.hostile_images import BOMBS, large_photo

_TIMEOUT_SECONDS = 120.0
_HELD_SECONDS = 5.0
"""How long connections are left unfinished."""


def _post(target: Target, path: str, body: bytes, *, takes_answer: bool = True) -> str:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(target.backend, _TIMEOUT_SECONDS) as connection:
        connection.sendall(head.encode() + body)
        if not takes_answer:
            return "left"
        return connection.recv(64).partition(b" ")[2][:3].decode() or "closed"


def _large(count: int, *, takes_answer: bool = True) -> Callable[[Target], str]:
    def send(target: Target) -> str:
        photo = large_photo()
        send_one = partial(_post, path="/classify", body=photo, takes_answer=takes_answer)
        return together(send_one, count)(target)

    return send


def _bombs(make: Callable[[], bytes], count: int = 4) -> Callable[[Target], str]:
    def send(target: Target) -> str:
        bomb = make()
        return together(lambda aim: _post(aim, "/classify", bomb), count)(target)

    return send


def _unfinished(sent: bytes, count: int) -> Callable[[Target], str]:
    def send(target: Target) -> str:
        with ExitStack() as stack:
            for _ in range(count):
                with suppress(OSError):
                    connection = stack.enter_context(socket.create_connection(target.backend, 10))
                    connection.sendall(sent)
            threading.Event().wait(_HELD_SECONDS)
        return f"{count} connections held"

    return send


def _zip_bomb(target: Target) -> str:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for number in range(64):
            file.writestr(f"cat/{number}.jpg", bytes(64 * 2**20))
    return _post(target, f"/models/{target.model}/import", out.getvalue())


def _packed_with_bzip2(target: Target) -> str:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_BZIP2) as file, file.open("a/1.jpg", "w") as photo:
        for _ in range(64):
            photo.write(bytes(64 * 2**20))
    return _post(target, f"/models/{target.model}/import", out.getvalue())


def _many_entries(target: Target) -> str:
    """Send a zip file whose list has its one entry a million times."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("a/1.jpg", b"")
    content = out.getvalue()
    begin, end = content.find(b"PK\x01\x02"), content.find(b"PK\x05\x06")
    entries = content[begin:end] * 1_000_000
    tail = bytearray(content[end:])
    tail[12:16] = len(entries).to_bytes(4, "little")
    return _post(target, f"/models/{target.model}/import", content[:begin] + entries + tail)


def _deep_folders(target: Target) -> str:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for number in range(1_000):
            file.writestr(f"{number}/" + "a/" * 1_000 + "1.jpg", b"")
    return _post(target, f"/models/{target.model}/import", out.getvalue())


def _at(name: str, send: Callable[[Target], str]) -> Attack:
    return Attack(name, "backend", send)


_CONNECTIONS: Sequence[tuple[str, bytes, int]] = (
    ("300 connections that send nothing", b"", 300),
    ("300 heads that are unfinished", slow_clients.HEAD, 300),
    ("300 photos that are unfinished", slow_clients.BODY, 300),
    ("300 forms that are unfinished", slow_clients.FORM, 300),
    ("300 streams of events", slow_clients.EVENTS, 300),
    ("300 clients that read no response", slow_clients.WHOLE * 50, 300),
)

ATTACKS: tuple[Attack, ...] = (
    _at("40 photos of 30 MB", _large(40)),
    _at("20 callers that leave after 30 MB", _large(20, takes_answer=False)),
    *(_at(f"4 x {name}", _bombs(make)) for name, make in BOMBS.items()),
    _at("zip file of 4 GB in 4 MB", _zip_bomb),
    _at("zip file of 4 GB packed with bzip2", _packed_with_bzip2),
    _at("zip file that lists a million files", _many_entries),
    _at("zip file of a million folders within each other", _deep_folders),
    *(_at(name, _unfinished(sent, count)) for name, sent, count in _CONNECTIONS),
)
