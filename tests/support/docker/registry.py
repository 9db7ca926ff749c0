"""A registry on loopback with one image, as slow and as faulty as a test wants it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.server_thread import QuietHandler, ServerThread

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
CHUNK_BYTES = 2**16


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _layer(size: int) -> tuple[bytes, bytes]:
    """Return a tar archive with a file of noise, packed and as it is."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo("noise")
        entry.size = size
        archive.addfile(entry, io.BytesIO(os.urandom(size)))
    return gzip.compress(out.getvalue(), 1), out.getvalue()


class Registry(ServerThread):
    """Serves `layers` layers of `size` bytes each at `rate` bytes a second in all."""

    def __init__(
        self, size: int = 4 * 2**20, layers: int = 2, rate: float = 1e9, architecture: str = "amd64"
    ) -> None:
        self.rate = rate
        self.breaks = 0
        """How many of the next downloads break off in the middle."""
        self.sent = 0
        packed = [_layer(size) for _ in range(layers)]
        config = json.dumps(
            {
                "architecture": architecture,
                "os": "linux",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": [digest(plain) for _, plain in packed]},
            }
        ).encode()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "size": len(config), "digest": digest(config)},
                "layers": [
                    {"mediaType": LAYER, "size": len(data), "digest": digest(data)}
                    for data, _ in packed
                ],
            }
        ).encode()
        self.manifest = manifest
        self.blobs = {digest(data): data for data in (config, *(data for data, _ in packed))}
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        super().__init__(server)
        self.image = f"127.0.0.1:{server.server_port}/pets/server:1"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                if "/manifests/" in self.path:
                    self._answer(registry.manifest, MANIFEST)
                elif "/blobs/" in self.path:
                    self._answer(
                        registry.blobs[self.path.rpartition("/")[2]], "application/octet-stream"
                    )
                else:
                    self._answer(b"{}", "application/json")

            def _answer(self, data: bytes, kind: str) -> None:
                begin = 0
                if range_header := self.headers.get("Range"):
                    begin = int(range_header.removeprefix("bytes=").split("-")[0])
                self.send_response(206 if range_header else 200)
                if range_header:
                    self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data) - begin))
                self.send_header("Docker-Content-Digest", digest(data))
                self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
                self.end_headers()
                if self.command == "GET":
                    self._send(data[begin:])

            def _send(self, data: bytes) -> None:
                breaking = registry.breaks > 0 and len(data) > CHUNK_BYTES
                registry.breaks -= breaking
                end = len(data) // 2 if breaking else len(data)
                try:
                    for start in range(0, end, CHUNK_BYTES):
                        chunk = data[start : min(end, start + CHUNK_BYTES)]
                        self.wfile.write(chunk)
                        registry.sent += len(chunk)
                        time.sleep(len(chunk) / registry.rate)
                except OSError:
                    breaking = True
                self.close_connection = self.close_connection or breaking

        return Handler
