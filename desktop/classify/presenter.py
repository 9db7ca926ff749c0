"""Connects the Classify page to the fleet, the history and the store of labels."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Generic

from PySide6.QtGui import QImage

from desktop import formats
from desktop.classify.answer_files import AnswerFiles
from desktop.classify.classify_images import Predict
from desktop.classify.detail_pane import no_classes_sentence
from desktop.classify.gallery import Gallery
from desktop.classify.history import MAX_PHOTOS, PAGE, History
from desktop.classify.history_writer import HistoryWriter
from desktop.classify.intake_store import IntakeStore
from desktop.classify.labels import Labels, R
from desktop.classify.move_records import MoveRecords
from desktop.classify.page import ClassifyPage
from desktop.classify.pasted_image import save_pasted_image
from desktop.classify.photo import NONE_OF_THESE, Photo
from desktop.classify.photo_queue import PhotoQueue
from desktop.classify.taken_dates import TakenDates
from desktop.classify.watched_folders import WatchedFolders
from desktop.jobs import Job, Jobs
from desktop.known_classes import KnownClasses
from desktop.notifications import Notifications
from desktop.pause import Pause
from desktop.translation import tr, tr_plural
from desktop.widgets.timers import single_shot_timer
from serving.errors import ServeryError
from serving.models.card import ModelCard
from serving.predict.prediction import Prediction
from serving.progress import Report

_UPDATE_MILLISECONDS = 150
"""An outdated photo is classified again once it is shown this long, so that not each one is
while a person runs through the gallery."""
_REMOVED_AT_ONCE = 1000
"""Photos that leave the gallery between two turns of the event loop."""
_MAX_CLASSES_NAMED = 12


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
        moves_folder: Path,
        on_answer: Callable[[Path, Prediction], None] = lambda path, prediction: None,
    ) -> None:
        """`label` is what Labels stores with; `pasted_folder` is where pictures
        from the clipboard are kept, and `moves_folder` which photos were moved into folders;
        `on_answer` gets every answer, with its embedding if there is one."""
        self._page = page
        self._gallery = gallery
        self._history = history
        self._jobs = jobs
        self._notifications = notifications
        self._labels = Labels(gallery, label, unlabel)
        self._writer = HistoryWriter(gallery, history, jobs)
        store = IntakeStore(history.database)
        self._queue = PhotoQueue(
            page,
            gallery,
            predict,
            jobs,
            notifications,
            writer=self._writer,
            store=store,
            on_answer=on_answer,
        )
        self.watched = WatchedFolders(
            store, gallery, jobs, notifications, take=self._queue.take_arrivals
        )
        self.classify = self._queue.classify
        self.reclassify = self._queue.reclassify
        self._files = AnswerFiles(page, gallery, jobs, notifications, MoveRecords(moves_folder))
        self._dates = TakenDates(page.taken, jobs, page.show_dates)
        self._pasted_folder = pasted_folder
        self._ready = 0
        history.on_forgotten = self._notify_forgotten
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
        page.intake.watch_requested.connect(self.watched.add)
        page.watch_strip.end_requested.connect(self.watched.remove)
        self.watched.subscribe(lambda: page.watch_strip.show_folders(self.watched.folders))
        page.drop_strip.label_requested.connect(self._label_drop)
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
        page.reclassify_shown_action.triggered.connect(lambda: self.reclassify(page.shown_keys()))
        page.retry_action.triggered.connect(self._retry)
        page.pause_action.triggered.connect(self.pause.toggle)
        self.pause.subscribe(lambda: page.show_paused(self.pause.paused))
        page.grid.remove_requested.connect(with_selected(self.remove))
        page.remove_action.triggered.connect(with_selected(self.remove))
        page.remove_all_action.triggered.connect(
            lambda: self.remove([photo.key for photo in self._gallery.photos])
        )
        page.dates_needed.connect(self._dates.read)

    @property
    def pause(self) -> Pause:
        """Holds up the photos on their way to an answer."""
        return self._queue.pause

    @property
    def is_classifying(self) -> bool:
        """Whether photos wait for their answers."""
        return self._queue.is_classifying

    async def load(self) -> None:
        """Show the newest photos of earlier days; older ones follow, while the window goes on.

        Those that never got an answer get one once all are there.
        """
        self._queue.loaded.clear()
        requests = await self._queue.unfinished()
        waiting: list[Path] = []
        last = await self._load_page(None, waiting)

        async def load_rest() -> None:
            after = last
            try:
                while after is not None:
                    after = await self._load_page(after, waiting)
            finally:
                self._queue.loaded.set()
            moved = await self._files.load()
            self._queue.go_on(waiting, requests, moved)
            await self.watched.load()

        if last is None:
            await load_rest()
        else:
            self._jobs.start(tr("Read the history"), lambda _: load_rest(), background=True)

    async def wait_until_loaded(self) -> None:
        """Wait until the whole history is in the gallery, or could not be read."""
        await self._queue.loaded.wait()

    async def _load_page(self, after: Photo | None, waiting: list[Path]) -> Photo | None:
        """Show the photos of the history `after` one, and add to `waiting` those without their
        answer; returns the last if there may be more."""
        try:
            photos = await self._history.page(after)
        except ServeryError as error:
            self._notifications.error(error)
            return None
        restored = self._gallery.restore(photos)
        if any(photo.labels for photo in restored):
            self._forget_known()
        waiting += [photo.path for photo in restored if photo.waiting]
        return photos[-1] if len(photos) == PAGE else None

    def _notify_forgotten(self, count: int) -> None:
        self._notifications.info(
            tr_plural(
                "The gallery keeps the newest {limit} photos, so it left out {count} older one."
                " Files and labels stay.",
                "The gallery keeps the newest {limit} photos, so it left out {count} older ones."
                " Files and labels stay.",
                count,
            ).format(limit=formats.count(MAX_PHOTOS), count=formats.count(count)),
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

    def _retry(self) -> None:
        """Try photos again that have no answer, whatever the reason."""
        if failed := [photo.key for photo in self._gallery.photos if photo.failure is not None]:
            self.reclassify(failed)
        else:
            self._notifications.info(tr("No photo failed."))

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

        return self._jobs.start(
            tr("Label {photos}", photos=formats.plural(len(keys), "photo")), work
        )

    def _label_drop(self, keys: Sequence[str], class_name: str) -> None:
        async def work(report: Report) -> None:
            await self.label(keys, class_name).result()
            photos = map(self._gallery.photo, keys)
            count = sum(photo is not None and photo.given_label == class_name for photo in photos)
            what = tr_plural(
                "{count} photo is labelled {class_name}.",
                "{count} photos are labelled {class_name}.",
                count,
            ).format(count=formats.count(count), class_name=class_name)
            self._notifications.info(what, tr("Undo"), lambda: self.undo(keys))

        self._jobs.start(
            tr("Label a drop as {class_name}", class_name=class_name), work, background=True
        )

    def remove(self, keys: Sequence[str]) -> Job[None] | None:
        """Take photos out of the gallery: at once, or in a job if they are very many."""
        if len(keys) <= _REMOVED_AT_ONCE:
            self._gallery.remove(keys)
            return None
        rows = {key: row for key in keys if (row := self._gallery.row(key)) is not None}
        # The oldest first, behind which there are none that get another row each time.
        left = sorted(rows, key=rows.__getitem__, reverse=True)

        async def work(report: Report) -> None:
            for start in range(0, len(left), _REMOVED_AT_ONCE):
                self._gallery.remove(left[start : start + _REMOVED_AT_ONCE])
                report(start, len(left), "")
                await asyncio.sleep(0)

        photos = formats.plural(len(left), "photo")
        return self._jobs.start(tr("Remove {photos} from the gallery", photos=photos), work)

    def undo(self, keys: Sequence[str] = ()) -> Job[None] | None:
        """Take back the last labels of `keys`, or the last step; None if there is none in this
        window, which leaves it to `undo_earlier`."""
        # Before the job starts: a second Ctrl+Z undoes the step before this one.
        taken = self._labels.take_last(keys)
        if not taken:
            if not keys:
                self.undo_earlier()
            return None
        return self._jobs.start(tr("Undo a label"), lambda report: self._labels.undo(taken))

    def paste(self, image: QImage) -> Job[None]:
        """Keep a picture from the clipboard as a file, and classify it."""

        labelled = [photo.path for photo in self._gallery.photos if photo.labels]

        async def work(report: Report) -> None:
            path = await asyncio.to_thread(save_pasted_image, image, self._pasted_folder, labelled)
            await self.classify([path]).result()

        return self._jobs.start(tr("Paste a picture"), work)

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
    number = formats.plural(len(classes), "class", "classes")
    if more <= 0:
        return tr("The model knows {classes}: {names}.", classes=number, names=shown)
    return tr(
        "The model knows {classes}: {names} and {more} more.",
        classes=number,
        names=shown,
        more=formats.count(more),
    )
