"""Connects a VersionsView to the backend: what is shown, and what its buttons do."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from backend.client import BackendClient, BackendRefused
from backend.contract import EvaluationReport
from desktop.jobs import Job, Jobs
from desktop.notifications import Notifications
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.versions import wording
from desktop.versions.version_exports import VersionExports
from desktop.versions.version_images import VersionImages
from desktop.versions.version_trust import VersionTrust
from desktop.versions.view import VersionsView
from serving.errors import BackendError
from serving.progress import Report

_NOT_FOUND = 404
_MAX_REPORTS = 50
"""Reports that are kept; versions never change, so neither do these."""
_MAX_COMPARED = 1_000
"""Photos of the history that versions are compared on; the backend takes no more."""
_NO_REPORT = tr("This version has no report. Versions that are learned here have one.")


class VersionsPresenter:
    """Keeps a VersionsView up to date and carries out what it asks for.

    `refresh` requests the models again; what follows the backend shows them in the view, and
    calls `show_history`. `history` returns the files of the photos that were classified here,
    the newest first.
    """

    def __init__(
        self,
        view: VersionsView,
        backend: BackendClient,
        jobs: Jobs,
        notifications: Notifications,
        refresh: Callable[[], Awaitable[None]],
        *,
        history: Callable[[], Sequence[Path]] = tuple,
    ) -> None:
        self._view = view
        self._backend = backend
        self._jobs = jobs
        self._notifications = notifications
        self._refresh = refresh
        self._history = history
        self._history_job: Job[None] | None = None
        self._reports: dict[tuple[str, str], EvaluationReport | str] = {}
        """By model and the moment when the version was made: numbers are used again after a
        model was deleted."""
        view.model_changed.connect(self.show_history)
        view.version_selected.connect(self.show_report)
        view.cell_selected.connect(self.show_cell)
        view.promote_requested.connect(self.promote)
        view.canary_requested.connect(self.start_canary)
        view.end_canary_requested.connect(self.end_canary)
        view.pin_requested.connect(self.pin)
        view.verify_requested.connect(self.verify)
        view.delete_requested.connect(self.delete)
        view.compare.compare_requested.connect(self.compare)
        self._trust = VersionTrust(view, backend, jobs, notifications, refresh)
        self._exports = VersionExports(view, backend, jobs, notifications)
        self._images = VersionImages(view, backend, jobs, notifications)

    def show_history(self) -> None:
        """Show what was done to the versions by now, and where the live one is."""
        model = self._view.model
        if not model:
            return

        async def work(report: Report) -> None:
            with contextlib.suppress(BackendError):  # it is asked again when it is there
                audit = await self._backend.audit(model)
                rollout = await self._backend.rollout(model)
                # Another model may have been chosen while these were on their way.
                if self._view.model == model:
                    self._view.show_audit(audit)
                    self._view.show_rollout(rollout)

        if self._history_job is not None and self._history_job.running:
            self._history_job.cancel()
        self._history_job = self._jobs.start(tr("Read the history"), work, background=True)

    def show_report(self, number: int) -> None:
        """Show the report of a version."""
        model = self._view.model
        known = self._reports.get(self._report_key(model, number))
        if known is not None:
            self._view.show_report(number, known)
            return
        self._view.show_report(number, "")

        async def work(report: Report) -> None:
            found = await self._report(model, number)
            if self._view.model == model:
                self._view.show_report(number, found)

        self._jobs.start(tr("Read a report"), work, background=True)

    async def _report(self, model: str, number: int) -> EvaluationReport | str:
        """Return the report of a version, or a sentence in its place."""
        key = self._report_key(model, number)
        try:
            found: EvaluationReport | str = await self._backend.report(model, number)
        except BackendError as error:
            if not isinstance(error, BackendRefused) or error.status != _NOT_FOUND:
                return translated(str(error))
            found = _NO_REPORT
        while len(self._reports) >= _MAX_REPORTS:
            del self._reports[next(iter(self._reports))]
        self._reports[key] = found
        return found

    def _report_key(self, model: str, number: int) -> tuple[str, str]:
        summary = self._view.summary
        versions = summary.versions if summary is not None else []
        made = next((each.created for each in versions if each.number == number), "")
        return model, f"{number} {made}"

    def show_cell(self, number: int, shown: str, answered: str) -> None:
        """Show the photos of a cell of the confusion matrix of a version."""
        model = self._view.model

        async def work(report: Report) -> None:
            photos = await self._backend.answers(model, number, shown, answered)
            if self._view.model == model:
                self._view.show_cell(number, shown, answered, photos)

        self._jobs.start(tr("Look for photos"), work)

    def promote(self, number: int) -> Job[None]:
        """Make a version the one that answers."""
        model = self._view.model

        async def work() -> None:
            await self._backend.promote(model, number)
            self._notifications.info(
                tr("Version {number} of {model} is live.", number=number, model=model)
            )

        return self._switch(tr("Use version {number} of {model}", number=number, model=model), work)

    def start_canary(self, number: int) -> Job[None]:
        """Let a version answer a share of the requests."""
        model = self._view.model

        async def work() -> None:
            canary = await self._backend.start_canary(model, number)
            self._notifications.info(translated(canary.sentence))

        return self._switch(tr("Try version {number} of {model}", number=number, model=model), work)

    def end_canary(self, number: int) -> Job[None]:
        """Let the live version answer all requests again."""
        model = self._view.model

        async def work() -> None:
            await self._backend.end_canary(model, number)

        return self._switch(tr("End the canary of {model}", model=model), work)

    def _switch(self, title: str, act: Callable[[], Coroutine[Any, Any, None]]) -> Job[None]:
        """Change which version answers; the buttons that do so are disabled meanwhile."""
        self._view.show_promoting(True)

        async def work(report: Report) -> None:
            try:
                await act()
                await self._refresh()
            finally:
                self._view.show_promoting(False)

        return self._jobs.start(title, work)

    def pin(self, number: int, pinned: bool) -> Job[None]:
        model = self._view.model
        change = self._backend.pin_version if pinned else self._backend.unpin_version

        async def work(report: Report) -> None:
            await change(model, number)
            await self._refresh()

        title = (
            tr("Pin version {number}", number=number)
            if pinned
            else tr("Unpin version {number}", number=number)
        )
        return self._jobs.start(title, work)

    def verify(self, number: int) -> Job[None]:
        model = self._view.model

        async def work(report: Report) -> None:
            report(0, 0, tr("Reading every file"))
            result = await self._backend.verify_version(model, number)
            sentence = wording.verification_sentence(result)
            if result.changed:
                self._notifications.error(sentence, "\n".join(result.changed))
            else:
                self._notifications.info(sentence)

        return self._jobs.start(
            tr("Verify version {number} of {model}", number=number, model=model), work
        )

    def delete(self, number: int) -> Job[None]:
        model = self._view.model

        async def work(report: Report) -> None:
            await self._backend.delete_version(model, number)
            await self._refresh()

        return self._jobs.start(
            tr("Delete version {number} of {model}", number=number, model=model), work
        )

    def compare(self, first: int, second: int, on_history: bool) -> Job[None]:
        """Show what two versions answer for the labelled photos.

        With `on_history`, for the newest photos of the history instead.
        """
        model, view = self._view.model, self._view.compare
        files = self._history()[:_MAX_COMPARED] if on_history else None
        view.show_comparing(True)

        async def work(report: Report) -> None:
            report(
                0, 0, tr("v{first} and v{second} look at the photos", first=first, second=second)
            )
            try:
                found = await self._backend.compare(model, (first, second), files=files)
            finally:
                view.show_comparing(False)
            if self._view.model == model:
                view.show_comparisons(found)

        return self._jobs.start(
            tr(
                "Compare v{first} and v{second} of {model}", first=first, second=second, model=model
            ),
            work,
        )
