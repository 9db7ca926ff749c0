"""The only way to start long work: it has an id at once and an end state always."""

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
_RATE_WINDOW = 10.0
"""Seconds of progress that rate and time left are judged by."""


class JobState(StrEnum):
    """A job runs, then ends in one of the other three, whatever happens."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Job(Generic[T]):
    """One piece of long work, as whoever watches it sees it."""

    def __init__(self, number: int, title: str, quiet: bool, has_own_eta: bool) -> None:
        self.id = number
        self.title = title
        self.quiet = quiet
        """Not worth a place in the status bar, and its starter tells of its failure."""
        self.has_own_eta = has_own_eta
        """Its text says how fast it is and how long it takes still."""
        self.state = JobState.RUNNING
        self.done = 0
        self.total = 0
        """Units in all; 0 where unknown."""
        self.text = ""
        self.error: BaseException | None = None
        """Why it failed; None in every other state."""
        self.started = time.monotonic()
        self.finished: float | None = None
        self._samples: deque[tuple[float, int]] = deque([(self.started, 0)])
        self._task: asyncio.Task[T] | None = None
        self._changed = True

    @property
    def running(self) -> bool:
        return self.state is JobState.RUNNING

    @property
    def seconds(self) -> float:
        """How long it has been running, or ran."""
        return (self.finished or time.monotonic()) - self.started

    @property
    def rate(self) -> float | None:
        """Units a second lately; None until that can be said."""
        (first, before), (last, after) = self._samples[0], self._samples[-1]
        if after <= before or last - first < 0.2:
            return None
        return (after - before) / (last - first)

    @property
    def seconds_left(self) -> float | None:
        """None until it can be said."""
        rate = self.rate
        if not rate or not self.total or not self.running:
            return None
        return max(0, self.total - self.done) / rate

    def cancel(self) -> None:
        """Ask it to stop; it ends as CANCELLED unless it had ended already."""
        if self._task is not None:
            self._task.cancel()

    async def result(self) -> T:
        """Wait for its end and return what the work returned, or raise what it raised.

        Raises CancelledError where the job was cancelled. Cancelling the waiter
        leaves the job running.
        """
        assert self._task is not None
        return await asyncio.shield(self._task)

    def report(self, done: int, total: int, text: str) -> None:
        """Take note of progress; may be called from any thread."""
        self.done, self.total, self.text = done, total, text
        now = time.monotonic()
        if now - self._samples[-1][0] >= POLL_MILLISECONDS / 1000 or done == total:
            self._samples.append((now, done))
            while now - self._samples[0][0] > _RATE_WINDOW and len(self._samples) > 2:
                self._samples.popleft()
        self._changed = True

    def take_change(self) -> bool:
        """Whether there was progress since the last time somebody asked."""
        changed, self._changed = self._changed, False
        return changed


class Jobs(QObject):
    """Starts jobs, knows the running ones, and tells of each step."""

    started = Signal(object)
    """Job"""
    changed = Signal(object)
    """Job; at most ten times a second for each."""
    finished = Signal(object)
    """Job, in its end state."""
    failed = Signal(object)
    """Job that nobody else tells the person about: it failed and was not quiet."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
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
        """The application is ending; jobs are cancelled for no reason of their own."""
        return self._closing

    def start(
        self,
        title: str,
        work: Callable[[Report], Awaitable[T]],
        *,
        quiet: bool = False,
        has_own_eta: bool = False,
    ) -> Job[T]:
        """Start `work` with a report for it to call, and return its job at once.

        `title` names the work as a person would ("Classify 12 photos"). The job
        ends in SUCCEEDED, FAILED or CANCELLED. A failure is told to the person,
        unless `quiet`: then the caller does, from `result()`. Needs a running
        event loop.
        """
        job: Job[T] = Job(next(self._numbers), title, quiet, has_own_eta)
        self._running[job.id] = job
        job._task = asyncio.get_running_loop().create_task(self._carry_out(job, work), name=title)
        job._task.add_done_callback(lambda task: self._end(job, task))
        if self._closing:
            job.cancel()
        self.started.emit(job)
        if not self._timer.isActive():
            self._timer.start()
        return job

    async def close(self) -> None:
        """Cancel what runs and wait for its end; what is started later is cancelled at once."""
        self._closing = True
        tasks = [job._task for job in self._running.values() if job._task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry_out(self, job: Job[T], work: Callable[[Report], Awaitable[T]]) -> T:
        return await work(job.report)

    def _end(self, job: Job[T], task: asyncio.Task[T]) -> None:
        if task.cancelled():
            job.state = JobState.CANCELLED
        elif (error := task.exception()) is not None:
            job.state, job.error = JobState.FAILED, error
        else:
            job.state = JobState.SUCCEEDED
        job.finished = time.monotonic()
        self._running.pop(job.id, None)
        if not self._running:
            self._timer.stop()
        self.changed.emit(job)
        self.finished.emit(job)
        if job.state is JobState.FAILED and not job.quiet:
            self.failed.emit(job)

    def _poll(self) -> None:
        for job in self.running:
            if job.take_change():
                self.changed.emit(job)
