"""Shows on request what the answer of the photo in the pane depends on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from desktop.classify.explain.heat import HeatOverlay
from desktop.classify.explain.wording import occlusion_sentence
from desktop.classify.page import ClassifyPage
from desktop.jobs import Job, Jobs
from desktop.service_sentences import translated
from desktop.translation import tr
from serving.errors import ServeryError
from serving.normalize_image import read_normalized_image
from serving.predict.occlusion import Occlusion, occlude
from serving.predict.prediction import Prediction
from serving.progress import Report

AnswerOf = Callable[[bytes, str, int], Awaitable[Prediction]]
"""Takes a normalized JPEG, a model and its version; raises ServeryError."""


class ExplainPresenter:
    """One photo and one class at a time; another photo, or the switch, ends it."""

    def __init__(self, page: ClassifyPage, answer: AnswerOf, jobs: Jobs) -> None:
        self._page = page
        self._answer = answer
        self._jobs = jobs
        self._job: Job[None] | None = None
        self._key = ""
        """The photo that is shown so; empty for none."""
        self._found: dict[tuple[str, int, str], Occlusion] = {}
        """Of that photo, by model, version and class."""
        page.explain_action.toggled.connect(self._on_toggled)
        page.pane.explained.class_chosen.connect(self._explain)
        page.grid.selection_changed.connect(self._on_photo)
        page.shown_photo_changed.connect(self._on_photo)

    def _on_toggled(self, on: bool) -> None:
        photo = self._page.shown_photo()
        if not on:
            self._stop()
        elif photo is None or photo.top is None:
            self._page.explain_action.setChecked(False)
        else:
            self._key = photo.key
            self._explain(self._page.pane.chart.marked_class or photo.top.name)

    def _on_photo(self) -> None:
        """End it if another photo is shown, or the same one gets another answer."""
        photo = self._page.shown_photo()
        if self._key and (photo is None or photo.key != self._key or photo.waiting):
            self._page.explain_action.setChecked(False)

    def _stop(self) -> None:
        self._cancel()
        self._key = ""
        self._found.clear()
        self._page.show_heat(None)

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _explain(self, class_name: str) -> None:
        self._cancel()
        photo = self._page.shown_photo()
        if photo is None or photo.prediction is None:
            return
        prediction, panel = photo.prediction, self._page.pane.explained
        panel.show_classes(prediction.scores, class_name)
        asked = prediction.model, prediction.version, class_name
        if asked in self._found:
            self._show(self._found[asked])
            return
        self._page.show_heat(None)
        panel.show_sentence(tr("Covering one part after the other…"))

        async def ask(covered: bytes) -> Prediction:
            # The version that gave the answer, whatever canary goes on.
            return await self._answer(covered, prediction.model, prediction.version)

        async def work(report: Report) -> None:
            try:
                jpeg = await asyncio.to_thread(read_normalized_image, photo.path)
                found = await occlude(jpeg, class_name, ask, report)
            except ServeryError as error:
                panel.show_sentence(translated(str(error)), failed=True)
                return
            self._found[asked] = found
            self._show(found)

        # Cancelled as soon as anything else is asked for, so what it shows is never late.
        self._job = self._jobs.start(
            tr("See what speaks for {class_name}", class_name=class_name), work
        )

    def _show(self, found: Occlusion) -> None:
        sentence = occlusion_sentence(found)
        self._page.pane.explained.show_sentence(sentence)
        self._page.show_heat(HeatOverlay(found), f"{found.class_name}: {sentence}")
