"""One event loop for Qt and asyncio, a bounded thread pool, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import qasync
from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler
from PySide6.QtWidgets import QApplication

from desktop.main_thread_gc import gc_on_loop_thread
from desktop.translation import tr
from serving.background import cancel_and_wait
from serving.errors import ServeryError
from serving.tf.cores import core_count

log = logging.getLogger(__name__)

MAX_WORKERS = min(8, core_count() + 2)
"""Threads for blocking calls; further calls wait their turn."""

EXIT_WITHOUT_SCREEN = 1
END_SECONDS = 90.0
"""How long the application may take to end after the screen is gone."""
PAUSE_SECONDS = 0.005

T = TypeVar("T")

ErrorHandler = Callable[[BaseException], None]


class ScreenLost(ServeryError):
    """The screen is gone, and the application did not end in time."""


class EventLoop:
    """Runs coroutines on Qt's event loop until the main one returns.

    Exceptions that no task or callback handled go to `on_error`, which the
    application replaces as soon as it can show them.
    """

    def __init__(self, application: QApplication) -> None:
        self._application = application
        self.on_error: ErrorHandler = lambda error: log.error("Unhandled error", exc_info=error)
        self.on_stopped: Callable[[], None] = lambda: None
        """Called when Qt has stopped because it has no screen any more."""
        self._give_up_at: float | None = None
        """Set once Qt has stopped, monotonic."""

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
                    code = self._run_until_complete(loop, main())
                    return code if self._give_up_at is None else EXIT_WITHOUT_SCREEN
                finally:
                    with contextlib.suppress(ScreenLost):
                        self._run_until_complete(loop, _end_tasks())
                    pool.shutdown(wait=True, cancel_futures=True)
        finally:
            loop.close()
            asyncio.set_event_loop(None)

    def _run_until_complete(self, loop: qasync.QEventLoop, main: Awaitable[T]) -> T:
        """Return what `main` returns once it is done, also where Qt stops before.

        Qt stops when it has lost its screen, and again whenever it looks for events after that.
        What was begun goes on between two such looks. Raises ScreenLost if it takes too long.
        """
        task = asyncio.ensure_future(main, loop=loop)
        task.add_done_callback(lambda done: loop.stop())
        while not task.done():
            # Not run_until_complete, which lets Qt call tasks once more with no loop running.
            loop.run_forever()
            if not task.done():
                self._qt_stopped()
                time.sleep(PAUSE_SECONDS)
        return task.result()

    def _qt_stopped(self) -> None:
        if self._give_up_at is None:
            self._give_up_at = time.monotonic() + END_SECONDS
            log.error("The connection to the screen broke, so the window is closed.")
            qInstallMessageHandler(_ignore)  # Qt says so each time
            self.on_stopped()
        elif time.monotonic() > self._give_up_at:
            raise ScreenLost(tr("Servery did not end in good order after its screen was gone."))

    def _handle(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception") or RuntimeError(context.get("message", "Unknown error"))
        if not isinstance(error, asyncio.CancelledError):
            self.on_error(error)


def _ignore(kind: QtMsgType, context: QMessageLogContext, message: str | None) -> None:
    pass


async def _end_tasks() -> None:
    current = asyncio.current_task()
    await cancel_and_wait(*(task for task in asyncio.all_tasks() if task is not current))
