"""What HTTP servers of tests have in common."""

from __future__ import annotations

import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from typing import Self


class QuietHandler(BaseHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Print nothing."""

    def answer(self, body: bytes, status: int = 200) -> None:
        """Send a whole response with JSON."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        """Name the client; a Unix socket has no address to look up."""
        return "test"


class ServerThread:
    """Runs a server on a thread of its own while it is entered."""

    def __init__(self, server: socketserver.BaseServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
