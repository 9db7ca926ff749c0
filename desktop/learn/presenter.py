"""Connects the Learn page to the backend: what is shown, and what the buttons do."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from backend.client import BackendClient, BackendRefused
from backend.contract import Event, ModelSummary, TrainingSettings
from desktop.backend_follower import BackendFollower
from desktop.formats import plural
from desktop.jobs import Job, Jobs
from desktop.learn.classes_presenter import ClassesPresenter
from desktop.learn.label_files_presenter import LabelFilesPresenter
from desktop.learn.learn_now import learn_now
from desktop.learn.model_actions import ModelActions
from desktop.learn.outbox import Outbox, OutboxView
from desktop.learn.page import LearnPage, LearnView
from desktop.learn.wording import outcome_sentence
from desktop.model_choices import ModelChoice
from desktop.notifications import Notifications
from desktop.service_sentences import translated
from desktop.training_runs import check_succeeded, wait_for_run
from desktop.translation import tr
from desktop.versions.presenter import VersionsPresenter
from serving.progress import Report


class LearnPresenter:
    """Keeps a LearnPage up to date with the backend and carries out what the page asks for.

    Needs a running event loop and an entered outbox; ends when `jobs` is closed.
    """

    def __init__(
        self,
        page: LearnPage,
        backend: BackendClient,
        outbox: Outbox,
        jobs: Jobs,
        notifications: Notifications,
        *,
        on_model: Callable[[ModelSummary | None], object] = lambda model: None,
        history: Callable[[], Sequence[Path]] = tuple,
    ) -> None:
        """`on_model` gets the model that learns, whenever another one or its state does; `history`
        returns the files of the photos that were classified in this window, the newest first."""
        self._on_model = on_model
        self._page = page
        self._backend = backend
        self._outbox = outbox
        self._jobs = jobs
        self._notifications = notifications
        self._chosen = ""
        """The model that a person chose to teach; empty for the current one."""
        self._model: ModelSummary | None = None
        self._learning: Job[None] | None = None
        self._learning_model: str | None = None
        """Which model the job is about."""
        self._tuning: dict[str, Job[None]] = {}
        """Runs that fine-tune and that this window began, by their ids."""
        self._tunes: frozenset[str] = frozenset()
        """The ids of all runs of the model that fine-tune and go on."""
        self._refused = len(outbox.view.refused)
        self._follower = BackendFollower(
            backend,
            {
                "models": self._refresh_model,
                "labels": self._refresh_labels,
                "training": self._refresh_runs,
            },
            on_event=self._on_event,
            on_error=lambda error: page.show_unavailable(translated(str(error))),
        )
        page.learn_requested.connect(self.learn)
        page.models.chosen.connect(self.choose)
        page.strip.cancel_requested.connect(self.cancel)
        self._versions = VersionsPresenter(
            page.versions, backend, jobs, notifications, self._refresh_model, history=history
        )
        page.notes.retry_requested.connect(self.retry_refused)
        page.notes.discard_requested.connect(self.discard_refused)
        page.settings.changed.connect(self.change_settings)
        page.fine_tuning.requested.connect(self.fine_tune)
        self._actions = ModelActions(
            backend,
            outbox,
            jobs,
            notifications,
            on_changed=lambda: self._follower.mark_stale("models", "labels"),
        )
        self._classes = ClassesPresenter(page.classes, self._actions)
        self.presenters = [LabelFilesPresenter(page.classes.files, self._actions)]
        page.when.toggled.connect(lambda: self._follower.mark_stale("training"))
        page.view_changed.connect(lambda: self._follower.mark_stale("labels"))
        jobs.start(tr("Follow the backend"), self._follow, background=True)

    async def _follow(self, report: Report) -> None:
        """Show what the backend knows, and whatever changes there, until cancelled."""
        self._page.show_outbox(self._outbox.view)
        unsubscribe = self._outbox.subscribe(self._show_outbox)
        try:
            await self._follower.run()
        finally:
            unsubscribe()

    def _on_event(self, event: Event) -> None:
        if event.topic == "labels":
            # One comes after each connection too: the backend is back.
            self._outbox.retry_now()
            self._page.pictures.forget_failed()

    @property
    def _name(self) -> str | None:
        """The model that learns; None while there is no model."""
        return self._model.name if self._model is not None else None

    async def _refresh_labels(self) -> None:
        if self._name is not None:
            labels = await self._backend.labels(self._name)
            # Another model may have been chosen while this was on its way.
            if labels.model == self._name:
                self._page.show_labels(labels)
                await self._refresh_offer()
                if self._page.view is LearnView.CLASSES:
                    await self._classes.refresh()

    async def _refresh_runs(self) -> None:
        if (name := self._name) is not None:
            runs = await self._backend.training_runs(name)
            if name == self._name:
                self._page.show_runs(runs)
                tunes = (run.id for run in runs if run.fine_tunes and not run.state.finished)
                self._tunes = frozenset(tunes)
                await self._refresh_offer()

    async def _refresh_model(self) -> None:
        models = await self._backend.models()
        by_name = {each.name: each for each in models}
        current = next((each for each in models if each.current), None)
        before, self._model = self._name, by_name.get(self._chosen, current)
        self._page.models.show_choices(
            [
                ModelChoice(
                    each.name,
                    selected=each.name == self._name,
                    current=each.current,
                    detail=plural(each.labels, "label"),
                )
                for each in models
            ]
        )
        self._page.show_model(self._model)
        self._versions.show_history()
        self._on_model(self._model)
        self._actions.model = self._name or ""
        await self._refresh_settings()
        await self._refresh_outlook()
        await self._refresh_labels()
        if before != self._name:
            await self._refresh_runs()

    async def _refresh_after_run(self) -> None:
        """Show what a run of this window brought.

        A model that was renamed or deleted meanwhile is refused here, and an event has the page
        requested again: the run itself has not failed by it.
        """
        with contextlib.suppress(BackendRefused):
            await self._refresh_runs()
            await self._refresh_model()

    async def _refresh_settings(self) -> None:
        if (name := self._name) is not None:
            settings = await self._backend.training_settings(name)
            if name == self._name:
                self._page.settings.show_settings(settings)

    async def _refresh_offer(self) -> None:
        """Show whether the network can be fine-tuned, while that is open."""
        if (name := self._name) is None or not self._page.when.isChecked():
            return
        offer = None
        with contextlib.suppress(BackendRefused):  # without a live version
            offer = await self._backend.fine_tuning(name)
        if name == self._name:
            self._page.fine_tuning.show_offer(offer, is_running=bool(self._tunes))

    async def _refresh_outlook(self) -> None:
        """Show what the live version expects of more labels; nothing if it was not measured."""
        model, outlook = self._model, None
        if model is not None and model.live_version is not None:
            with contextlib.suppress(BackendRefused):
                report = await self._backend.report(model.name, model.live_version)
                outlook = report.outlook
        if model is self._model:
            self._page.classes.outlook.show_outlook(outlook)

    def change_settings(self, settings: TrainingSettings) -> None:
        """Have the model learn by itself at another time, or not at all."""
        model = self._name
        if model is None:
            return

        async def work(report: Report) -> None:
            kept = await self._backend.change_training_settings(model, settings)
            if model == self._name:
                self._page.settings.show_settings(kept)

        self._jobs.start(tr("Change when the model learns"), work)

    def choose(self, model: str) -> None:
        """Teach a model, whichever is current."""
        self._chosen = model
        self._follower.mark_stale("models")

    def _show_outbox(self, view: OutboxView) -> None:
        self._page.show_outbox(view)
        if len(view.refused) > self._refused:
            newest = view.refused[-1]
            self._notifications.error(
                tr(
                    "The backend refused the label “{class_name}”. {reason}",
                    class_name=newest.class_name,
                    reason=translated(newest.reason),
                )
            )
        self._refused = len(view.refused)

    def learn(self) -> None:
        model = self._name
        self._page.show_starting(True)

        async def work(report: Report) -> None:
            try:
                run = await learn_now(
                    self._backend,
                    self._outbox,
                    report,
                    model=model,
                    closing=lambda: self._jobs.closing,
                )
                await self._refresh_after_run()
            finally:
                self._page.show_starting(False)
            self._notifications.info(outcome_sentence(run))

        self._learning_model = model
        self._learning = self._jobs.start(tr("Learn from the labels"), work, has_own_eta=True)

    def fine_tune(self) -> None:
        """Train the network itself, beside all other runs."""
        model = self._name
        if model is None:
            return

        async def work(report: Report) -> None:
            run = await self._backend.train(model, fine_tune=True)
            self._tuning[run.id] = job
            try:
                run = await wait_for_run(
                    self._backend, run, report, closing=lambda: self._jobs.closing
                )
            finally:
                del self._tuning[run.id]
            check_succeeded(run)
            await self._refresh_after_run()
            self._notifications.info(outcome_sentence(run))

        job = self._jobs.start(tr("Fine-tune the network"), work, has_own_eta=True)

    def cancel(self, run_id: str) -> None:
        # A run of this window ends with its job, and the job cancels it.
        tuning = self._tuning.get(run_id)
        if tuning is not None and tuning.running:
            tuning.cancel()
            return
        own = self._learning_model == self._name and run_id not in self._tunes
        if own and self._learning is not None and self._learning.running:
            self._learning.cancel()
            return

        async def work(report: Report) -> None:
            await self._backend.cancel_training(run_id)
            await self._refresh_after_run()

        self._jobs.start(tr("Cancel the training run"), work)

    def retry_refused(self) -> None:
        self._jobs.start(
            tr("Send the refused labels again"), lambda report: self._outbox.retry_refused()
        )

    def discard_refused(self) -> None:
        self._jobs.start(
            tr("Discard the refused labels"), lambda report: self._outbox.discard_refused()
        )
