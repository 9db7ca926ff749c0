"""Keeps the history on disk in step with the gallery."""

from __future__ import annotations

from collections.abc import Sequence

from desktop.classify.gallery import Gallery
from desktop.classify.history import History
from desktop.classify.photo import Photo
from desktop.jobs import Jobs
from desktop.widgets.timers import single_shot_timer

_RETRY_MILLISECONDS = 10_000
"""After the disk refused."""
_WRITE_MILLISECONDS = 500
"""Changes are collected this long, so that a thousand answers are not a thousand writes."""


class HistoryWriter:
    """Listens to a gallery and writes its changes, in a job, soon after the first."""

    def __init__(self, gallery: Gallery, history: History, jobs: Jobs) -> None:
        self._history = history
        self._jobs = jobs
        self._changed: dict[str, Photo] = {}
        self._removed: dict[str, Photo] = {}
        self._is_failing = False
        self._timer = single_shot_timer(_WRITE_MILLISECONDS, self._start_writing)
        gallery.subscribe(self)

    def photos_added(self, row: int, photos: Sequence[Photo], *, restored: bool) -> None:
        if not restored:
            self._note(photos, self._changed)

    def photo_changed(self, row: int, photo: Photo) -> None:
        self._note([photo], self._changed)

    def photos_removed(self, row: int, photos: Sequence[Photo]) -> None:
        for photo in photos:
            self._changed.pop(photo.key, None)
        self._note(photos, self._removed)

    def states_changed(self) -> None:
        """States are derived; nothing of them is on disk."""

    async def write(self) -> None:
        """Write what is not on disk yet; raises HistoryError.

        Whatever the reason is why it is not written, it is kept for the next time.
        """
        self._timer.stop()
        # Taken before the first await: what changes meanwhile belongs to the next write.
        changed, self._changed = self._changed, {}
        removed, self._removed = self._removed, {}
        try:
            if removed:
                await self._history.forget(list(removed.values()))
            if changed:
                await self._history.remember(list(changed.values()))
        except BaseException:
            # The next write, which may be the last one of the application, has these too.
            still_there = {key: photo for key, photo in changed.items() if key not in self._removed}
            self._changed, self._removed = still_there | self._changed, removed | self._removed
            raise

    def _note(self, photos: Sequence[Photo], target: dict[str, Photo]) -> None:
        target.update((photo.key, photo) for photo in photos)
        if not self._jobs.closing and not self._timer.isActive():
            self._timer.start(_RETRY_MILLISECONDS if self._is_failing else _WRITE_MILLISECONDS)

    def _start_writing(self) -> None:
        self._jobs.start("Remember answers", lambda report: self._write_or_retry())

    async def _write_or_retry(self) -> None:
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
