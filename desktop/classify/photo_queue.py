"""Photos on their way to an answer: asked for, kept until answered, paused, ended, gone on with."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from desktop import formats
from desktop.classify.classify_images import Predict, classify_images
from desktop.classify.find_photos import FoundPhotos, find_in_parts, find_photos
from desktop.classify.gallery import Gallery
from desktop.classify.history_writer import HistoryWriter
from desktop.classify.intake_store import IntakeStore, UnfinishedRequest
from desktop.classify.kept_scores import KeptScores
from desktop.classify.page import ClassifyPage
from desktop.classify.photo import PhotoFailure
from desktop.jobs import Job, Jobs
from desktop.notifications import Notifications
from desktop.pause import Pause
from desktop.translation import tr, tr_plural
from serving.errors import ImageError, ServeryError
from serving.normalize_image import read_normalized_image
from serving.predict.prediction import Prediction
from serving.progress import Report

_MAX_ERRORS_SHOWN = 3
"""At once; of more, one notice has all."""
_CHANGED_AT_ONCE = 500
"""Photos that start or stop waiting between two turns of the event loop: each is one change of the
gallery."""
_ASKED_BEFORE_SECONDS = 1.0
"""So much earlier than it is made counts a request as asked: the photos of one that has many are
dated back, a microsecond each, and none of them may seem to be older than the request."""
_CANCELLED = PhotoFailure(
    tr("Classifying was cancelled."), tr("Choose Classify again to try it once more.")
)
_STOPPED = PhotoFailure(
    tr("Classifying stopped because of an error."),
    tr("The notice says what went wrong; then choose Classify again."),
)


class PhotoQueue:
    """Answers what people ask for, however the window ends meanwhile.

    A request is on disk before its work starts, as one row; then the history has its photos,
    those that wait and those that are answered. Whatever waits when the window ends, or is
    killed, is classified at its next start.
    """

    def __init__(
        self,
        page: ClassifyPage,
        gallery: Gallery,
        predict: Predict,
        jobs: Jobs,
        notifications: Notifications,
        *,
        writer: HistoryWriter,
        store: IntakeStore,
        on_answer: Callable[[Path, Prediction], None],
    ) -> None:
        self._page = page
        self._gallery = gallery
        self._predict = predict
        self._jobs = jobs
        self._notifications = notifications
        self._writer = writer
        self._store = store
        self._on_answer = on_answer
        self.pause = Pause()
        self.loaded = asyncio.Event()
        """Set while all photos of the history are in the gallery."""
        self.loaded.set()
        self._newest_request: dict[str, int] = {}
        """For each photo that waits, by its key, the number of the last request for its answer.
        Not by its path, which takes ten times as long to look up for the first time."""
        self._request_numbers = itertools.count(1)

    @property
    def is_classifying(self) -> bool:
        """Whether photos wait for their answers."""
        return bool(self._newest_request)

    def classify(self, dropped: Sequence[Path]) -> Job[None]:
        """Classify files and folders, however deep; the first one is shown."""
        begun: dict[Path, Awaitable[Prediction]] = {}
        if len(dropped) == 1 and not self.pause.paused:
            # A person waits for it: it is on its way while the window shows it.
            begun[dropped[0].absolute()] = self._begin(dropped[0])

        async def work(report: Report) -> None:
            request = next(self._request_numbers)
            photos: list[Path] = []
            async with self._kept(dropped), self._ended(photos, request):
                await self._show_found(dropped, photos, request, report)
            if photos:
                self._page.offer_label(dropped, photos)
            await self._answer(photos, request, report, begun)

        title = (
            tr("Classify {name}", name=dropped[0].name)
            if len(dropped) == 1
            else tr("Classify photos")
        )
        return self._jobs.start(title, work, pause=self.pause)

    async def take_arrivals(self, photos: Sequence[Path], folder: str) -> None:
        """Have photos answered that arrived in `folder`; returns once they are on disk as a
        request. What is shown stays so."""
        kept = self._keep(photos)
        with contextlib.suppress(ServeryError):  # said where the request is handed over
            await kept.result()
        await self.loaded.wait()
        request = self._request(photos)

        async def work(report: Report) -> None:
            await self._answer(photos, request, report)

        try:
            async with self._ended(photos, request):
                await self._wait_in_steps(photos)
        finally:
            if not self._jobs.closing:
                self._forget(kept)

        title = tr(
            "Classify {photos} in {folder}",
            photos=formats.plural(len(photos), "new photo"),
            folder=folder,
        )
        self._jobs.start(title, work, pause=self.pause)

    def reclassify(self, keys: Sequence[str]) -> Job[None]:
        """Ask the live version about photos in the gallery; old answers stay until then."""
        paths = [photo.path for key in keys if (photo := self._gallery.photo(key)) is not None]
        # Now and not in the job, so that the next call already sees them as waiting.
        request = self._request(paths)
        first, others = paths[:_CHANGED_AT_ONCE], paths[_CHANGED_AT_ONCE:]
        self._wait_for_answers(first, time.time())

        async def work(report: Report) -> None:
            async with self._kept(paths), self._ended(paths, request):
                await self._wait_in_steps(others)
            await self._answer(paths, request, report)

        title = tr("Classify {photos} again", photos=formats.plural(len(paths), "photo"))
        return self._jobs.start(title, work, pause=self.pause)

    async def unfinished(self) -> list[UnfinishedRequest]:
        """Return what a window before this one left; to be called before the first `classify`."""
        try:
            return await self._store.unfinished()
        except ServeryError as error:
            self._notifications.error(error)
            return []

    def go_on(
        self,
        waiting: Sequence[Path],
        requests: Sequence[UnfinishedRequest],
        moved: Iterable[Path] = (),
    ) -> Job[None] | None:
        """Answer what a window before this one left, and say so; None if there is nothing.

        `waiting` are photos of the history, and `requests` those whose photos it may lack, except
        where photos were `moved` away from.
        """
        if not waiting and not requests:
            return None
        left = self._request(waiting)

        async def work(report: Report) -> None:
            paths, request = list(waiting), left
            if requests:
                async with self._ended(waiting, left):
                    paths += await self._find_rest(requests, {*paths, *moved}, report)
                    request = self._request(paths)
                # A window that ended right after its last answer has left the request alone.
                if paths and not waiting:
                    say(
                        tr("When Servery ended, not all photos were answered. Classifying goes on.")
                    )
            await self._answer(paths, request, report)

        def say(sentence: str) -> None:
            self._notifications.info(sentence, tr("Stop it"), job.cancel)

        job = self._jobs.start(tr("Classify what was left"), work, pause=self.pause)
        if waiting:
            say(
                tr_plural(
                    "When Servery ended, {count} photo had no answer yet. Classifying goes on.",
                    "When Servery ended, {count} photos had no answer yet. Classifying goes on.",
                    len(waiting),
                ).format(count=formats.count(len(waiting)))
            )
        return job

    async def _find_rest(
        self, requests: Sequence[UnfinishedRequest], known: set[Path], report: Report
    ) -> list[Path]:
        """Find the photos of `requests` that the history lacks, and have them wait."""
        rest: dict[Path, None] = {}
        try:
            for each in requests:
                found = await find_photos(each.paths, report)
                self._report_unreadable(found.unreadable)
                for path in found.photos:
                    photo = self._gallery.photo(str(path))
                    # One that came with the request has its answer, or is among those that wait.
                    if path not in known and (photo is None or photo.added < each.asked):
                        rest[path] = None
            await self._wait_in_steps(list(rest))
        finally:
            if not self._jobs.closing:
                for each in requests:
                    self._forget(each.number)
        return list(rest)

    @asynccontextmanager
    async def _kept(self, paths: Sequence[Path]) -> AsyncIterator[None]:
        """Keep a request on disk while its photos come into the gallery, and until they are in the
        history as well."""
        # Not awaited first: the disk takes some milliseconds, and so do the first photos.
        kept = self._keep(paths)
        try:
            yield
        finally:
            # Not when the application ends: then it is gone on with at the next start.
            if not self._jobs.closing:
                self._forget(kept)

    def _keep(self, paths: Sequence[Path]) -> Job[int]:
        asked = time.time() - _ASKED_BEFORE_SECONDS
        whole = [path.absolute() for path in paths]
        return self._jobs.start(
            tr("Keep a request"), lambda _: self._store.add(whole, asked), background=True
        )

    def _forget(self, request: int | Job[int]) -> None:
        """Forget a request, by its number or the job that returns it, as soon as the history has
        its photos."""

        async def hand_over(_: Report) -> None:
            try:
                number = request if isinstance(request, int) else await request.result()
                await self._writer.write_or_retry()
                await self._store.remove(number)
            except ServeryError as error:
                self._notifications.error(error)  # the photos are classified all the same

        self._jobs.start(tr("Hand a request to the history"), hand_over, background=True)

    async def _show_found(
        self, dropped: Sequence[Path], photos: list[Path], request: int, report: Report
    ) -> None:
        """Have the photos of a drop wait as they are found, the first of them selected; they are
        added to `photos` then."""
        skipped = 0
        unreadable: list[ImageError] = []
        now, last = time.time(), ""
        async with aclosing(find_in_parts(dropped, report)) as parts:
            async for part in parts:
                await self.loaded.wait()  # a photo that is known keeps its label
                self._claim(part.photos, request)
                # Before the next await, or they would wait for ever if it is cancelled there.
                dated, is_first = now - len(photos) * 1e-6, not photos
                photos += part.photos
                last = self._wait_for_answers(part.photos, dated, last)
                if is_first and part.photos:
                    self._page.select(str(part.photos[0]))
                skipped += part.skipped
                unreadable += part.unreadable
                await asyncio.sleep(0)  # all parts may be there already
        self._report_found(FoundPhotos(tuple(photos), skipped, tuple(unreadable)))

    def _report_found(self, found: FoundPhotos) -> None:
        if found.skipped:
            self._notifications.info(
                tr_plural(
                    "Skipped {count} file: it is not an image.",
                    "Skipped {count} files: they are not images.",
                    found.skipped,
                ).format(count=formats.count(found.skipped))
            )
        elif not found.photos and not found.unreadable:
            self._notifications.info(tr("There are no photos in there."))
        self._report_unreadable(found.unreadable)

    def _report_unreadable(self, errors: Sequence[ImageError]) -> None:
        if len(errors) <= _MAX_ERRORS_SHOWN:
            for error in errors:
                self._notifications.error(error)
            return
        what = tr(
            "{folders} cannot be read. {what}",
            folders=formats.plural(len(errors), "folder"),
            what=errors[0].what,
        )
        details = "\n".join(map(str, errors))
        self._notifications.error(ImageError(what, tr("The details name all of them.")), details)

    def _begin(self, path: Path) -> asyncio.Task[Prediction]:
        """Begin to read a photo and to ask for its answer."""
        loop = asyncio.get_running_loop()
        reading = loop.run_in_executor(None, read_normalized_image, path)

        async def answer() -> Prediction:
            return await self._predict(await reading)

        task = loop.create_task(answer(), name="classify a lone photo")
        # Nobody asks what became of it if it is a folder, or the job is cancelled before.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    def _request(self, paths: Iterable[Path]) -> int:
        """Make this the newest request for `paths`; returns its number."""
        request = next(self._request_numbers)
        self._claim(paths, request)
        return request

    def _claim(self, paths: Iterable[Path], request: int) -> None:
        self._newest_request |= dict.fromkeys(map(str, paths), request)

    def _wait_for_answers(self, paths: Sequence[Path], dated: float, after: str = "") -> str:
        """Have photos wait in one step; arguments and result are those of `Gallery.queue`."""
        self._page.thumbnails.forget(paths)
        return self._gallery.queue(paths, dated, after)

    async def _wait_in_steps(self, paths: Sequence[Path]) -> None:
        now, last = time.time(), ""
        for start in range(0, len(paths), _CHANGED_AT_ONCE):
            part = paths[start : start + _CHANGED_AT_ONCE]
            last = self._wait_for_answers(part, now - start * 1e-6, last)
            await asyncio.sleep(0)

    async def _answer(
        self,
        paths: Sequence[Path],
        request: int,
        report: Report,
        begun: Mapping[Path, Awaitable[Prediction]] = MappingProxyType({}),
    ) -> None:
        """Show the answers to `request`, except for photos that were requested again since."""

        def set_result(path: Path, result: Prediction | ServeryError) -> None:
            if isinstance(result, Prediction):
                self._on_answer(path, result)
                # The gallery may have 100,000 photos; an embedding takes 5 kB, and the scores as
                # they come as much.
                scores = KeptScores(
                    (score.name for score in result.scores),
                    (score.score for score in result.scores),
                )
                result = replace(result, scores=scores, embedding=None)
            if self._newest_request.get(str(path)) == request:
                self._gallery.set_result(path, result)

        async with self._ended(paths, request):
            await classify_images(
                paths, self._predict, set_result, report, begun=begun, may_go_on=self.pause.wait
            )
        self._end(paths, request)

    @asynccontextmanager
    async def _ended(self, paths: Sequence[Path], request: int) -> AsyncIterator[None]:
        """Let no photo of `request` wait after a block that does not come to its end."""
        try:
            yield
        except asyncio.CancelledError:
            await self._stop_waiting(paths, request, _CANCELLED)
            raise
        except BaseException:
            await self._stop_waiting(paths, request, _STOPPED)
            raise

    async def _stop_waiting(
        self, paths: Sequence[Path], request: int, failure: PhotoFailure
    ) -> None:
        """End the wait of the photos of `request`, in steps; in one if that is cancelled, too."""
        in_steps = True
        for start in range(0, len(paths), _CHANGED_AT_ONCE):
            # Those that wait when the application ends are classified at the next start.
            if self._jobs.closing:
                return
            part = paths[start : start + _CHANGED_AT_ONCE]
            newest = [path for path in part if self._newest_request.get(str(path)) == request]
            self._gallery.stop_waiting(newest, failure)
            self._end(part, request)
            if in_steps:
                try:
                    await asyncio.sleep(0)
                except asyncio.CancelledError:
                    in_steps = False

    def _end(self, paths: Sequence[Path], request: int) -> None:
        for key in map(str, paths):
            if self._newest_request.get(key) == request:
                del self._newest_request[key]
