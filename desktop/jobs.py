"""The only way to start long work: a job has an id at once, and always an end state."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QObject, Signal

from desktop.pause import Pause
from desktop.widgets.timers import single_shot_timer
from serving.errors import ServeryError
from serving.progress import Report

log = logging.getLogger(__name__)

T = TypeVar("T")

POLL_MILLISECONDS = 100
_RATE_SECONDS = 10.0
"""How much of the latest progress the rate and the time left are computed from."""
_MIN_RATE_SECONDS = 0.2


class JobState(StrEnum):
    """A job runs, then always ends in one of the other three states."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Job(Generic[T]):
    """One piece of long work, as its observers see it."""

    def __init__(
        self,
        number: int,
        title: str,
        clock: Callable[[], float],
        *,
        background: bool,
        has_own_eta: bool,
        pause: Pause | None,
        on_report: Callable[[], object],
    ) -> None:
        """`on_report` is called on the thread of the first report since a poll."""
        self.id = number
        self.title = title
        self.background = background
        """Not shown in the status bar; its caller reports its failure, which is logged besides."""
        self.has_own_eta = has_own_eta
        """Its text already says how fast it is and how long it will take."""
        self.pause = pause
        """Holds it up while a person wants that; None if it cannot be paused."""
        self.state = JobState.RUNNING
        self.done = 0
        self.total = 0
        """Units in all; 0 if unknown."""
        self.text = ""
        self.error: BaseException | None = None
        """Why it failed; None in every other state."""
        self._clock = clock
        self._started_at = clock()
        self._finished_at: float | None = None
        self._samples: deque[tuple[float, int]] = deque([(self._started_at, 0)])
        self._task: asyncio.Task[T] | None = None
        self._on_report = on_report
        self._changed = True

    @property
    def running(self) -> bool:
        return self.state is JobState.RUNNING

    @property
    def seconds(self) -> float:
        """How long it has been running, or ran."""
        end = self._clock() if self._finished_at is None else self._finished_at
        return end - self._started_at

    @property
    def rate(self) -> float | None:
        """Units per second in the last few seconds; None if it is too early to tell."""
        (first, before), (last, after) = self._samples[0], self._samples[-1]
        if after <= before or last - first < _MIN_RATE_SECONDS:
            return None
        return (after - before) / (last - first)

    @property
    def seconds_left(self) -> float | None:
        """None if it cannot be estimated."""
        rate = self.rate
        if not rate or not self.total or not self.running:
            return None
        return max(0, self.total - self.done) / rate

    def cancel(self) -> None:
        """Ask it to stop; it ends as CANCELLED unless it has ended already."""
        if self._task is not None:
            self._task.cancel()

    async def result(self) -> T:
        """Wait for its end and return what the work returned, or raise what it raised.

        Raises CancelledError if the job was cancelled. Cancelling the waiter
        leaves the job running.
        """
        assert self._task is not None
        return await asyncio.shield(self._task)

    def report(self, done: int, total: int, text: str) -> None:
        """Record progress; may be called from any thread."""
        self.done, self.total, self.text = done, total, text
        now = self._clock()
        if now - self._samples[-1][0] >= POLL_MILLISECONDS / 1000 or done == total:
            self._samples.append((now, done))
            while now - self._samples[0][0] > _RATE_SECONDS and len(self._samples) > 2:
                self._samples.popleft()
        # Only noted here: `changed` is emitted by the poll, on Qt's thread.
        if not self._changed:
            self._changed = True
            self._on_report()


class Jobs(QObject):
    """Starts jobs, knows the running ones, and signals each step."""

    started = Signal(object)
    """Job"""
    changed = Signal(object)
    """Job; at most ten times a second for each."""
    finished = Signal(object)
    """Job, in its end state."""
    failed = Signal(object)
    """Job that failed and is not background: the application reports it."""
    _reported = Signal()

    def __init__(
        self, parent: QObject | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(parent)
        self._clock = clock
        self._numbers = itertools.count(1)
        self._running: dict[int, Job[Any]] = {}
        self._closing = False
        # Only while there is something to tell: jobs that follow the fleet or the backend run as
        # long as the application, and mostly have nothing new.
        self._poll_soon = single_shot_timer(POLL_MILLISECONDS, self._poll, self)
        self._reported.connect(self._start_polling)  # from another thread by way of Qt's

    @property
    def running(self) -> list[Job[Any]]:
        """The jobs that have not ended, oldest first."""
        return list(self._running.values())

    @property
    def closing(self) -> bool:
        """The application is quitting, and so the jobs are cancelled."""
        return self._closing

    def start(
        self,
        title: str,
        work: Callable[[Report], Awaitable[T]],
        *,
        background: bool = False,
        has_own_eta: bool = False,
        pause: Pause | None = None,
    ) -> Job[T]:
        """Start `work` with a report function to call, and return its job at once.

        `title` names the work as a person would ("Classify 12 photos"). The job
        ends as SUCCEEDED, FAILED or CANCELLED. A failure is reported to the person,
        unless the job runs in the `background`: then it is logged, and the caller reports it, from
        `result()`.
        `work` asks `pause`, if there is one, before each of its steps.
        Needs a running event loop.
        """
        number = next(self._numbers)
        job: Job[T] = Job(
            number,
            title,
            self._clock,
            background=background,
            has_own_eta=has_own_eta,
            pause=pause,
            on_report=self._reported.emit,
        )
        self._running[job.id] = job

        async def carry_out() -> T:
            return await work(job.report)

        job._task = asyncio.get_running_loop().create_task(carry_out(), name=title)
        job._task.add_done_callback(lambda task: self._on_finished(job, task))
        if self._closing:
            job.cancel()
        self.started.emit(job)
        self._start_polling()
        return job

    async def close(self) -> None:
        """Cancel the running jobs and wait for their end; later ones are cancelled at once."""
        self._closing = True
        tasks = [job._task for job in self._running.values() if job._task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _on_finished(self, job: Job[T], task: asyncio.Task[T]) -> None:
        if task.cancelled():
            job.state = JobState.CANCELLED
        elif (error := task.exception()) is not None:
            job.state, job.error = JobState.FAILED, error
        else:
            job.state = JobState.SUCCEEDED
        job._finished_at = self._clock()
        self._running.pop(job.id, None)
        self.changed.emit(job)
        self.finished.emit(job)
        if job.state is JobState.FAILED and job.background:
            _log_failure(job)
        elif job.state is JobState.FAILED:
            self.failed.emit(job)

    def _start_polling(self) -> None:
        # Not restarted: a burst of reports is shown while it lasts.
        if not self._poll_soon.isActive():
            self._poll_soon.start()

    def _poll(self) -> None:
        for job in self.running:
            if job._changed:
                # First: a report that comes now is told in this turn or in another one.
                job._changed = False
                self.changed.emit(job)


def _log_failure(job: Job[Any]) -> None:
    if isinstance(job.error, ServeryError):
        log.warning("The background job “%s” failed: %s", job.title, job.error)
    else:
        log.error("The background job “%s” failed", job.title, exc_info=job.error)
