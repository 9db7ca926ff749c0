"""Keeps the workspace's backend running for the length of a block."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit

from backend.client import BackendClient
from desktop.backend_process import (
    DEFAULT_OPTIONS,
    LOG_NAME,
    BackendHandle,
    BackendOptions,
    ensure_backend,
)
from desktop.translation import tr
from serving.background import in_background
from serving.errors import BackendError
from serving.workspace import Workspace

log = logging.getLogger(__name__)

MIN_UPTIME_SECONDS = 10.0
"""A backend that exits sooner after its start counts as a failed start."""
PAUSES_SECONDS = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Before the next start, by the number of failed starts in a row; the last one is for all further
ones."""
REPORTED_FAILURES = 2
"""Failed starts in a row after which the person is told; before that, the backend is back sooner
than anybody has read it."""
CHECK_SECONDS = 5.0
"""Between two checks whether the backend answers, and how long it may take for that."""
REPORTED_MISSES = 3
"""Checks in a row without an answer after which the person is told that the backend hangs."""
REPLACED_MISSES = 12
"""Checks in a row without an answer after which it is ended, for another one to be started. They
are counted because elapsed time says nothing where this program was paused as well."""


class BackendSupervisor:
    """Sees to it that the workspace has a backend, no matter what started the one that answers.

    When that ends, be it its own or that of another program, it is started here at the same
    address if that is still free. One that hangs is reported after 15 s and ended after a minute,
    the latter unless another program runs it, which does the same. If it cannot be started it is
    tried again and again, with growing pauses. Two programs that notice at once end up with one
    backend: see `ensure_backend`.
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
        self._report_once(error)

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
        answers = asyncio.ensure_future(self._watch_answers(handle))
        try:
            await asyncio.wait([exited, answers], return_when=asyncio.FIRST_COMPLETED)
            if answers.done():
                answers.result()
            code = await exited
        finally:
            exited.cancel()
            answers.cancel()
        self.handle = None
        self._on_url("")
        handle.close()
        log.warning("The backend at %s ended with code %s.", handle.url, code)
        self._failures += 1
        if self._failures > REPORTED_FAILURES:
            self.report(_exited(self._workspace, code))

    async def _watch_answers(self, handle: BackendHandle) -> None:
        """Report that the backend is well, and that it hangs; end it if it goes on hanging."""
        await asyncio.sleep(MIN_UPTIME_SECONDS)
        self._report_recovery()
        misses = 0
        async with BackendClient(handle.url) as client:
            while True:
                answer, _ = await asyncio.gather(
                    client.is_alive(timeout_seconds=CHECK_SECONDS), asyncio.sleep(CHECK_SECONDS)
                )
                misses = 0 if answer else misses + 1
                if answer:
                    self._report_recovery()
                elif misses == REPORTED_MISSES:
                    self._report_once(_hangs(handle))
                elif misses >= REPLACED_MISSES and handle.may_be_ended:
                    log.warning("The backend at %s hangs and is ended.", handle.url)
                    await handle.stop(also_left=True)

    def _report_once(self, error: BackendError) -> None:
        if error.what != self._reported:
            self._reported = error.what
            self._on_error(error)

    def _report_recovery(self) -> None:
        """Note that the backend is well, and report it if it was not."""
        self._failures = 0
        if self._reported:
            self._reported = ""
            self._on_recovered()


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


def _hangs(handle: BackendHandle) -> BackendError:
    what = tr("The backend, process {pid}, does not answer.", pid=handle.pid)
    if handle.may_be_ended:
        advice = tr("If it does not go on within a minute, it is ended and started again.")
    else:
        advice = tr(
            "If it does not go on, end that process. It is run by {owner}.", owner=handle.owner
        )
    return BackendError(what, f"{advice} " + tr("Labels are kept on disk."))


def _exited(workspace: Workspace, code: int | None) -> BackendError:
    what = (
        tr("The backend ended soon after each of its last starts.")
        if code is None
        else tr("The backend ended with code {code} soon after each of its last starts.", code=code)
    )
    return BackendError(
        what,
        tr(
            "It is tried again, and labels are kept on disk. Look at {log}.",
            log=workspace.logs / LOG_NAME,
        ),
    )
