"""An HTTP server with an application of a test's own, in the test's process."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from serving.http.limits import HttpLimits
from serving.http.server import BoundedServer


@asynccontextmanager
async def serving(
    app: Any, limits: HttpLimits, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve `app` for the length of the block; yields the port on 127.0.0.1."""
    server = BoundedServer(app, limits, tls, lifespan="off", timeout_graceful_shutdown=1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(server._serve([listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await task
