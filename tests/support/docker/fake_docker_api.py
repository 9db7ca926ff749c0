"""An HTTP server on a Unix socket that answers as a container engine might."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any

from serving.engines.docker.endpoints import DockerEndpoint

DOCKER_ANSWERS = {
    "/version": {"Version": "27.1.0", "ApiVersion": "1.46", "MinAPIVersion": "1.24", "Os": "linux"},
    "/info": {"NCPU": 4, "InitBinary": "docker-init", "Architecture": "aarch64"},
}


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


class FakeDockerApi:
    """Answers each path, without its version, with the JSON given for it; a number is a status."""

    def __init__(self, socket: Path, answers: Mapping[str, Any]) -> None:
        self.endpoint = DockerEndpoint(f"unix://{socket}", "of the test")
        self.requests: list[str] = []
        self._server = _Server(str(socket), self._handler(answers))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> FakeDockerApi:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self, answers: Mapping[str, Any]) -> type[BaseHTTPRequestHandler]:
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                requests.append(self.path)
                path = self.path.partition("?")[0]
                if path.startswith("/v1."):
                    path = path[path.index("/", 1) :]
                answer = answers.get(path, 404)
                body = json.dumps({"message": "no"} if isinstance(answer, int) else answer)
                self.send_response(answer if isinstance(answer, int) else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *arguments: object) -> None:
                pass

            def address_string(self) -> str:
                return "test"

        return Handler
