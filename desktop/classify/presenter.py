"""Joins the Classify page to what it needs: the fleet, the history, and whoever takes labels."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from PySide6.QtCore import QTimer
from PySide6.QtGui import QImage

from desktop import formats
from desktop.classify.classify_images import Predict, classify_images
from desktop.classify.export import export_photos
from desktop.classify.find_photos import find_photos
from desktop.classify.history import History
from desktop.classify.page import ClassifyPage
from desktop.classify.photo import Photo, PhotoFailure
from desktop.jobs import Job, Jobs
from desktop.notifications import Notifications
from serving.errors import FleetUnavailable, ImageError, ServeryError
from serving.normalize_image import read_image
from serving.predict.prediction import Prediction
from serving.progress import Report

L = TypeVar("L")
"""What taking a label returns, and taking it back needs."""

_REMEMBER_MILLISECONDS = 500
_FRESHEN_MILLISECONDS = 150
"""A photo is asked about again once it has been on show this long: not while one runs past it."""
_MAX_CLASSES_NAMED = 12
_CANCELLED = PhotoFailure(
    "Classifying was cancelled.", "Choose Classify again to try it once more."
)
_BROKEN_OFF = PhotoFailure(
    "Classifying broke off.", "Choose Classify again; the notice says what went wrong."
)


@dataclass(frozen=True)
class _Given(Generic[L]):
    """One label that can be taken back."""

    key: str
    before: str
    receipt: L


class ClassifyPresenter(Generic[L]):
    """What the Classify place does when a person acts, and when the fleet changes."""

    def __init__(
        self,
        page: ClassifyPage,
        predict: Predict,
        history: History,
        jobs: Jobs,
        notifications: Notifications,
        *,
        label: Callable[[bytes, str], Awaitable[L]],
        unlabel: Callable[[L], Awaitable[None]],
        pasted_folder: Path,
    ) -> None:
        """`label` takes an image file and a class name and returns once they are safe;
        `pasted` is the folder where pictures from the clipboard are kept."""
        self._page = page
        self._predict = predict
        self._history = history
        self._jobs = jobs
        self._notifications = notifications
        self._label = label
        self._unlabel = unlabel
        self._pasted_folder = pasted_folder
        self._given: list[list[_Given[L]]] = []
        self._unwritten: dict[str, Photo] = {}
        self._ready = 0
        self._model_classes: tuple[str, ...] = ()
        self._remember_soon = QTimer(page)
        self._remember_soon.setSingleShot(True)
        self._remember_soon.setInterval(_REMEMBER_MILLISECONDS)
        self._remember_soon.timeout.connect(self._start_remembering)
        self._freshen_soon = QTimer(page)
        self._freshen_soon.setSingleShot(True)
        self._freshen_soon.setInterval(_FRESHEN_MILLISECONDS)
        self._freshen_soon.timeout.connect(self._freshen)
        page.gallery.selection_changed.connect(self._freshen_soon.start)
        page.classify_requested.connect(self.classify)
        page.image_pasted.connect(self._paste)
        page.label_requested.connect(self.label)
        page.undo_requested.connect(self.undo)
        page.reclassify_requested.connect(self.reclassify)
        page.remove_requested.connect(self._remove)
        page.export_requested.connect(self._export)

    async def load(self) -> None:
        """Show the photos of earlier days; those that never got an answer get one now."""
        try:
            photos = await self._history.photos()
        except ServeryError as error:
            self._notifications.error(error)
            return
        known = {photo.key for photo in self._page.model.photos}
        earlier = [photo for photo in reversed(photos) if photo.key not in known]
        self._page.model.append(earlier)
        self._offer_classes()
        if waiting := [photo.key for photo in earlier if photo.waiting]:
            self.reclassify(waiting)

    async def close(self) -> None:
        """Write what is not on disk yet. Belongs after the end of the jobs: photos that
        were on their way then are classified the next time."""
        self._remember_soon.stop()
        try:
            await self._remember()
        except ServeryError as error:
            self._notifications.error(error)
        self._page.thumbnails.close()

    def classify(self, dropped: Sequence[Path]) -> Job[None]:
        """Classify files and folders, however deep; the first one is shown."""

        async def work(report: Report) -> None:
            found = await find_photos(dropped, report)
            if found.skipped:
                count = formats.plural(found.skipped, "file")
                verb = "is not an image" if found.skipped == 1 else "are not images"
                self._notifications.info(f"{count} {verb} and stayed out.")
            elif not found.photos:
                self._notifications.info("There are no photos in there.")
            self._add(found.photos)
            await self._classify([str(path) for path in found.photos], report)

        title = f"Classify {dropped[0].name}" if len(dropped) == 1 else "Classify photos"
        return self._jobs.start(title, work)

    def reclassify(self, keys: Sequence[str]) -> Job[None]:
        """Ask the live version about photos in the gallery; old answers stay until then."""
        photos = [photo for key in keys if (photo := self._page.model.photo(key)) is not None]
        for photo in photos:
            self._page.thumbnails.forget(photo.path)
            self._show(replace(photo, failure=None, waiting=True))

        async def work(report: Report) -> None:
            await self._classify([photo.key for photo in photos], report)

        return self._jobs.start(f"Classify {formats.plural(len(photos), 'photo')} again", work)

    def fleet_changed(self, ready: int, live_version: int | None) -> None:
        """Take note of the fleet: it can answer again, or answers with another version.

        Photos that failed only for want of an instance are tried again, and the
        photo on show gets the answer of the new version.
        """
        newly_ready, self._ready = ready > 0 and self._ready == 0, ready
        if ready and live_version is not None and live_version != self._page.live_version:
            self._page.set_live_version(live_version)
            self._freshen()
        if newly_ready:
            unlucky = [
                photo.key
                for photo in self._page.model.photos
                if photo.failure is not None and photo.failure.transient
            ]
            if unlucky:
                self.reclassify(unlucky)

    def _freshen(self) -> None:
        """Ask the live version about the photo on show, where another one answered it."""
        shown = self._page.shown()
        if self._ready and shown is not None and shown.key in self._page.outdated():
            self.reclassify([shown.key])

    def set_classes(self, names: Sequence[str]) -> None:
        """Offer the classes of the live version, beside those that a person made up."""
        self._model_classes = tuple(names)
        self._page.set_note(_knows(names))
        self._offer_classes()

    def label(self, keys: Sequence[str], class_name: str) -> Job[None]:
        """Say that photos show `class_name`; each is marked once its label is safe."""

        async def work(report: Report) -> None:
            given: list[_Given[L]] = []
            self._given.append(given)
            for done, key in enumerate(keys):
                report(done, len(keys), f"{done:,} of {len(keys):,} labelled")
                await self._label_one(key, class_name, given)
            self._offer_classes()

        return self._jobs.start(f"Label {formats.plural(len(keys), 'photo')}", work)

    def undo(self, keys: Sequence[str]) -> Job[None] | None:
        """Take back the labels of `keys`, or the last ones given; None where there are none."""
        undone: list[_Given[L]] = []
        wanted = set(keys)
        for given in reversed(self._given):
            taken = [one for one in given if not wanted or one.key in wanted]
            if taken:
                given[:] = [one for one in given if one not in taken]
                wanted -= {one.key for one in taken}
                undone += taken
                if not wanted:
                    break
        self._given = [given for given in self._given if given]
        if not undone:
            return None

        async def work(report: Report) -> None:
            for one in undone:
                await self._unlabel(one.receipt)
                photo = self._page.model.photo(one.key)
                if photo is not None:
                    still = any(each.key == one.key for given in self._given for each in given)
                    self._show(replace(photo, label=one.before, label_can_be_undone=still))

        return self._jobs.start("Undo a label", work)

    async def _label_one(self, key: str, class_name: str, given: list[_Given[L]]) -> None:
        photo = self._page.model.photo(key)
        if photo is None:
            return
        try:
            image = await asyncio.to_thread(read_image, photo.path)
            receipt = await self._label(image, class_name)
        except ServeryError as error:
            self._notifications.error(error)
            return
        given.append(_Given(key, photo.label, receipt))
        current = self._page.model.photo(key)
        if current is not None:
            self._show(replace(current, label=class_name, label_can_be_undone=True))

    def _add(self, paths: Sequence[Path]) -> None:
        model = self._page.model
        new: list[Photo] = []
        for path in paths:
            known = model.photo(str(path))
            if known is None:
                new.append(Photo(path, path.name, time.time() - len(new) * 1e-6))
            else:
                self._page.thumbnails.forget(path)
                self._show(replace(known, failure=None, waiting=True))
        model.add(new)
        for photo in new:
            self._note(photo)
        if paths:
            self._page.select(str(paths[0]))

    async def _classify(self, keys: Sequence[str], report: Report) -> None:
        try:
            await classify_images(
                [Path(key) for key in keys], self._predict, self._on_result, report
            )
        except asyncio.CancelledError:
            if not self._jobs.closing:
                self._fail(keys, _CANCELLED)
            raise
        except BaseException:
            self._fail(keys, _BROKEN_OFF)
            raise

    def _on_result(self, path: Path, answer: Prediction | ServeryError) -> None:
        photo = self._page.model.photo(str(path))
        if photo is None:
            return
        if isinstance(answer, Prediction):
            self._show(replace(photo, prediction=answer, failure=None, waiting=False))
        else:
            transient = isinstance(answer, FleetUnavailable)
            failure = PhotoFailure(answer.what, answer.advice, transient)
            self._show(replace(photo, failure=failure, waiting=False))

    def _fail(self, keys: Sequence[str], failure: PhotoFailure) -> None:
        for key in keys:
            photo = self._page.model.photo(key)
            if photo is not None and photo.waiting:
                self._show(
                    replace(photo, waiting=False, failure=None if photo.prediction else failure)
                )

    def _show(self, photo: Photo) -> None:
        self._page.model.update(photo)
        self._note(photo)

    def _note(self, photo: Photo) -> None:
        self._unwritten[photo.key] = photo
        if not self._jobs.closing and not self._remember_soon.isActive():
            self._remember_soon.start()

    def _start_remembering(self) -> None:
        self._jobs.start("Remember answers", lambda report: self._remember())

    async def _remember(self) -> None:
        unwritten, self._unwritten = self._unwritten, {}
        if unwritten:
            await self._history.remember(list(unwritten.values()))

    def _remove(self, keys: list[str]) -> None:
        gone = self._page.model.remove(keys)
        for photo in gone:
            self._unwritten.pop(photo.key, None)
        self._jobs.start("Forget photos", lambda report: self._history.forget(gone))

    def _export(self, keys: list[str], target: Path) -> None:
        model = self._page.model
        photos = [photo for key in keys if (photo := model.photo(key)) is not None]

        async def work(report: Report) -> None:
            await asyncio.to_thread(export_photos, photos, target, model.unsure_below)
            self._notifications.info(
                f"{formats.plural(len(photos), 'answer')} written to {target.name}."
            )

        self._jobs.start(f"Export to {target.name}", work)

    def _paste(self, image: QImage) -> None:
        async def work(report: Report) -> None:
            path = await asyncio.to_thread(_keep_pasted, image, self._pasted_folder)
            await self.classify([path]).result()

        self._jobs.start("Paste a picture", work)

    def _offer_classes(self) -> None:
        labels = {photo.label for photo in self._page.model.photos if photo.label}
        self._page.set_classes([*self._model_classes, *sorted(labels)])


def _knows(classes: Sequence[str]) -> str:
    """Return what a model can tell apart, as a sentence."""
    shown = ", ".join(classes[:_MAX_CLASSES_NAMED])
    more = len(classes) - _MAX_CLASSES_NAMED
    rest = f" and {formats.count(more)} more" if more > 0 else ""
    return f"The model knows {formats.plural(len(classes), 'class', 'classes')}: {shown}{rest}."


def _keep_pasted(image: QImage, folder: Path) -> Path:
    content = hashlib.sha256(bytes(image.constBits())).hexdigest()[:12]
    path = folder / f"pasted-{content}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        saved = path.exists() or image.save(str(path))
    except OSError:
        saved = False
    if not saved:
        raise ImageError(
            "The pasted picture could not be kept.", "Check that the disk has room, then try again."
        )
    return path
