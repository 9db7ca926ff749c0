"""Keeps the workspace's backend running for the length of a block."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit

from desktop.backend_process import (
    DEFAULT_OPTIONS,
    LOG_NAME,
    BackendHandle,
    BackendOptions,
    ensure_backend,
)
from serving.background import in_background
from serving.errors import BackendError
from serving.workspace import Workspace

log = logging.getLogger(__name__)

MIN_UPTIME_SECONDS = 10.0
"""A backend that exits sooner than this after its start was not well."""
PAUSES_SECONDS = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Before the next start, by how many times in a row it did not go well; then the last one."""
REPORTED_FAILURES = 2
"""So many are not worth a word: the backend is back before anybody has read it."""


class BackendSupervisor:
    """Sees to it that the workspace has a backend, whoever started the one that answers.

    When that ends, be it its own or that of another program, it is started here at the same
    address if that is still free. If it cannot be started it is tried again and again, with
    growing pauses. Two programs that notice at once end up with one backend: see `ensure_backend`.
    """

    def __init__(
        self,
        workspace: Workspace,
        options: BackendOptions = DEFAULT_OPTIONS,
        *,
        on_url: Callable[[str], None] = lambda url: None,
        on_error: Callable[[BackendError], None],
        on_recovered: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_url` gets each URL at which the backend answers from then on, and an empty one when
        it has ended. `on_error` gets why there is none, once for each reason in a row, and
        `on_recovered` follows when there is one again after that."""
        self._workspace = workspace
        self._options = options
        self._on_url = on_url
        self._on_error = on_error
        self._on_recovered = on_recovered
        self._failures = 0
        """How many times in a row the backend did not start, or did not run for long."""
        self._reported = ""
        """What the person was told last; empty if that is over."""
        self._stays = False
        self.handle: BackendHandle | None = None
        """The backend that answers, as far as is known."""

    async def start(self) -> BackendHandle:
        """Find or start the backend; raises BackendError if it does not come up."""
        handle = await ensure_backend(self._workspace, self._options)
        handle.keep_running(self._stays)
        self.handle = handle
        # What must hold has been seen to. From now on, the address is kept if that is possible.
        port = urlsplit(handle.url).port or self._options.near_port
        self._options = replace(self._options, port=None, near_port=port)
        self._on_url(handle.url)
        return handle

    async def run(self) -> None:
        """Keep the backend running until cancelled, starting it if `start` did not."""
        while True:
            if self.handle is None:
                await self._start_again()
            else:
                await self._watch(self.handle)

    def report(self, error: BackendError) -> None:
        """Report why there is no backend, unless that is known already."""
        self._failures = max(self._failures + 1, REPORTED_FAILURES)
        if error.what != self._reported:
            self._reported = error.what
            self._on_error(error)

    async def stop(self, *, stays: bool) -> None:
        """Stop the backend if it was started here, or was left by a program that is gone.

        With `stays`, it runs on.
        """
        if self.handle is not None:
            self.keep_running(stays)
            if not stays:
                await self.handle.stop(also_left=True)
            self.handle.close()

    def keep_running(self, stays: bool) -> None:
        """Say whether a backend that was started here runs on even if this program is killed."""
        self._stays = stays
        if self.handle is not None:
            self.handle.keep_running(stays)

    async def _start_again(self) -> None:
        await asyncio.sleep(PAUSES_SECONDS[min(self._failures, len(PAUSES_SECONDS) - 1)])
        try:
            await self.start()
        except BackendError as error:
            self.report(error)

    async def _watch(self, handle: BackendHandle) -> None:
        """Return when the backend has ended, after that was reported."""
        exited = asyncio.ensure_future(handle.exited())
        try:
            await asyncio.wait([exited], timeout=MIN_UPTIME_SECONDS)
            if not exited.done():
                self._failures = 0
                if self._reported:
                    self._reported = ""
                    self._on_recovered()
            code = await exited
        finally:
            exited.cancel()
        self.handle = None
        self._on_url("")
        handle.close()
        log.warning("The backend at %s ended with code %s.", handle.url, code)
        self._failures += 1
        if self._failures > REPORTED_FAILURES:
            self.report(_exited(self._workspace, code))


@asynccontextmanager
async def supervised_backend(
    workspace: Workspace,
    options: BackendOptions = DEFAULT_OPTIONS,
    *,
    on_url: Callable[[str], None] = lambda url: None,
    on_error: Callable[[BackendError], None],
    on_recovered: Callable[[], None] = lambda: None,
    required: bool = True,
    stop_on_exit: Callable[[], bool] = lambda: True,
) -> AsyncIterator[BackendSupervisor]:
    """Yield what keeps a backend running during the block.

    When the block is left, the backend is stopped if `stop_on_exit()` says so and it was started
    here, or was left by a program that is gone. Raises BackendError if it does not come up
    at first and is `required`; otherwise that goes to `on_error`, and it is tried again.
    """
    supervisor = BackendSupervisor(
        workspace, options, on_url=on_url, on_error=on_error, on_recovered=on_recovered
    )
    try:
        await supervisor.start()
    except BackendError as error:
        if required:
            raise
        supervisor.report(error)
    try:
        async with in_background(supervisor.run(), name="supervise the backend"):
            yield supervisor
    finally:
        await supervisor.stop(stays=not stop_on_exit())


def _exited(workspace: Workspace, code: int | None) -> BackendError:
    how = "" if code is None else f" with code {code}"
    return BackendError(
        f"The backend ended{how} soon after each of its last starts.",
        f"It is tried again, and labels are kept on disk. Look at {workspace.logs / LOG_NAME}.",
    )
