"""Connects the Models page to the backend: what is shown, and what the buttons do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from backend.client import BackendClient, BackendRefused
from backend.contract import (
    BuiltInSummary,
    Event,
    LabeledPhoto,
    ModelSummary,
    NewModel,
    TrainingRun,
)
from desktop.backend_follower import BackendFollower
from desktop.formats import count
from desktop.jobs import Job, Jobs
from desktop.models import wording
from desktop.models.entries import MOSAIC, model_entries
from desktop.models.importing.flow import ImportFlow
from desktop.models.learn_from_folder import is_archive, learn_from_folder
from desktop.models.one_model import OneModelView
from desktop.models.page import ModelsPage
from desktop.notifications import Notifications
from desktop.service_sentences import translated
from desktop.translation import tr, tr_plural
from desktop.versions.presenter import VersionsPresenter
from desktop.versions.version_images import ImageFailures
from serving.photo_folder import NotAPhotoFolder, scan_photo_folder
from serving.progress import Report


class ModelsPresenter:
    """Keeps a ModelsPage up to date with the backend and carries out what the page asks for.

    Needs a running event loop; ends when `jobs` is closed.
    """

    def __init__(
        self,
        page: ModelsPage,
        backend: BackendClient,
        jobs: Jobs,
        notifications: Notifications,
        *,
        milliseconds: Callable[[], Mapping[str, float]] = dict,
        on_models: Callable[[Sequence[ModelSummary]], None] = lambda models: None,
        history: Callable[[], Sequence[Path]] = tuple,
    ) -> None:
        """`milliseconds` returns how long a photo takes here, by model; `on_models` gets the
        models whenever they were requested; `history` returns the files of the photos that were
        classified in this window, the newest first."""
        self._page = page
        self._backend = backend
        self._jobs = jobs
        self._notifications = notifications
        self._milliseconds = milliseconds
        self._on_models = on_models
        self._history = history
        self._models: list[ModelSummary] = []
        self._built_in: list[BuiltInSummary] = []
        self._runs: list[TrainingRun] = []
        self._photos: dict[str, list[LabeledPhoto]] = {}
        self._photos_of: dict[str, int] = {}
        """How many labels each model had when its photos were requested."""
        self._loading: set[str] = set()
        self._versions: VersionsPresenter | None = None
        """Of the model that is on show, once one was."""
        self._image_failures = ImageFailures(backend, notifications)
        self._imports = ImportFlow(
            page,
            backend,
            jobs,
            notifications,
            refresh=self._refresh_models,
            use=self.use,
            history=history,
        )
        self._learning: dict[str, Job[None]] = {}
        """Jobs of this window by the run that they wait for, under the model's name."""
        self._follower = BackendFollower(
            backend,
            {"models": self._refresh_models, "training": self._refresh_runs},
            on_event=self._on_event,
            on_error=lambda error: page.show_unavailable(translated(str(error))),
        )
        self._connect(page)
        page.pictures.start(partial(backend.image, side=None), jobs)
        jobs.start("Follow the models", lambda report: self._follower.run(), background=True)

    def _connect(self, page: ModelsPage) -> None:
        page.shown.connect(self._show)
        page.new_requested.connect(self.create)
        page.rename_requested.connect(self.rename)
        page.duplicate_requested.connect(self.duplicate)
        page.delete_requested.connect(self.delete)
        page.restore_requested.connect(self.restore)
        page.keep_requested.connect(self.keep_versions)
        page.folder_requested.connect(self.look_into_folder)
        page.pane.use_requested.connect(self.use)
        page.pane.serve_requested.connect(self.serve)
        page.pane.unserve_requested.connect(self.unserve)
        page.pane.add_requested.connect(self.add_built_in)
        page.pane.cancel_requested.connect(self.cancel)
        page.one_model_view_made.connect(self._connect_one)

    def _connect_one(self, one: OneModelView) -> None:
        self._versions = VersionsPresenter(
            one.versions,
            self._backend,
            self._jobs,
            self._notifications,
            self._refresh_models,
            history=self._history,
        )

    def _on_event(self, event: Event) -> None:
        if event.topic == "labels":  # models are counted with their photos
            self._page.pictures.forget_failed()
            self._follower.mark_stale("models")

    async def _refresh_models(self) -> None:
        self._models = await self._backend.models()
        self._built_in = await self._backend.built_in_models()
        self._page.show_deleted(await self._backend.deleted_models())
        self._on_models(self._models)
        self._show()
        if self._versions is not None and self._page.opened_model:
            self._versions.show_history()
        await self._image_failures.look()
        await self._refresh_photos()

    async def _refresh_runs(self) -> None:
        self._runs = await self._backend.training_runs()
        self._show()

    async def _refresh_photos(self) -> None:
        """Request the photos of the models whose labels changed."""
        labels = {each.name: each.labels for each in self._models}
        for name in self._photos_of.keys() - labels.keys():
            del self._photos_of[name]
            self._photos.pop(name, None)
        for name, number in labels.items():
            if self._photos_of.get(name, 0) != number:
                try:
                    self._photos[name] = await self._backend.photos(name, MOSAIC)
                except BackendRefused:
                    # Deleted or renamed since the models were requested, which is an event that
                    # has them requested again. What a job did before this has not failed by it.
                    continue
                self._photos_of[name] = number
                self._show()

    def _show(self) -> None:
        if not self._models and not self._built_in:
            return  # nothing was requested yet
        self._page.show_entries(
            model_entries(
                self._models,
                self._built_in,
                self._runs,
                self._photos,
                self._loading,
                self._milliseconds(),
            )
        )
        opened = next((each for each in self._models if each.name == self._page.opened_model), None)
        if opened is not None:
            self._page.one.show_model(opened)
            self._page.one.versions.show_runs(
                [run for run in self._runs if run.model == opened.name]
            )

    def create(self, new: NewModel) -> Job[None]:
        """Make a model and show it."""

        async def work(report: Report) -> None:
            model = await self._backend.create_model(new)
            await self._refresh_models()
            self._page.select(model.name)
            self._notifications.info(
                tr("{name} was made. {contents}", name=model.name, contents=wording.contents(model))
            )

        return self._jobs.start(tr("Make {name}", name=new.name), work)

    def use(self, name: str) -> Job[None]:
        """Make a model the current one, once every instance has loaded it."""

        async def work() -> None:
            await self._backend.use_model(name)
            self._notifications.info(tr("{name} answers now.", name=name))

        return self._load(tr("Use {name}", name=name), name, work)

    def serve(self, name: str) -> Job[None]:
        async def work() -> None:
            await self._backend.serve_model(name)

        return self._load(tr("Load {name}", name=name), name, work)

    def unserve(self, name: str) -> Job[None]:
        async def work() -> None:
            await self._backend.unserve_model(name)

        return self._load(tr("Unload {name}", name=name), name, work)

    def add_built_in(self, name: str) -> Job[None]:
        async def work() -> None:
            model = await self._backend.add_built_in(name)
            self._page.select(model.name)

        return self._load(tr("Add {name}", name=name), name, work)

    def rename(self, name: str, new_name: str) -> Job[None]:
        async def work(report: Report) -> None:
            await self._backend.rename_model(name, new_name)
            await self._refresh_models()
            self._page.select(new_name)

        return self._jobs.start(tr("Rename {name}", name=name), work)

    def duplicate(self, name: str, new_name: str) -> Job[None]:
        async def work(report: Report) -> None:
            await self._backend.duplicate_model(name, new_name)
            await self._refresh_models()
            self._page.select(new_name)

        return self._jobs.start(tr("Duplicate {name}", name=name), work)

    def delete(self, name: str) -> Job[None]:
        """Delete a model; a notice says what went along, and takes it back."""

        async def work(report: Report) -> None:
            deleted = await self._backend.delete_model(name)
            await self._refresh_models()
            self._notifications.info(
                wording.deleted_sentence(deleted), tr("Undo"), partial(self.restore, deleted.token)
            )

        return self._jobs.start(tr("Delete {name}", name=name), work)

    def restore(self, token: str) -> Job[None]:
        async def work(report: Report) -> None:
            model = await self._backend.restore_model(token)
            await self._refresh_models()
            self._page.select(model.name)

        return self._jobs.start(tr("Restore a model"), work)

    def keep_versions(self, name: str, number: int) -> Job[None]:
        async def work(report: Report) -> None:
            await self._backend.keep_versions(name, number)
            await self._refresh_models()

        return self._jobs.start(
            tr_plural(
                "Keep {count} version of {name}", "Keep {count} versions of {name}", number
            ).format(count=count(number), name=name),
            work,
        )

    def look_into_folder(self, paths: Sequence[Path], model: str) -> Job[None]:
        """Show what is in a folder, and learn from it once a person has agreed.

        A model, which may come with a file of labels, is imported instead. What is neither that
        nor a folder with one folder a class is explained, with what was found.
        """

        async def work(report: Report) -> None:
            if not model and await self._imports.take(paths):
                return
            if len(paths) > 1:
                raise NotAPhotoFolder(
                    tr(
                        "{count} files and folders were dropped.",
                        count=count(len(paths)),
                    ),
                    tr("Drop the one folder that has a folder for each class."),
                )
            (folder,) = paths
            found, name = None, folder.name
            if is_archive(folder):
                # Its content is looked into by the backend, which unpacks it anyway.
                name = folder.stem
            else:
                report(0, 0, tr("Looking into {name}", name=folder.name))
                found = await asyncio.to_thread(scan_photo_folder, folder, report)
            self._page.open_folder_sheet(name, found, partial(self.learn, folder), model)

        return self._jobs.start(tr("Look into a folder"), work)

    def learn(self, folder: Path, model: str | NewModel) -> Job[None]:
        """Have a model, new or not, learn from a folder; then its report is shown."""
        name = model if isinstance(model, str) else model.name

        async def work(report: Report) -> None:
            try:
                run = await learn_from_folder(
                    self._backend, model, folder, report, closing=lambda: self._jobs.closing
                )
            finally:
                self._learning.pop(name, None)
                self._follower.mark_stale("models", "training")
            await self._refresh_models()
            await self._refresh_runs()
            self._show_outcome(run)

        job = self._jobs.start(
            tr("{model} learns from {folder}", model=name, folder=folder.name),
            work,
            has_own_eta=True,
        )
        self._learning[name] = job
        return job

    def cancel(self, run_id: str) -> None:
        """Cancel a training run; what was read for it is kept."""
        model = next((run.model for run in self._runs if run.id == run_id), "")
        # A run of this window ends with its job, and the job cancels it.
        if (job := self._learning.get(model)) is not None:
            job.cancel()
            return

        async def work(report: Report) -> None:
            await self._backend.cancel_training(run_id)
            await self._refresh_runs()

        self._jobs.start(tr("Cancel the training run"), work)

    def _load(self, title: str, name: str, act: Callable[[], Awaitable[None]]) -> Job[None]:
        """Carry out what makes instances load or unload a model; its card says so meanwhile."""
        self._loading.add(name)
        self._show()

        async def work(report: Report) -> None:
            report(0, 0, title)
            try:
                await act()
            finally:
                self._loading.discard(name)
                self._show()
                self._follower.mark_stale("models")

        return self._jobs.start(title, work)

    def _show_outcome(self, run: TrainingRun) -> None:
        current = any(each.current and each.name == run.model for each in self._models)
        if current or run.version is None:
            self._notifications.info(wording.import_outcome(run))
        else:
            use = partial(self.use, run.model)
            outcome = wording.import_outcome(run, answers=False)
            self._notifications.info(outcome, tr("Use it"), use)
        self._page.open_model(run.model)
