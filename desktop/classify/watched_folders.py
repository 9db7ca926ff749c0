"""The folders whose new photos are classified as they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from desktop.classify.gallery import Gallery
from desktop.classify.intake_store import IntakeStore
from desktop.classify.photo_arrivals import PhotoArrivals, SeenSoFar
from desktop.jobs import Job, Jobs
from desktop.notifications import Notifications
from desktop.service_sentences import translated
from desktop.translation import tr
from serving.errors import ImageError, ServeryError
from serving.progress import Report

RETRY_SECONDS = 5.0
"""Before another look for a folder that is gone."""


@dataclass
class WatchedFolder:
    """One of them, and how it is doing."""

    path: Path
    arrived: int = 0
    """Photos since the window opened."""
    problem: str = ""
    """Why it cannot be watched now; empty if it is."""


class WatchedFolders:
    """Follows any number of folders; which they are, and how far each was seen, is on disk.

    A folder that is gone is looked for until it is back.
    """

    def __init__(
        self,
        store: IntakeStore,
        gallery: Gallery,
        jobs: Jobs,
        notifications: Notifications,
        *,
        take: Callable[[Sequence[Path], str], Awaitable[None]],
    ) -> None:
        """`take` has photos answered, with the name of their folder, and returns as soon as they
        are not forgotten if the window is killed."""
        self._store = store
        self._gallery = gallery
        self._jobs = jobs
        self._notifications = notifications
        self._take = take
        self._following: dict[Path, tuple[WatchedFolder, Job[Any]]] = {}
        self._listeners: list[Callable[[], object]] = []

    @property
    def folders(self) -> list[WatchedFolder]:
        """Those that are watched, in the order in which they were added."""
        return [folder for folder, _ in self._following.values()]

    def subscribe(self, on_changed: Callable[[], object]) -> None:
        self._listeners.append(on_changed)

    async def load(self) -> None:
        """Follow the folders of the window before this one."""
        try:
            kept = await self._store.watched()
        except ServeryError as error:
            self._notifications.error(error)
            return
        for path, seen in kept:
            self._follow(path, seen)

    def add(self, path: Path) -> None:
        """Watch a folder from now on; the photos that are in it are classified, too."""
        path = path.absolute()
        if path in self._following:
            self._notifications.info(tr("{name} is watched already.", name=path.name))
            return

        async def keep(_: Report) -> None:
            await self._store.watch(path)

        self._jobs.start(tr("Watch {name}", name=path.name), keep)
        self._follow(path, None)

    def remove(self, path: Path) -> None:
        """Watch a folder no more; its photos stay in the gallery."""
        _, job = self._following.pop(path)

        async def forget(_: Report) -> None:
            await self._store.unwatch(path)

        job.cancel()
        self._jobs.start(tr("Stop watching {name}", name=path.name), forget)
        self._changed()

    def _follow(self, path: Path, seen: SeenSoFar | None) -> None:
        folder = WatchedFolder(path)

        async def follow(_: Report) -> None:
            await self._follow_until_ended(folder, seen)

        job = self._jobs.start(tr("Watch {name}", name=path), follow, background=True)
        self._following[path] = (folder, job)
        self._changed()

    async def _follow_until_ended(self, folder: WatchedFolder, seen: SeenSoFar | None) -> None:
        while True:
            try:
                arrivals = PhotoArrivals(folder.path, seen, self._is_answered)
                async with aclosing(arrivals.follow()) as following:
                    async for arrival in following:
                        self._show_problem(folder, "")
                        if arrival.photos:
                            await self._take(arrival.photos, folder.path.name)
                            folder.arrived += len(arrival.photos)
                            self._changed()
                        seen = arrival.seen
                        await self._store.set_seen(folder.path, seen)
            except ImageError as error:
                if not folder.problem:
                    self._notifications.error(error)
                self._show_problem(folder, translated(error.what))
            except ServeryError as error:
                self._notifications.error(error)  # of the database; photos go on arriving
            await asyncio.sleep(RETRY_SECONDS)

    def _is_answered(self, path: Path) -> bool:
        photo = self._gallery.photo(str(path))
        return photo is not None and (photo.waiting or photo.prediction is not None)

    def _show_problem(self, folder: WatchedFolder, problem: str) -> None:
        if folder.problem != problem:
            folder.problem = problem
            self._changed()

    def _changed(self) -> None:
        for on_changed in self._listeners:
            on_changed()
