"""Exports and imports of versions as jobs: one at a time, watched and cancelled by their id."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from backend.contract import ModelFileJob, RunState
from backend.job_queue import JobQueue, failure_of
from serving.errors import BackendError
from serving.progress import Report

MAX_FINISHED = 50
"""Jobs that have ended and are still known."""

Work = Callable[[Report], Awaitable[dict[str, Any]]]
"""Does the job and returns fields of its ModelFileJob."""


class UnknownModelFileJob(BackendError):
    """No export or import has this id."""


class ModelFileJobs:
    """The exports and imports that are waited for, go on, or have ended lately."""

    def __init__(self) -> None:
        self._queue: JobQueue[ModelFileJob] = JobQueue(MAX_FINISHED)

    async def close(self) -> None:
        """Cancel what runs; nothing of it is left."""
        await self._queue.close()

    def start(self, model: str, version: int, path: str, work: Work) -> ModelFileJob:
        """Begin a job and return it at once."""
        self._queue.forget_oldest()
        job = ModelFileJob(
            id=secrets.token_hex(8),
            state=RunState.QUEUED,
            model=model,
            version=version,
            path=path,
            step="Waiting",
        )

        def report(done: int, total: int, text: str) -> None:
            self._queue.change(job.id, done=100 * done // total if total else 0, step=text)

        async def carry_out() -> None:
            self._queue.change(job.id, state=RunState.RUNNING, step="Starting")
            found = await work(report)
            self._queue.change(job.id, state=RunState.SUCCEEDED, done=100, step="Done", **found)

        async def end(error: BaseException | None) -> None:
            if isinstance(error, asyncio.CancelledError):
                self._queue.change(job.id, state=RunState.CANCELLED, step="Cancelled")
            elif error is not None:
                failure = failure_of(error, f"The job failed: {error}")
                self._queue.change(
                    job.id, state=RunState.FAILED, step=failure.what, advice=failure.advice
                )

        return self._queue.start(job, carry_out, end)

    def job(self, job_id: str) -> ModelFileJob:
        """Return a job as it is now; raises UnknownModelFileJob."""
        job = self._queue.find(job_id)
        if job is None:
            raise UnknownModelFileJob(
                "There is no export and no import with this id.",
                "It may have ended long ago, or with the backend that ran it: start it again.",
            )
        return job

    async def cancel(self, job_id: str) -> ModelFileJob:
        """Cancel a job and return it once nothing of it is left; raises UnknownModelFileJob."""
        self.job(job_id)
        await self._queue.cancel(job_id)
        return self.job(job_id)
