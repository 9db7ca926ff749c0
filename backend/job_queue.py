"""Jobs that run one after the other, each known by its id until it is long over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from serving.errors import BackendError, ServeryError, system_error

_log = logging.getLogger(__name__)


class Record(Protocol):
    """What is known of a job: a frozen dataclass, replaced by another as it changes."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    """Which every dataclass has: `replace` takes nothing else."""

    @property
    def id(self) -> str: ...


R = TypeVar("R", bound=Record)

Work = Callable[[], Awaitable[None]]
End = Callable[[BaseException | None], Awaitable[None]]
"""Gets what the work raised, CancelledError if it was cancelled, None if it succeeded."""


class JobQueue(Generic[R]):
    """Runs one job at a time: each may take gigabytes of memory and all cores."""

    def __init__(self, max_ended: int) -> None:
        """`max_ended` jobs that have ended are still known."""
        self._max_ended = max_ended
        self._records: dict[str, R] = {}
        self._working: dict[str, asyncio.Task[None]] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()

    def start(self, record: R, work: Work, end: End) -> R:
        """Queue `work`, and return its record at once.

        `end` is awaited once when it is over, also if it was cancelled before it began.
        """
        job_id = record.id
        self._records[job_id] = record
        working = asyncio.create_task(self._in_turn(work), name=f"job {job_id}")
        self._working[job_id] = working
        # A task of its own, which nobody cancels: one that is cancelled before it began runs no
        # line of its coroutine.
        self._ending[job_id] = asyncio.create_task(self._end(job_id, working, end))
        return record

    def put(self, record: R) -> None:
        """Replace the record of a job, or add that of one which ended earlier."""
        self._records[record.id] = record

    def change(self, job_id: str, **fields: Any) -> R:
        """Replace fields of a record."""
        self._records[job_id] = record = replace(self._records[job_id], **fields)
        return record

    def all(self) -> list[R]:
        """Return the records, the newest first."""
        return list(reversed(self._records.values()))

    def find(self, job_id: str) -> R | None:
        """Return a record as it is now; None if no job of this id is known."""
        return self._records.get(job_id)

    async def cancel(self, job_id: str) -> None:
        """Cancel a job and wait for its end; one that has ended stays as it is."""
        if (working := self._working.get(job_id)) is not None:
            working.cancel()
            await asyncio.wait([self._ending[job_id]])

    async def close(self) -> None:
        """Cancel what runs and waits; nothing of it is left."""
        for working in self._working.values():
            working.cancel()
        if endings := list(self._ending.values()):
            await asyncio.wait(endings)

    def forget_oldest(self) -> list[R]:
        """Forget, and return, the oldest of more than `max_ended` jobs that have ended."""
        ended = [job_id for job_id in self._records if job_id not in self._ending]
        return [
            self._records.pop(job_id) for job_id in ended[: max(0, len(ended) - self._max_ended)]
        ]

    async def _in_turn(self, work: Work) -> None:
        async with self._turn:
            await work()

    async def _end(self, job_id: str, working: asyncio.Task[None], end: End) -> None:
        try:
            await asyncio.wait([working])
            await end(asyncio.CancelledError() if working.cancelled() else working.exception())
        finally:
            del self._working[job_id], self._ending[job_id]


def failure_of(error: BaseException, what: str) -> ServeryError:
    """Return what a person is told of an error; one that nobody foresaw is logged.

    `what` says, without a full stop, what failed.
    """
    known = error if isinstance(error, ServeryError) else system_error(error)
    if known is None:
        _log.error("%s", what, exc_info=error)
        known = BackendError(f"{what}.", "See the backend's log for details, then try again.")
    return known
