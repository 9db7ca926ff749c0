"""One event loop for Qt and asyncio, a bounded thread pool, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import qasync
from PySide6.QtWidgets import QApplication

from desktop.main_thread_gc import gc_on_loop_thread
from serving.background import cancel_and_wait
from serving.tf.cores import core_count

log = logging.getLogger(__name__)

MAX_WORKERS = min(8, core_count() + 2)
"""Threads for blocking calls; further calls wait their turn."""

ErrorHandler = Callable[[BaseException], None]


class EventLoop:
    """Runs coroutines on Qt's event loop until the main one returns.

    Exceptions that no task or callback handled go to `on_error`, which the
    application replaces as soon as it can show them.
    """

    def __init__(self, application: QApplication) -> None:
        self._application = application
        self.on_error: ErrorHandler = lambda error: log.error("Unhandled error", exc_info=error)

    def run(self, main: Callable[[], Awaitable[int]]) -> int:
        """Run `main` and return its exit code, after every other task has ended.

        Closing the last window does not end the loop; `main` decides.
        """
        self._application.setQuitOnLastWindowClosed(False)
        loop = qasync.QEventLoop(self._application)
        asyncio.set_event_loop(loop)
        loop.set_exception_handler(self._handle)
        pool = ThreadPoolExecutor(max_workers=MAX_WORKERS, thread_name_prefix="servery")
        loop.set_default_executor(pool)
        try:
            with gc_on_loop_thread(loop):
                try:
                    return int(loop.run_until_complete(main()))
                finally:
                    # qasync raises RuntimeError if Qt was told to quit meanwhile.
                    with contextlib.suppress(RuntimeError):
                        loop.run_until_complete(_end_tasks())
                    pool.shutdown(wait=True, cancel_futures=True)
        finally:
            loop.close()
            asyncio.set_event_loop(None)

    def _handle(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception") or RuntimeError(context.get("message", "Unknown error"))
        if not isinstance(error, asyncio.CancelledError):
            self.on_error(error)


async def _end_tasks() -> None:
    current = asyncio.current_task()
    await cancel_and_wait(*(task for task in asyncio.all_tasks() if task is not current))
