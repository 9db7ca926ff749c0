"""A web server on loopback with files to download, which can end connections early."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

_RANGE = re.compile(r"bytes=(\d+)-")


@dataclass
class Mirror:
    """What a server has, and what it was asked for."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    """By path, with a slash in front."""
    etag: str | None = '"1"'
    ends_after: list[int] = field(default_factory=list)
    """After how many bytes the next answers end, although they promised more."""
    stalls_after: int | None = None
    """After how many bytes of an answer nothing more comes, until the server ends."""
    status: int | None = None
    """What every request is answered with instead of a file."""
    ranges: bool = True
    """It can send a part of a file."""
    states_length: bool = True
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Path and Range header of each request."""


@contextmanager
def mirror() -> Iterator[Mirror]:
    """Yield a server that runs until the end of the block."""
    state, ended = Mirror(), Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            state.requests.append((self.path, asked))
            content = state.files.get(self.path)
            if state.status or content is None:
                self.send_response(state.status or 404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = 0
            unchanged = self.headers.get("If-Range", state.etag) == state.etag
            if (match := _RANGE.fullmatch(asked)) and unchanged and state.ranges:
                start = int(match[1])
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self._send(content, start)

        def _send(self, content: bytes, start: int) -> None:
            self.send_response(206 if start else 200)
            if start:
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"
                )
            if state.etag:
                self.send_header("ETag", state.etag)
            if state.states_length:
                self.send_header("Content-Length", str(len(content) - start))
            self.send_header("Connection", "close")
            self.end_headers()
            if state.stalls_after is not None:
                self.wfile.write(content[start : start + state.stalls_after])
                ended.wait()
                return
            end = start + state.ends_after.pop(0) if state.ends_after else len(content)
            self.wfile.write(content[start:end])
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
