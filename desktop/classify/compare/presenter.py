"""Connects the comparison of versions to the gallery, the instances and the backend."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from desktop.classify.compare.answers import (
    PredictServed,
    PredictStored,
    VersionChoice,
    compare_answers,
    first_pair,
    with_answering,
)
from desktop.classify.compare.overlay import CompareOverlay
from desktop.classify.page import ClassifyPage
from desktop.classify.photo import Photo
from desktop.jobs import Job, Jobs
from desktop.service_sentences import translated
from desktop.translation import tr
from serving.errors import ServeryError
from serving.progress import Report


class ComparePresenter:
    """Compares on the selected photos, or on all that are shown if not several are selected."""

    def __init__(
        self,
        page: ClassifyPage,
        jobs: Jobs,
        *,
        choices: Callable[[], Awaitable[Sequence[VersionChoice]]],
        predict_served: PredictServed,
        predict_stored: PredictStored,
    ) -> None:
        """`choices` returns every version of every model, those of one model newest first."""
        self._page = page
        self._jobs = jobs
        self._choices = choices
        self._predict_served = predict_served
        self._predict_stored = predict_stored
        self._photos: Sequence[Photo] = ()
        self._job: Job[None] | None = None
        self._request = 0
        """Of the newest comparison: what an older one has to say is dropped."""
        self.view = CompareOverlay(page.thumbnails, page)
        page.covers.append(self.view)
        page.compare_action.triggered.connect(self._open)
        self.view.compare_requested.connect(self._compare)
        self.view.cancel_requested.connect(lambda: self._job and self._job.cancel())
        self.view.left.connect(self._leave)
        self.view.rows.photo_chosen.connect(self._show_photo)

    def _open(self) -> None:
        selected = self._page.grid.selected_photos
        self._photos = selected if len(selected) > 1 else self._page.grid.shown.photos
        if not self._photos:
            return
        view = self.view
        view.open(len(self._photos))
        view.show_note(tr("Looking for versions…"))

        async def work(_: Report) -> None:
            try:
                found = await self._choices()
            except ServeryError as error:
                view.show_note(translated(str(error)))
                return
            answering = self._page.gallery.answering
            found = with_answering(found, answering)
            view.show_choices(found, first_pair(found, answering))

        self._jobs.start(tr("Look for versions to compare"), work, background=True)

    def _compare(self, first: VersionChoice, second: VersionChoice) -> None:
        view, photos = self.view, self._photos
        self._request += 1
        request = self._request

        def end(sentence: str = "") -> None:
            if request == self._request:
                view.show_running(False)
                view.show_note(sentence)

        async def work(report: Report) -> None:
            try:
                compared = await compare_answers(
                    photos, (first, second), self._predict_served, self._predict_stored, report
                )
            except ServeryError as error:
                end(translated(str(error)))
                return
            except BaseException:
                end(tr("Comparing ended before all photos were answered."))
                raise
            end()
            view.show_comparison(compared, (first.words, second.words))

        view.show_running(True)
        view.show_note(tr("Both look at the photos. The line at the foot says how far they are."))
        self._job = self._jobs.start(
            tr("Compare {first} and {second}", first=first.words, second=second.words), work
        )

    def _leave(self) -> None:
        self._request += 1
        if self._job is not None:
            self._job.cancel()
        self._page.grid.setFocus()

    def _show_photo(self, path: Path) -> None:
        self.view.leave()
        self._page.select(str(path))
