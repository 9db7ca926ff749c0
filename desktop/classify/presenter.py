"""Connects the Classify page to the fleet, the history and the store of labels."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Generic

from PySide6.QtGui import QImage

from desktop import formats
from desktop.classify.classify_images import Predict, classify_images
from desktop.classify.detail_pane import no_classes_sentence
from desktop.classify.export import export_photos
from desktop.classify.find_photos import find_photos
from desktop.classify.gallery import Gallery
from desktop.classify.history import MAX_PHOTOS, PAGE, History
from desktop.classify.history_writer import HistoryWriter
from desktop.classify.labels import Labels, R
from desktop.classify.page import ClassifyPage
from desktop.classify.pasted_image import save_pasted_image
from desktop.classify.photo import NONE_OF_THESE, Photo, PhotoFailure
from desktop.jobs import Job, Jobs
from desktop.known_classes import KnownClasses
from desktop.notifications import Notifications
from desktop.widgets.timers import single_shot_timer
from serving.errors import ImageError, ServeryError
from serving.models.card import ModelCard
from serving.predict.prediction import Prediction
from serving.progress import Report

_UPDATE_MILLISECONDS = 150
"""An outdated photo is classified again once it is shown this long, so that not each one is
while a person runs through the gallery."""
_MAX_CLASSES_NAMED = 12
_MAX_ERRORS_SHOWN = 3
"""At once; of more, one notice has all."""
_CANCELLED = PhotoFailure(
    "Classifying was cancelled.", "Choose Classify again to try it once more."
)
_STOPPED = PhotoFailure(
    "Classifying stopped because of an error.",
    "The notice says what went wrong; then choose Classify again.",
)


class ClassifyPresenter(Generic[R]):
    """What the Classify page does when a person acts, and when the fleet changes."""

    def __init__(
        self,
        page: ClassifyPage,
        gallery: Gallery,
        predict: Predict,
        history: History,
        jobs: Jobs,
        notifications: Notifications,
        *,
        label: Callable[[bytes, str | None, str, str], Awaitable[R]],
        unlabel: Callable[[R], Awaitable[None]],
        pasted_folder: Path,
        on_answer: Callable[[Path, Prediction], None] = lambda path, prediction: None,
    ) -> None:
        """`label` is what Labels stores with; `pasted_folder` is where pictures
        from the clipboard are kept; `on_answer` gets every answer, with its embedding if
        there is one."""
        self._page = page
        self._gallery = gallery
        self._predict = predict
        self._history = history
        self._jobs = jobs
        self._notifications = notifications
        self._labels = Labels(gallery, label, unlabel)
        self._writer = HistoryWriter(gallery, history, jobs)
        self._pasted_folder = pasted_folder
        self._on_answer = on_answer
        self._newest_request: dict[Path, int] = {}
        """For each photo that waits, the number of the last request for its answer."""
        self._request_numbers = itertools.count(1)
        self._ready = 0
        self._loaded = asyncio.Event()
        self._loaded.set()
        history.on_forgotten = self._say_forgotten
        self._cards: dict[str, ModelCard] = {}
        """Of the models that are served."""
        self._known: dict[str, KnownClasses] = {}
        """What a label may name, by the model that is to learn it."""
        self._update_soon = single_shot_timer(_UPDATE_MILLISECONDS, self._update_shown, page)
        self.undo_earlier: Callable[[], object] = lambda: None
        """Takes back the last label of a window before this one."""
        self._connect(page)

    def _connect(self, page: ClassifyPage) -> None:
        def with_selected(act: Callable[[Sequence[str]], object]) -> Callable[[], None]:
            def act_on_selected() -> None:
                if keys := page.selected_keys():
                    act(keys)

            return act_on_selected

        page.intake.classify_requested.connect(self.classify)
        page.intake.image_pasted.connect(self.paste)
        page.intake.refused.connect(self._notifications.error)
        page.grid.selection_changed.connect(self._update_soon.start)
        page.grid.selection_changed.connect(self._offer_classes)
        page.shown_photo_changed.connect(self._offer_classes)
        page.grid.label_by_rank_requested.connect(self._label_by_rank)
        page.grid.none_requested.connect(lambda: self._label_selected(NONE_OF_THESE))
        page.pane.label_box.none.clicked.connect(lambda: self._label_selected(NONE_OF_THESE))
        page.pane.label_box.confirmed.connect(self._label_selected)
        page.pane.label_box.chooser.label_requested.connect(self._label_selected)
        page.pane.label_box.undo.clicked.connect(with_selected(self.undo))
        page.undo_action.triggered.connect(lambda: self.undo())
        page.header.reclassify.clicked.connect(lambda: self.reclassify(self._gallery.outdated()))
        for reclassify in (
            page.reclassify_action.triggered,
            page.pane.reclassify.clicked,
            page.pane.failure.reclassify.clicked,
        ):
            reclassify.connect(with_selected(self.reclassify))
        page.grid.remove_requested.connect(with_selected(self._gallery.remove))
        page.remove_action.triggered.connect(with_selected(self._gallery.remove))
        page.remove_all_action.triggered.connect(
            lambda: self._gallery.remove([photo.key for photo in self._gallery.photos])
        )
        page.export_requested.connect(self.export)

    @property
    def is_classifying(self) -> bool:
        """Whether photos wait for their answers."""
        return bool(self._newest_request)

    async def load(self) -> None:
        """Show the newest photos of earlier days; older ones follow, while the window goes on.

        Those that never got an answer get one now.
        """
        self._loaded.clear()
        last: Photo | None = None
        try:
            last = await self._load_page(None)
        finally:
            if last is None:
                self._loaded.set()
        if last is not None:
            self._jobs.start("Read the history", lambda _: self._load_rest(last), background=True)

    async def _load_rest(self, last: Photo | None) -> None:
        try:
            while last is not None:
                last = await self._load_page(last)
        finally:
            self._loaded.set()

    async def _load_page(self, after: Photo | None) -> Photo | None:
        """Show the photos of the history `after` one; returns the last if there may be more."""
        try:
            photos = await self._history.page(after)
        except ServeryError as error:
            self._notifications.error(error)
            return None
        restored = self._gallery.restore(photos)
        if any(photo.labels for photo in restored):
            self._forget_known()
        if waiting := [photo.key for photo in restored if photo.waiting]:
            self.reclassify(waiting)
        return photos[-1] if len(photos) == PAGE else None

    def _say_forgotten(self, count: int) -> None:
        self._notifications.info(
            f"The gallery keeps the newest {formats.count(MAX_PHOTOS)} photos, so it left out"
            f" {formats.plural(count, 'older one')}. Files and labels stay.",
            stays=True,
        )

    async def close(self) -> None:
        """Write what is not on disk yet. To be called after the jobs have ended: photos that
        were on their way then are classified the next time."""
        try:
            await self._writer.write()
        except ServeryError as error:
            self._notifications.error(error)
        self._page.thumbnails.close()

    def classify(self, dropped: Sequence[Path]) -> Job[None]:
        """Classify files and folders, however deep; the first one is shown."""

        async def work(report: Report) -> None:
            found = await find_photos(dropped, report)
            await self._loaded.wait()  # a photo that is known keeps its label
            if found.skipped:
                count = formats.plural(found.skipped, "file")
                why = "it is not an image" if found.skipped == 1 else "they are not images"
                self._notifications.info(f"Skipped {count}: {why}.")
            elif not found.photos and not found.unreadable:
                self._notifications.info("There are no photos in there.")
            self._report_unreadable(found.unreadable)
            request = self._queue(found.photos)
            if found.photos:
                self._page.select(str(found.photos[0]))
            await self._classify(found.photos, request, report)

        title = f"Classify {dropped[0].name}" if len(dropped) == 1 else "Classify photos"
        return self._jobs.start(title, work)

    def _report_unreadable(self, errors: Sequence[ImageError]) -> None:
        if len(errors) <= _MAX_ERRORS_SHOWN:
            for error in errors:
                self._notifications.error(error)
            return
        what = f"{formats.plural(len(errors), 'folder')} cannot be read. {errors[0].what}"
        details = "\n".join(map(str, errors))
        self._notifications.error(ImageError(what, "The details name all of them."), details)

    def reclassify(self, keys: Sequence[str]) -> Job[None]:
        """Ask the live version about photos in the gallery; old answers stay until then."""
        paths = [photo.path for key in keys if (photo := self._gallery.photo(key)) is not None]
        # Now and not in the job, so that the next call already sees them as waiting.
        request = self._queue(paths)
        title = f"Classify {formats.plural(len(paths), 'photo')} again"
        return self._jobs.start(title, lambda report: self._classify(paths, request, report))

    def fleet_changed(
        self, ready: int, model: str, version: int | None, canary: int | None = None
    ) -> None:
        """React to the fleet: it can answer again, or another model or version answers.

        `canary` answers a share of the photos, if it is given.

        Photos that failed only because no instance was ready are tried again, and
        the photo that is shown gets the answer of who answers now.
        """
        newly_ready, self._ready = ready > 0 and self._ready == 0, ready
        before = self._gallery.answering, self._gallery.canary
        if ready and version is not None and ((model, version), canary) != before:
            self._gallery.set_answering(model, version, canary)
            self._show_note()
            self._offer_classes()
            self._update_shown()
        if newly_ready and (failed := self._gallery.transient_failures()):
            self.reclassify(failed)

    def set_card(self, model: str, card: ModelCard) -> None:
        """Offer the classes of a served model, beside those that a person made up for it."""
        self._cards[model] = card
        self._show_note()
        self._forget_known()

    def card(self, model: str) -> ModelCard | None:
        """Return the model card of a served model; None if it is not known."""
        return self._cards.get(model)

    def label(self, keys: Sequence[str], class_name: str) -> Job[None]:
        """Say that photos show `class_name`; each is marked once its label is safe."""

        async def work(report: Report) -> None:
            await self._labels.label(keys, class_name, self._notifications.error, report)
            self._forget_known()

        return self._jobs.start(f"Label {formats.plural(len(keys), 'photo')}", work)

    def undo(self, keys: Sequence[str] = ()) -> Job[None] | None:
        """Take back the last labels of `keys`, or the last step; None if there is none in this
        window, which leaves it to `undo_earlier`."""
        # Before the job starts: a second Ctrl+Z undoes the step before this one.
        taken = self._labels.take_last(keys)
        if not taken:
            if not keys:
                self.undo_earlier()
            return None
        return self._jobs.start("Undo a label", lambda report: self._labels.undo(taken))

    def export(self, target: Path) -> Job[None]:
        """Write the photos that the search and the state let through to a file."""
        # As they are now; answers that arrive while the file is written are not in it.
        keys = self._page.shown_keys()
        photos = [photo for key in keys if (photo := self._gallery.photo(key)) is not None]

        async def work(report: Report) -> None:
            await asyncio.to_thread(export_photos, photos, target, self._gallery.unsure_below)
            count = formats.plural(len(photos), "answer")
            self._notifications.info(f"{count} written to {target.name}.")

        return self._jobs.start(f"Export to {target.name}", work)

    def paste(self, image: QImage) -> Job[None]:
        """Keep a picture from the clipboard as a file, and classify it."""

        labelled = [photo.path for photo in self._gallery.photos if photo.labels]

        async def work(report: Report) -> None:
            path = await asyncio.to_thread(save_pasted_image, image, self._pasted_folder, labelled)
            await self.classify([path]).result()

        return self._jobs.start("Paste a picture", work)

    def _label_selected(self, class_name: str) -> None:
        if keys := self._page.selected_keys():
            self.label(keys, class_name)

    def _label_by_rank(self, rank: int) -> None:
        photo = self._page.shown_photo()
        if photo is not None and photo.prediction and len(photo.prediction.scores) >= rank:
            self.label([photo.key], photo.prediction.scores[rank - 1].name)

    def _update_shown(self) -> None:
        """Ask the live version about the photo that is shown, if another one answered it."""
        shown = self._page.shown_photo()
        if self._ready and shown is not None and self._gallery.is_outdated(shown):
            self.reclassify([shown.key])

    def _queue(self, paths: Sequence[Path]) -> int:
        """Have `paths` wait for their answers; returns the number of this request."""
        request = next(self._request_numbers)
        self._newest_request |= dict.fromkeys(paths, request)
        self._page.thumbnails.forget(paths)
        self._gallery.queue(paths, time.time())
        return request

    async def _classify(self, paths: Sequence[Path], request: int, report: Report) -> None:
        """Show the answers to `request`, except for photos that were requested again since."""

        def is_newest(path: Path) -> bool:
            return self._newest_request.get(path) == request

        def set_result(path: Path, result: Prediction | ServeryError) -> None:
            if isinstance(result, Prediction):
                self._on_answer(path, result)
                # The gallery may have 100,000 photos; an embedding takes 5 kB.
                result = replace(result, embedding=None)
            if is_newest(path):
                self._gallery.set_result(path, result)

        def stop_waiting(failure: PhotoFailure) -> None:
            self._gallery.stop_waiting(filter(is_newest, paths), failure)

        try:
            await classify_images(paths, self._predict, set_result, report)
        except asyncio.CancelledError:
            # Those that wait when the application ends are classified at the next start.
            if not self._jobs.closing:
                stop_waiting(_CANCELLED)
            raise
        except BaseException:
            stop_waiting(_STOPPED)
            raise
        finally:
            for path in filter(is_newest, paths):
                del self._newest_request[path]

    def _forget_known(self) -> None:
        self._known.clear()
        self._offer_classes()

    def _offer_classes(self) -> None:
        """Offer what the selected photos may be labelled with: the classes of their model."""
        selected = self._page.first_selected_photo()
        model = selected.model if selected is not None else ""
        if model not in self._cards and self._gallery.answering is not None:
            model = self._gallery.answering[0]
        known = self._known.get(model)
        if known is None:
            labels = {
                label
                for photo in self._gallery.photos
                for name, label in photo.labels.items()
                if name in ("", model) and label != NONE_OF_THESE
            }
            known = KnownClasses(self._cards.get(model), sorted(labels))
            self._known[model] = known
        self._page.set_classes(known)

    def _show_note(self) -> None:
        model = self._gallery.answering[0] if self._gallery.answering is not None else ""
        card = self._cards.get(model)
        if card is not None:
            self._page.set_note(
                _known_classes(card.classes) if card.classes else no_classes_sentence(model)
            )


def _known_classes(classes: Sequence[str]) -> str:
    """Return what a model can tell apart, as a sentence."""
    shown = ", ".join(classes[:_MAX_CLASSES_NAMED])
    more = len(classes) - _MAX_CLASSES_NAMED
    others = f" and {formats.count(more)} more" if more > 0 else ""
    return f"The model knows {formats.plural(len(classes), 'class', 'classes')}: {shown}{others}."
