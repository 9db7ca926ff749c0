"""Reads when photos were taken, once something on the page goes by that."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from datetime import datetime
from pathlib import Path

from desktop.classify.photo import Photo
from desktop.jobs import Job, Jobs
from desktop.translation import tr
from serving.photo_metadata.taken import read_taken
from serving.progress import Report

_AT_ONCE = 1000
"""Files that are read between two looks at what came meanwhile: a fifth of a second."""


class TakenDates:
    """Fills in dates, a thousand at a time, in a job."""

    def __init__(
        self,
        taken: MutableMapping[str, datetime | None],
        jobs: Jobs,
        on_read: Callable[[], object],
    ) -> None:
        """`taken` gets the dates by key, None if a photo does not say; `on_read` is called after
        each step."""
        self._taken = taken
        self._jobs = jobs
        self._on_read = on_read
        self._missing: dict[str, Path] = {}
        self._job: Job[None] | None = None

    def read(self, photos: Iterable[Photo]) -> None:
        """Read the dates of `photos` that are not known, after those that are being read."""
        self._missing |= {photo.key: photo.path for photo in photos if photo.key not in self._taken}
        going_on = self._job is not None and self._job.running
        if self._missing and not going_on and not self._jobs.closing:
            title = tr("Read when photos were taken")
            self._job = self._jobs.start(title, self._work, background=True)

    async def _work(self, report: Report) -> None:
        while self._missing:
            batch = dict(itertools.islice(self._missing.items(), _AT_ONCE))
            self._taken.update(await asyncio.to_thread(_read, batch))
            for key in batch:
                self._missing.pop(key, None)
            self._on_read()


def _read(paths: Mapping[str, Path]) -> dict[str, datetime | None]:
    return {key: read_taken(path) for key, path in paths.items()}
