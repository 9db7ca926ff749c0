"""Answers written to files for other programs, with what came of it in a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject

from desktop import formats
from desktop.classify.export import export_photos
from desktop.classify.gallery import Gallery
from desktop.classify.move_records import Move, MoveRecord, MoveRecords
from desktop.classify.page import ClassifyPage
from desktop.classify.photo import Photo
from desktop.classify.sort_files import (
    SortedFiles,
    move_back,
    sort_files,
    sorted_sentence,
    unanswered_sentence,
)
from desktop.classify.write_answers import answers_of, write_answers
from desktop.jobs import Job, Jobs
from desktop.notifications import Notifications
from desktop.service_sentences import translated
from desktop.translation import tr
from serving.errors import ServeryError
from serving.photo_metadata.write import MetadataPlace
from serving.progress import Report


class AnswerFiles(QObject):
    """Does what the menu of the Classify page offers with answers: of the selected photos if there
    are several, otherwise of all that the search and the filter let through."""

    def __init__(
        self,
        page: ClassifyPage,
        gallery: Gallery,
        jobs: Jobs,
        notifications: Notifications,
        moves: MoveRecords,
    ) -> None:
        """`moves` has what was moved, and can be moved back."""
        super().__init__(page)  # which keeps it: signals do not
        self._page = page
        self._gallery = gallery
        self._jobs = jobs
        self._notifications = notifications
        self._moves = moves
        page.export_requested.connect(self.export)
        page.save_requested.connect(self.save_answers)
        page.sort_requested.connect(self.sort)
        page.move_back_requested.connect(self._move_last_back)

    async def load(self) -> frozenset[Path]:
        """Offer to undo the last move, and follow what it moved, if the window was killed
        meanwhile; return from where photos are gone by it.

        To be called once the whole history is in the gallery.
        """
        last = await self._offer_undo()
        moved = {move.photo: move.file for move in last[1]} if last else {}
        self._follow_files(moved)
        return await asyncio.to_thread(
            lambda: frozenset(photo for photo in moved if not photo.exists())
        )

    async def _offer_undo(self) -> tuple[MoveRecord, list[Move]] | None:
        last = await asyncio.to_thread(self._moves.last)
        self._page.files_menu.offer_undo(len(last[1]) if last is not None else 0)
        return last

    def export(self, target: Path) -> Job[None]:
        """Write the answers to a file, as CSV or JSON."""
        photos = self._photos()

        async def work(report: Report) -> None:
            await asyncio.to_thread(export_photos, photos, target, self._gallery.unsure_below)
            answers = formats.plural(len(photos), "answer")
            self._notifications.info(
                tr("{answers} written to {name}.", answers=answers, name=target.name)
            )

        return self._jobs.start(tr("Export to {name}", name=target.name), work)

    def save_answers(self, folder: Path | None) -> Job[None]:
        """Write the answers into copies of the photos in `folder`, or, without one, into files
        beside the photos; what a person said goes before an answer."""
        photos = self._photos_by_path()
        answers = answers_of(photos, self._gallery.unsure_below)

        async def work(report: Report) -> None:
            place = MetadataPlace.SIDECAR if folder is None else MetadataPlace.COPY
            paths = [photo.path for photo in photos]
            written = await write_answers(answers, place, folder, report, photos=paths)
            saved = formats.plural(len(written.files), "answer")
            sentences = [
                tr("{answers} saved in {name}.", answers=saved, name=folder.name)
                if folder is not None
                else tr("{answers} saved beside the photos.", answers=saved)
            ]
            if unanswered := len(photos) - len(answers):
                sentences.append(unanswered_sentence(unanswered))
            self._notifications.info(" ".join(sentences))
            failed = formats.plural(len(written.failed), "answer")
            self._report_failures(written.failed, tr("{answers} not saved.", answers=failed))

        return self._jobs.start(
            tr("Save {answers}", answers=formats.plural(len(answers), "answer")), work
        )

    def sort(self, target: Path, move: bool) -> Job[None]:
        """Put copies of the photos, or with `move` the photos, into a folder for each class."""
        photos = self._photos_by_path()
        answers = answers_of(photos, self._gallery.unsure_below)
        classes = {path: answer.class_name for path, answer in answers.items()}

        async def work(report: Report) -> None:
            done = SortedFiles()
            record = await asyncio.to_thread(self._moves.begin) if move else None
            if move:
                self._page.files_menu.offer_undo(0)
            try:
                await sort_files(classes, target, report, done, moves=record)
            finally:  # if it is cancelled, too, or what was moved could not be moved back
                sentence = sorted_sentence(done, target, len(photos) - len(classes), move=move)
                if record is not None and done.copied:
                    self._follow_files(done.copied)
                    await self._offer_undo()
                    undo = partial(self._move_back, record, len(done.copied))
                    self._notifications.info(sentence, tr("Undo"), undo)
                elif done.copied or done.present:
                    self._notifications.info(sentence)
                failed = formats.plural(len(done.failed), "photo")
                self._report_failures(
                    done.failed,
                    tr("{photos} not moved.", photos=failed)
                    if move
                    else tr("{photos} not copied.", photos=failed),
                )
            if not classes:
                self._notifications.info(tr("None of the photos has a label or a sure answer."))

        count = formats.plural(len(classes), "photo")
        title = (
            tr("Move {photos} into folders", photos=count)
            if move
            else tr("Copy {photos} into folders", photos=count)
        )
        return self._jobs.start(title, work)

    def _move_last_back(self) -> None:
        async def work(_: Report) -> None:
            if (last := await asyncio.to_thread(self._moves.last)) is not None:
                record, moves = last
                self._move_back(record, len(moves))

        self._jobs.start(tr("Look for the last move"), work, background=True)

    def _move_back(self, record: MoveRecord, number: int) -> Job[None]:
        """Undo a move of so many photos."""
        self._page.files_menu.offer_undo(0)

        async def work(report: Report) -> None:
            done = SortedFiles()
            moved = {move.photo: move.file for move in await asyncio.to_thread(record.moves)}
            try:
                await move_back(record, report, done)
            finally:
                self._page.thumbnails.forget(list(done.copied.values()))
                self._follow_files({moved[photo]: place for photo, place in done.copied.items()})
                await self._offer_undo()
            self._notifications.info(
                tr("{photos} moved back.", photos=formats.plural(len(done.copied), "photo"))
            )
            failed = formats.plural(len(done.failed), "photo")
            self._report_failures(done.failed, tr("{photos} not moved back.", photos=failed))

        return self._jobs.start(
            tr("Move {photos} back", photos=formats.plural(number, "photo")), work
        )

    def _follow_files(self, moved: Mapping[Path, Path]) -> None:
        """Show photos of the gallery under the paths that their files have now."""
        found = [photo for path in moved if (photo := self._gallery.photo(str(path))) is not None]
        self._gallery.remove([photo.key for photo in found])
        # A label could be taken back only under the path that it was given at.
        self._gallery.add(
            [
                replace(photo, path=path, name=path.name, undoable=frozenset())
                for photo in found
                if self._gallery.photo(str(path := moved[photo.path])) is None
            ]
        )

    def _report_failures(self, failed: Mapping[Path, ServeryError], sentence: str) -> None:
        """Report photos that something was not done with; `sentence` says what and how many."""
        if not failed:
            return
        path, error = next(iter(failed.items()))
        what = f"{sentence} {path.name}: {translated(error.what)}"
        details = "\n".join(f"{path}: {error}" for path, error in failed.items())
        self._notifications.error(ServeryError(what, error.advice), details)

    def _photos(self) -> list[Photo]:
        """Return the photos as they are now: what changes while a file is written is not in it."""
        keys = self._page.acted_keys()
        return [photo for key in keys if (photo := self._gallery.photo(key)) is not None]

    def _photos_by_path(self) -> list[Photo]:
        """Return them so that the names of files made of them do not depend on the order on
        screen, which changes with the answers."""
        return sorted(self._photos(), key=lambda photo: photo.key)
