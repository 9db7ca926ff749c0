from __future__ import annotations

import asyncio
from typing import Any

import pytest

from desktop.jobs import Job, Jobs, JobState
from desktop.widgets.job_line import SHOW_AFTER_SECONDS, JobLine, describe
from serving.progress import Report
from tests.gui.conftest import Run
from tests.support.waiting import wait_until


def test_every_job_ends_in_one_of_three_states(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def succeed(report: Report) -> int:
        return 7

    async def fail(report: Report) -> None:
        raise ValueError("no")

    async def wait(report: Report) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        jobs = Jobs()
        finished: list[Job[Any]] = []
        failed: list[Job[Any]] = []
        jobs.finished.connect(finished.append)
        jobs.failed.connect(failed.append)
        good, bad, hidden, endless = (
            jobs.start("good", succeed),
            jobs.start("bad", fail),
            jobs.start("hidden", fail, background=True),
            jobs.start("endless", wait),
        )
        assert len({job.id for job in jobs.running}) == 4
        assert await good.result() == 7
        with pytest.raises(ValueError, match="no"):
            await bad.result()
        endless.cancel()
        await wait_until(lambda: len(finished) == 4)
        assert good.state is JobState.SUCCEEDED
        assert (bad.state, type(bad.error)) == (JobState.FAILED, ValueError)
        assert endless.state is JobState.CANCELLED
        assert failed == [bad], "who starts a background job reports its failure"
        assert hidden.state is JobState.FAILED
        assert not jobs.running

    run(main)
    assert [record.getMessage() for record in caplog.records] == [
        "The background job “hidden” failed"
    ]


def test_closing_cancels_what_runs_and_what_comes_later(run: Run) -> None:
    async def wait(report: Report) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        jobs = Jobs()
        early = jobs.start("early", wait)
        await asyncio.sleep(0)
        await jobs.close()
        late = jobs.start("late", wait)
        await wait_until(lambda: not jobs.running)
        assert early.state is JobState.CANCELLED
        assert late.state is JobState.CANCELLED

    run(main)


def test_giving_up_waiting_leaves_the_job_running(run: Run) -> None:
    async def main() -> None:
        jobs = Jobs()
        go = asyncio.Event()

        async def work(report: Report) -> str:
            await go.wait()
            return "done"

        job = jobs.start("work", work)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(job.result(), 0.01)
        assert job.running
        go.set()
        assert await job.result() == "done"

    run(main)


class Clock:
    """Stands still until it is told to go on."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


async def nothing(report: Report) -> None:
    pass


def test_progress_from_a_thread_gives_rate_and_time_left(run: Run) -> None:
    async def main() -> None:
        clock = Clock()
        jobs = Jobs(clock=clock)
        go = asyncio.Event()
        seen: list[int] = []
        jobs.changed.connect(lambda job: seen.append(job.done))

        async def work(report: Report) -> None:
            for done in range(1, 6):
                clock.now += 0.2
                await asyncio.to_thread(report, done, 100, "")
            await go.wait()

        job = jobs.start("Classify 100 photos", work)
        assert job.rate is None
        await wait_until(lambda: job.done == 5)
        assert job.rate == pytest.approx(5)
        assert job.seconds_left == pytest.approx(19)
        assert describe(job) == "Classify 100 photos: 5 of 100, 5.0/s, 19 s left"
        go.set()
        await job.result()
        assert seen == sorted(seen)
        assert seen

    run(main)


def test_the_line_shows_a_job_only_once_it_lasts_and_can_cancel_it(run: Run) -> None:
    async def main() -> None:
        clock = Clock()
        jobs = Jobs(clock=clock)
        line = JobLine(jobs)

        async def wait(report: Report) -> None:
            report(3, 10, "3 of 10 classified")
            await asyncio.Event().wait()

        job = jobs.start("Classify", wait)
        clock.now += SHOW_AFTER_SECONDS - 0.1
        await refreshed(jobs)
        assert line.text == ""
        clock.now += 0.2
        await wait_until(lambda: line.text.startswith("3 of 10 classified"))
        line.cancel_shown()
        await wait_until(lambda: not job.running)
        await wait_until(lambda: line.text == "")

    run(main)


def test_background_jobs_stay_off_the_line(run: Run) -> None:
    async def main() -> None:
        clock = Clock()
        jobs = Jobs(clock=clock)
        line = JobLine(jobs)

        async def wait(report: Report) -> None:
            await asyncio.Event().wait()

        job = jobs.start("Follow", wait, background=True)
        clock.now += 2 * SHOW_AFTER_SECONDS
        await refreshed(jobs)
        assert line.text == ""
        job.cancel()

    run(main)


async def refreshed(jobs: Jobs) -> None:
    """Return once the line was brought up to date, which the end of any job does."""
    other = jobs.start("other", nothing, background=True)
    await wait_until(lambda: not other.running)


def test_a_job_with_nothing_to_tell_wakes_nobody(run: Run) -> None:
    async def main() -> None:
        jobs = Jobs()
        reports: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        seen: list[int] = []
        jobs.changed.connect(lambda job: seen.append(job.done))

        async def work(report: Report) -> None:
            reports.set_result(report)
            await asyncio.Event().wait()

        job = jobs.start("Follow something", work, background=True)
        report = await reports
        await wait_until(lambda: seen == [0] and not jobs._poll_soon.isActive())
        for done in (1, 2):
            await asyncio.to_thread(report, done, 2, "")
            await wait_until(lambda: seen[-1] == done)  # noqa: B023
            await wait_until(lambda: not jobs._poll_soon.isActive())
        job.cancel()
        await wait_until(lambda: not jobs.running)

    run(main)
