"""Keeps the workspace's backend running for the length of a block."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from backend.contract import DEFAULT_PORT
from desktop.backend_process import LOG_NAME, BackendHandle, ensure_backend
from serving.background import in_background
from serving.engines.names import AUTO
from serving.errors import BackendError
from serving.workspace import Workspace

log = logging.getLogger(__name__)

MIN_UPTIME_SECONDS = 10.0
"""A backend that exits sooner than this after its start is not restarted."""


@asynccontextmanager
async def supervised_backend(
    workspace: Workspace,
    engine: str = AUTO,
    *,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    on_error: Callable[[BackendError], None],
    stop_on_exit: Callable[[], bool] = lambda: True,
) -> AsyncIterator[str]:
    """Yield the URL of the workspace's backend; start one if none answers.

    A backend that was started here and exits is restarted at the same URL. If that
    fails, or it exits again too soon, `on_error` is called and no more is tried.
    When the block is left, a backend that was started here is stopped if
    `stop_on_exit()` says so. Raises BackendError if it does not come up at first.
    """
    handle = await ensure_backend(workspace, host=host, port=port, engine=engine)
    url = handle.url
    # With port 0, or one that was taken, the backend chose the port to keep from now on.
    port = urlsplit(url).port or port

    async def supervise() -> None:
        nonlocal handle
        loop = asyncio.get_running_loop()
        try:
            while True:
                started_at = loop.time()
                code = await handle.exited()
                if loop.time() - started_at < MIN_UPTIME_SECONDS:
                    raise _exited(workspace, code)
                log.warning("The backend exited with code %s; starting it again.", code)
                handle = await ensure_backend(workspace, host=host, port=port, engine=engine)
                if handle.url != url:
                    raise _moved(handle)
        except BackendError as error:
            on_error(error)

    try:
        async with in_background(supervise(), name="supervise the backend"):
            yield url
    finally:
        if stop_on_exit():
            await handle.stop()


def _exited(workspace: Workspace, code: int) -> BackendError:
    return BackendError(
        f"The backend exited with code {code}.",
        f"Labels are kept on disk. Look at {workspace.logs / LOG_NAME}, then start Servery again.",
    )


def _moved(handle: BackendHandle) -> BackendError:
    return BackendError(
        f"The backend is now at {handle.url}, because another program took its port.",
        "Start Servery again to learn from new labels; they are kept on disk.",
    )
