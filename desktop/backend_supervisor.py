"""Keeps the workspace's backend running for as long as the window is open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from backend.contract import DEFAULT_PORT
from desktop.backend_process import BackendHandle, ensure_backend
from serving.errors import BackendError, ServeryError
from serving.workspace import Workspace

MIN_UPTIME_SECONDS = 10.0
"""A backend that ends sooner than this after its start is not started again."""


@asynccontextmanager
async def supervised_backend(
    workspace: Workspace,
    engine: str,
    *,
    stop_on_exit: Callable[[], bool],
    on_error: Callable[[ServeryError], None],
) -> AsyncIterator[str]:
    """Yield the address of the workspace's backend, started now where none answers.

    One that was started here and dies is started again at the same address, and
    `on_trouble` hears where that fails or keeps failing. At the end it is stopped
    if it was started here and `stop_at_end()` says so. Raises BackendError where it
    does not come up in the first place.
    """
    first = await ensure_backend(workspace, port=DEFAULT_PORT, engine=engine)
    port = urlsplit(first.url).port or DEFAULT_PORT
    current = first

    async def keep() -> None:
        nonlocal current
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            code = await current.exited()
            if loop.time() - began < MIN_UPTIME_SECONDS:
                on_error(_died(workspace, code))
                return
            try:
                current = await ensure_backend(workspace, port=port, engine=engine)
            except BackendError as error:
                on_error(error)
                return
            if current.url != first.url:
                on_error(_moved(current))
                return

    keeping = asyncio.create_task(keep(), name="keep the backend")
    try:
        yield first.url
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        if stop_on_exit():
            await current.stop()


def _died(workspace: Workspace, code: int) -> BackendError:
    return BackendError(
        f"The backend ended with code {code}.",
        f"Labels wait on disk. Look at backend.log in {workspace.logs}, then start Servery again.",
    )


def _moved(handle: BackendHandle) -> BackendError:
    return BackendError(
        f"The backend is at {handle.url} now, because another program took its port.",
        "Start Servery again to learn from new labels; they wait on disk.",
    )
