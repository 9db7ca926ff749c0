"""An HTTP server on a Unix socket that answers as a container engine might."""

from __future__ import annotations

import json
import socketserver
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from serving.engines.docker.endpoints import DockerEndpoint
from tests.support.server_thread import QuietHandler, ServerThread

DOCKER_ANSWERS = {
    "/version": {"Version": "27.1.0", "ApiVersion": "1.46", "MinAPIVersion": "1.24", "Os": "linux"},
    "/info": {"NCPU": 4, "InitBinary": "docker-init", "Architecture": "aarch64"},
}


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


class FakeDockerApi(ServerThread):
    """Answers each path, without its version, with the JSON given for it.

    A number is a status, and bytes are a whole response.
    """

    def __init__(self, socket: Path, answers: Mapping[str, Any]) -> None:
        self.endpoint = DockerEndpoint(f"unix://{socket}", "of the test")
        self.requests: list[str] = []
        super().__init__(_Server(str(socket), self._handler(answers)))

    def _handler(self, answers: Mapping[str, Any]) -> type[BaseHTTPRequestHandler]:
        requests = self.requests

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                requests.append(self.path)
                path = self.path.partition("?")[0]
                if path.startswith("/v1."):
                    path = path[path.index("/", 1) :]
                answer = answers.get(path, 404)
                if isinstance(answer, bytes):
                    self.wfile.write(answer)
                    self.close_connection = True
                elif isinstance(answer, int):
                    self.answer(b'{"message": "no"}', answer)
                else:
                    self.answer(json.dumps(answer).encode())

        return Handler
