"""The queue of the backend's jobs: one at a time, each with an end."""

from __future__ import annotations

import asyncio
import errno
import logging
from dataclasses import dataclass

import pytest

from backend.job_queue import JobQueue, failure_of
from serving.errors import BackendError, ModelError
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Job:
    id: str
    state: str = "queued"


class Queue:
    """A JobQueue whose jobs write down how they end."""

    def __init__(self, max_ended: int = 50) -> None:
        self.queue: JobQueue[Job] = JobQueue(max_ended)
        self.may_end = asyncio.Event()
        self.most_at_once = self._running = 0

    def start(self, name: str, error: Exception | None = None) -> Job:
        async def work() -> None:
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
            try:
                self.queue.change(name, state="running")
                await self.may_end.wait()
                if error is not None:
                    raise error
            finally:
                self._running -= 1

        async def end(error: BaseException | None) -> None:
            await asyncio.sleep(0)
            state = "succeeded" if error is None else type(error).__name__
            self.queue.change(name, state=state)

        return self.queue.start(Job(name), work, end)

    async def all_ended(self) -> dict[str, str]:
        self.may_end.set()
        await wait_until(
            lambda: all(job.state not in ("queued", "running") for job in self.queue.all())
        )
        return self.states()

    def states(self) -> dict[str, str]:
        return {job.id: job.state for job in self.queue.all()}


async def test_jobs_run_one_at_a_time_and_end_as_they_ended() -> None:
    jobs = Queue()
    for name in ("first", "second", "third"):
        assert jobs.start(name, ValueError() if name == "second" else None).state == "queued"
    assert await jobs.all_ended() == {
        "third": "succeeded",
        "second": "ValueError",
        "first": "succeeded",
    }
    assert jobs.most_at_once == 1


async def test_one_that_never_began_can_be_cancelled() -> None:
    jobs = Queue()
    jobs.start("first")
    jobs.start("second")
    await jobs.queue.cancel("second")  # no line of it has run
    await asyncio.sleep(0)
    jobs.start("third")
    await asyncio.sleep(0)
    await jobs.queue.cancel("third")  # it waits for its turn
    assert jobs.states() == {
        "third": "CancelledError",
        "second": "CancelledError",
        "first": "running",
    }
    await jobs.queue.cancel("first")
    await jobs.queue.cancel("first")
    await jobs.queue.cancel("unknown")
    assert jobs.states()["first"] == "CancelledError"


async def test_one_who_waits_for_a_cancelled_job_can_be_cancelled() -> None:
    jobs = Queue()
    jobs.start("first")
    await asyncio.sleep(0)
    waiting = asyncio.create_task(jobs.queue.cancel("first"))
    await asyncio.sleep(0)
    waiting.cancel()
    assert await jobs.all_ended() == {"first": "CancelledError"}


async def test_closing_ends_all_of_them() -> None:
    jobs = Queue()
    await jobs.queue.close()
    jobs.start("first")
    jobs.start("second")
    await asyncio.sleep(0)
    await jobs.queue.close()
    assert set(jobs.states().values()) == {"CancelledError"}


async def test_the_oldest_that_have_ended_are_forgotten() -> None:
    jobs = Queue(max_ended=2)
    jobs.queue.put(Job("earlier", "succeeded"))
    for name in ("first", "second"):
        jobs.start(name)
    await jobs.all_ended()
    await asyncio.sleep(0)
    jobs.may_end.clear()
    jobs.start("third")
    assert [job.id for job in jobs.queue.forget_oldest()] == ["earlier"]
    assert jobs.queue.forget_oldest() == []
    assert jobs.queue.find("earlier") is None
    assert list(jobs.states()) == ["third", "second", "first"]
    await jobs.queue.close()


def test_what_a_person_is_told_of_an_error(caplog: pytest.LogCaptureFixture) -> None:
    known = ModelError("It is damaged.", "Copy it again.")
    assert failure_of(known, "The job failed") is known
    full = OSError(errno.ENOSPC, "No space left on device", "/a/file")
    assert "/a/file" in failure_of(full, "The job failed").what
    assert not caplog.records
    with caplog.at_level(logging.CRITICAL):  # what is logged as an error fails a test
        unforeseen = failure_of(ValueError("what?"), "The job failed")
    assert isinstance(unforeseen, BackendError)
    assert unforeseen.what == "The job failed."
