"""Keeps the history on disk in step with the gallery."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

from desktop.classify.gallery import Gallery
from desktop.classify.history import History
from desktop.classify.photo import Photo
from desktop.jobs import Jobs
from desktop.translation import tr
from desktop.widgets.timers import single_shot_timer

_RETRY_MILLISECONDS = 10_000
"""After the disk refused."""
_WRITE_MILLISECONDS = 500
"""Changes are collected this long, so that a thousand answers are not a thousand writes."""
_PART = 2000
"""Photos without an answer that are written at once: a tenth of a second, so that no answer waits
longer than that behind the 100,000 photos of a drop."""


class HistoryWriter:
    """Listens to a gallery and writes its changes, in a job, soon after the first.

    What a killed window loses of the answers is what came since the last write: half a second.
    """

    def __init__(self, gallery: Gallery, history: History, jobs: Jobs) -> None:
        self._history = history
        self._jobs = jobs
        self._queued: dict[str, Photo] = {}
        """Changed photos that wait for their answers."""
        self._answered: dict[str, Photo] = {}
        """All others that changed; these are written first."""
        self._removed: dict[str, Photo] = {}
        self._is_failing = False
        self._writing = asyncio.Lock()
        self._timer = single_shot_timer(_WRITE_MILLISECONDS, self._start_writing)
        gallery.subscribe(self)

    def photos_added(self, row: int, photos: Sequence[Photo], *, restored: bool) -> None:
        if not restored:
            self._note(photos)

    def photo_changed(self, row: int, photo: Photo) -> None:
        self._note([photo])

    def photos_changed(self, changes: Sequence[tuple[int, Photo]]) -> None:
        self._note([photo for _, photo in changes])

    def photos_removed(self, row: int, photos: Sequence[Photo]) -> None:
        for photo in photos:
            self._queued.pop(photo.key, None)
            self._answered.pop(photo.key, None)
            self._removed[photo.key] = photo
        self._write_soon()

    def states_changed(self) -> None:
        """States are derived; nothing of them is on disk."""

    async def write(self) -> None:
        """Write what is not on disk yet; raises HistoryError.

        Whatever the reason is why it is not written, it is kept for the next time.
        """
        self._timer.stop()
        async with self._writing:
            # As many parts as are there now: photos that are queued meanwhile come later.
            for _ in range(max(1, -(-len(self._queued) // _PART))):
                await self._write_part()

    async def _write_part(self) -> None:
        # Taken before the first await: what changes meanwhile belongs to the next part.
        changed, self._answered = self._answered, {}
        for key in list(itertools.islice(self._queued, _PART)):
            changed[key] = self._queued.pop(key)
        removed, self._removed = self._removed, {}
        try:
            if removed:
                await self._history.forget(list(removed.values()))
            if changed:
                await self._history.remember(list(changed.values()))
        except BaseException:
            # The next write, which may be the last one of the application, has these too.
            for key, photo in changed.items():
                newer = key in self._queued or key in self._answered or key in self._removed
                if not newer:
                    self._target(photo)[key] = photo
            # Last: a photo of this part that was removed and added again is in both.
            self._removed = removed | self._removed
            raise

    def _target(self, photo: Photo) -> dict[str, Photo]:
        return self._queued if photo.waiting else self._answered

    def _note(self, photos: Sequence[Photo]) -> None:
        for photo in photos:
            (self._answered if photo.waiting else self._queued).pop(photo.key, None)
            self._target(photo)[photo.key] = photo
        self._write_soon()

    def _write_soon(self) -> None:
        if not self._jobs.closing and not self._timer.isActive():
            self._timer.start(_RETRY_MILLISECONDS if self._is_failing else _WRITE_MILLISECONDS)

    def _start_writing(self) -> None:
        self._jobs.start(tr("Remember answers"), lambda report: self.write_or_retry())

    async def write_or_retry(self) -> None:
        """Write, and say once that it is not possible; it is tried again until it is."""
        try:
            await self.write()
            self._is_failing = False
        except Exception:
            if not self._jobs.closing:
                self._timer.start(_RETRY_MILLISECONDS)
            if not self._is_failing:
                self._is_failing = True
                raise
