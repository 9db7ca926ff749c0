"""Connects the likeness of photos to the Classify page: stacks, and photos like one."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from desktop.classify.gallery_query import Among
from desktop.classify.likeness.likeness import Likeness
from desktop.classify.likeness.map_presenter import MapPresenter
from desktop.classify.page import ClassifyPage
from desktop.classify.photo import Photo
from desktop.jobs import Job, Jobs
from desktop.notifications import Notifications
from desktop.translation import tr
from desktop.widgets.timers import single_shot_timer
from serving.errors import ServeryError
from serving.predict.prediction import Prediction
from serving.progress import Report

_log = logging.getLogger(__name__)

_WRITE_MILLISECONDS = 300
"""Embeddings are collected this long, and then compared at once."""
SIMILAR = 60
"""Photos that are shown as the most like one."""


class LikenessPresenter:
    """Keeps the embeddings that come with answers, and shows what they say."""

    def __init__(
        self,
        page: ClassifyPage,
        folder: Path,
        models: Path,
        jobs: Jobs,
        notifications: Notifications,
        reclassify: Callable[[Sequence[str]], object],
        label: Callable[[Sequence[str], str], object],
    ) -> None:
        """`folder` keeps embeddings, `models` is the model repository; `reclassify` asks for the
        answers of photos again, `label` says that photos show a class."""
        self._page = page
        self._gallery = page.gallery
        self._jobs = jobs
        self._notifications = notifications
        self._answering: tuple[str, int] | None = None
        self._has_failed = False
        self._missing: list[str] = []
        self.likeness = Likeness(folder, models, page.gallery, self._show_stacks)
        self.map = MapPresenter(page, self.likeness, jobs, label, reclassify)
        self._write_soon = single_shot_timer(_WRITE_MILLISECONDS, self._write, page)
        page.gallery.subscribe(self)
        page.similar_action.triggered.connect(self.show_similar)
        page.among_bar.compare.clicked.connect(lambda: reclassify(self._missing))

    def offer(self, path: Path, prediction: Prediction) -> None:
        """Take the answer of a photo, with its embedding if there is one."""
        self.likeness.offer(path, prediction)
        if self.likeness.has_waiting and not self._write_soon.isActive():
            self._write_soon.start()

    async def load(self) -> None:
        """Show the stacks of photos of earlier days."""
        await self._report(self.likeness.load())

    async def tidy(self) -> None:
        """Drop embeddings that no photo needs any more, once the whole history is shown."""
        await self._report(self.likeness.tidy())

    async def close(self) -> None:
        """Keep what was offered last. To be called after the jobs have ended."""
        self._write_soon.stop()
        await self._report(self.likeness.close())

    def show_similar(self) -> Job[None] | None:
        """Show the photos most like the one that is selected."""
        photo = self._page.first_selected_photo()
        if photo is None:
            return None

        async def work(report: Report) -> None:
            found = await self.likeness.similar(photo.key, SIMILAR)
            if found is None:
                self._notifications.info(
                    tr(
                        "{name} cannot be compared yet: it was classified before"
                        " Servery could compare photos, or by a model that sees"
                        " in another way. Classify it again (Ctrl+R).",
                        name=photo.name,
                    )
                )
                return
            ranks = {key: place for place, key in enumerate([photo.key, *found])}
            query = self._page.grid.shown.query
            self._page.set_query(
                query.with_ranked(Among(tr("most like {name}", name=photo.name), ranks))
            )
            self._page.select(photo.key)
            self._missing = await self.likeness.missing()
            self._page.among_bar.show_missing(len(self._missing))

        return self._jobs.start(tr("Find photos like {name}", name=photo.name), work)

    def photos_added(self, row: int, photos: Sequence[Photo], *, restored: bool) -> None:
        """New photos have no embedding yet; those of the history are found by their keys."""

    def photo_changed(self, row: int, photo: Photo) -> None:
        """An answer is offered with its embedding."""

    def photos_changed(self, changes: Sequence[tuple[int, Photo]]) -> None:
        """Answers are offered with their embeddings."""

    def photos_removed(self, row: int, photos: Sequence[Photo]) -> None:
        """Their embeddings stay for a while: they may come back."""

    def states_changed(self) -> None:
        answering = self._gallery.answering
        if answering is not None and answering != self._answering:
            self._answering = answering
            model, version = answering
            self._start(lambda: self.likeness.use(model, version))

    def _write(self) -> None:
        self._start(self.likeness.write)
        self.map.place_new()

    def _start(self, work: Callable[[], Awaitable[None]]) -> None:
        if not self._jobs.closing:
            self._jobs.start(tr("Compare photos"), lambda _: self._report(work()), background=True)

    async def _report(self, work: Awaitable[None]) -> None:
        """Wait for `work`; the first time that the disk refuses, the person is told."""
        try:
            await work
            self._has_failed = False
        except ServeryError as error:
            _log.warning("Photos are not compared.", exc_info=error)
            if not self._has_failed:
                self._notifications.error(error)
            self._has_failed = True

    def _show_stacks(self, stacks: Sequence[tuple[int, int]], are_all: bool) -> None:
        """Show what is known of stacks: all of it, or changes."""
        known = self._page.grid.photo_model.stacks
        photos = [photo for photo, _ in stacks]
        if are_all:
            photos += known.photos
            known.replace(stacks)
        else:
            known.put(stacks)
        shown = self._page.shown_photo()
        self._page.grid.shown.stacks_changed(
            self.likeness.keys(photos), shown.key if shown is not None else ""
        )
