"""The only way to start long work: a job has an id at once, and always an end state."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QObject, QTimer, Signal

from serving.progress import Report

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
    ) -> None:
        self.id = number
        self.title = title
        self.background = background
        """Not shown in the status bar; its caller reports its failure."""
        self.has_own_eta = has_own_eta
        """Its text already says how fast it is and how long it will take."""
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
        # Only noted here: signals are emitted by the poll, on Qt's thread.
        self._changed = True


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

    def __init__(
        self, parent: QObject | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(parent)
        self._clock = clock
        self._numbers = itertools.count(1)
        self._running: dict[int, Job[Any]] = {}
        self._closing = False
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MILLISECONDS)
        self._timer.timeout.connect(self._poll)

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
    ) -> Job[T]:
        """Start `work` with a report function to call, and return its job at once.

        `title` names the work as a person would ("Classify 12 photos"). The job
        ends as SUCCEEDED, FAILED or CANCELLED. A failure is reported to the person,
        unless the job runs in the `background`: then the caller reports it, from `result()`.
        Needs a running event loop.
        """
        number = next(self._numbers)
        job: Job[T] = Job(
            number, title, self._clock, background=background, has_own_eta=has_own_eta
        )
        self._running[job.id] = job

        async def carry_out() -> T:
            return await work(job.report)

        job._task = asyncio.get_running_loop().create_task(carry_out(), name=title)
        job._task.add_done_callback(lambda task: self._on_finished(job, task))
        if self._closing:
            job.cancel()
        self.started.emit(job)
        if not self._timer.isActive():
            self._timer.start()
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
        if not self._running:
            self._timer.stop()
        self.changed.emit(job)
        self.finished.emit(job)
        if job.state is JobState.FAILED and not job.background:
            self.failed.emit(job)

    def _poll(self) -> None:
        for job in self.running:
            changed, job._changed = job._changed, False
            if changed:
                self.changed.emit(job)
