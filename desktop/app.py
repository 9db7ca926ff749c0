"""The composition root: builds the application in order; each part's teardown is registered
where the part is built.

The window comes first. What is slow to import or to start is built after its first paint, by
`start_fleet`, `start_models` and `start_learning`.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QApplication

from desktop.classify.explain.presenter import ExplainPresenter
from desktop.classify.gallery import Gallery
from desktop.classify.history import History
from desktop.classify.likeness.presenter import LikenessPresenter
from desktop.classify.page import ClassifyPage
from desktop.classify.presenter import ClassifyPresenter
from desktop.classify.thumbnail_files import ThumbnailFiles
from desktop.event_loop import EventLoop
from desktop.first_steps_presenter import FirstStepsPresenter
from desktop.free_memory import limit_memory, return_free_memory
from desktop.help_page import HelpPage
from desktop.help_presenter import HelpPresenter
from desktop.jobs import Jobs
from desktop.learn.submit_label import submit_label
from desktop.main_window import MainWindow, PageName
from desktop.model_choices import AnsweringModel
from desktop.notifications import Notifications
from desktop.pending import Pending
from desktop.pool_queue import PoolQueue
from desktop.qt_translation import keep_system_errors_english, translate_qt
from desktop.quit_flow import QuitFlow
from desktop.running_window import OpenRequest, taking_files
from desktop.settings import Preferences, Settings
from desktop.settings_page import SettingsPage
from desktop.theme import Theme
from desktop.translation import tr
from desktop.tray import Tray
from serving.background import in_background
from serving.errors import FleetUnavailable, ServeryError
from serving.predict.prediction import Prediction
from serving.private import access_warnings
from serving.progress import Report
from serving.text.log_lines import log_lines
from serving.workspace import Workspace, WorkspaceError

if TYPE_CHECKING:
    from backend.client import BackendClient
    from desktop.classify.compare.presenter import ComparePresenter
    from desktop.learn.outbox import Outbox, QueuedLabel
    from serving.fleet.fleet import Fleet
    from serving.predict.client import PredictClient

Script = Callable[["App"], Awaitable[None]]
"""Drives the real application instead of a person."""


@dataclass(frozen=True)
class Options:
    """How one run of the application differs from another."""

    workspace: Workspace
    engine: str = ""
    """auto, docker or process; if empty, the settings say which."""
    photos: tuple[Path, ...] = ()
    """Files and folders to classify at once."""


class App:
    """The running application: its parts, as they are built one after the other."""

    def __init__(self, application: QApplication, options: Options) -> None:
        self.options = options
        self.workspace = options.workspace
        self.settings = Settings(self.workspace.settings)
        preferences = self.settings.preferences
        self.presenters: list[object] = []
        """Of the pages that are built later: signals hold the methods of what they are connected
        to weakly, so a presenter that nothing else holds ends in silence."""
        self.theme = Theme(application, preferences.appearance)
        self.notifications = Notifications()
        self.settings.on_error = self.notifications.error
        self.jobs = Jobs()
        self.window = MainWindow(self.jobs, self.notifications)
        self.quit_flow = QuitFlow(self.window, self.settings, self.jobs)
        self.tray = Tray(self.window, self.settings)
        self.quit_flow.take_window = self.tray.take_window
        self.gallery = Gallery(preferences.unsure_below)
        self.classify_page = ClassifyPage(self.gallery)
        self.classify_page.thumbnails.files = ThumbnailFiles(self.workspace.thumbnails)
        self.settings_page = SettingsPage(self.settings, self.workspace, self.notifications.error)
        self.settings_page.learning_requested.connect(lambda: self.window.show_page(PageName.LEARN))
        self.first_steps = FirstStepsPresenter(self.classify_page, self.settings)
        self.first_steps.view.models_requested.connect(
            lambda: self.window.show_page(PageName.MODELS)
        )
        self.first_steps.view.fleet_requested.connect(lambda: self.window.show_page(PageName.FLEET))
        self.window.set_page(PageName.CLASSIFY, self.classify_page)
        self.window.set_page(PageName.SETTINGS, self.settings_page)
        self.help_page = HelpPage()
        self.help = HelpPresenter(
            self.help_page,
            self.workspace,
            self.settings,
            self.jobs,
            self.notifications,
            photo_count=lambda: len(self.gallery.photos),
        )
        self.help_page.first_steps_requested.connect(self._show_first_steps)
        self.window.set_page(PageName.HELP, self.help_page)
        self.window.restore_saved_geometry(preferences.window)
        self.window.show_page(PageName.CLASSIFY)
        self.fleet: Pending[Fleet] = Pending()
        self.client: Pending[PredictClient] = Pending()
        self.backend: Pending[BackendClient] = Pending()
        self.outbox: Pending[Outbox] = Pending()
        self.answering = AnsweringModel()
        self.answering.subscribe(self._show_choices)
        for button in (self.window.status.model, self.classify_page.pane.models):
            button.chosen.connect(self.answering.choose)
            button.models_requested.connect(lambda: self.window.show_page(PageName.MODELS))
        stacking = self.classify_page.view_menu.stacking
        stacking.setChecked(preferences.stack_near_duplicates)
        # Not `toggled`: the map turns stacks off for as long as it is shown.
        stacking.triggered.connect(lambda on: self.settings.change(stack_near_duplicates=on))
        self.history = History(self.workspace.desktop_database)
        self.pool_queue = PoolQueue()
        self.on_label: Callable[[Sequence[str], str, bool], object] = lambda *_: None
        """Gets the SHA-256 of photos that were labelled on the Classify page, the model that learns
        it, and whether they have a label now."""
        self.classify = ClassifyPresenter(
            self.classify_page,
            self.gallery,
            self._predict,
            self.history,
            self.jobs,
            self.notifications,
            label=self._label,
            unlabel=self._unlabel,
            pasted_folder=self.workspace.root / "pasted",
            moves_folder=self.workspace.root / "moves",
            on_answer=self._on_answer,
        )
        self.likeness = LikenessPresenter(
            self.classify_page,
            self.workspace.likeness,
            self.workspace.models,
            self.jobs,
            self.notifications,
            self.classify.reclassify,
            self.classify.label,
        )
        self.compare: ComparePresenter | None = None
        """Made when the first paint is over."""
        self.explain = ExplainPresenter(self.classify_page, self.ask_version, self.jobs)
        try:
            self.workspace.create()
        except WorkspaceError as error:  # the parts that need it say what does not work
            self.notifications.error(error)
        self.jobs.failed.connect(lambda job: self.notifications.error(job.error))
        self.settings.subscribe(self._on_settings_changed)

    @property
    def engine_setting(self) -> str:
        """auto, docker or process."""
        return self.options.engine or self.settings.preferences.engine

    async def show(self) -> None:
        """Show the window and return when it has been painted."""
        painted = asyncio.Event()
        self.window.painted.connect(painted.set)
        self.window.show()
        await painted.wait()

    async def build(self, stack: AsyncExitStack) -> None:
        """Build everything behind the window, and push each part's teardown on `stack`.

        If a part cannot be built, the person is told and the others are built all the same.
        """
        for sentence in access_warnings(self.workspace.root):
            self.notifications.error(sentence)
        await stack.enter_async_context(
            in_background(self.settings.keep_saved(), name="save settings")
        )
        async with self._report_errors():
            await stack.enter_async_context(self.history)
            await self.classify.load()
            self.jobs.start("Compare photos", self._load_likeness, background=True)
        if self.options.photos or self.gallery.photos:
            self.first_steps.finish()
        if self.options.photos:
            self.classify.classify(self.options.photos)
        await stack.enter_async_context(taking_files(self.workspace, self._open))
        async with self._report_errors(self.fleet, self.client):
            await _import_in_thread("desktop.start_fleet")
            from desktop.start_fleet import start_fleet, wait_for_first_instance

            await start_fleet(self, stack)
            await wait_for_first_instance(await self.fleet)
        async with self._report_errors():
            await _import_in_thread("desktop.start_repair")
            from desktop.start_repair import start_repair

            await start_repair(self, stack)
        async with self._report_errors():
            await _import_in_thread("desktop.start_models")
            from desktop.start_models import start_models

            start_models(self)
        async with self._report_errors(self.backend, self.outbox):
            await _import_in_thread("desktop.start_learning")
            from desktop.start_learning import start_learning

            await start_learning(self, stack)
        return_free_memory()

    async def close(self) -> None:
        """End the jobs and write what is not on disk; unfinished photos are classified next time.

        Comes before any part's teardown, since the jobs use them all.
        """
        await self.jobs.close()
        await self.likeness.close()
        await self.classify.close()

    def _open(self, request: OpenRequest) -> None:
        """Do what a second start asks for."""
        self.window.show_page(PageName.CLASSIFY)
        self.window.come_to_front(request.token)
        if request.paths:
            self.classify.classify(request.paths)

    async def _predict(self, jpeg: bytes) -> Prediction:
        client, fleet = await self.client, await self.fleet
        if (
            fleet.configured
            and fleet.view.desired_count == 0
            and not fleet.view.instances_and_attached
        ):
            raise FleetUnavailable(
                tr("The fleet is stopped."),
                tr("Start an instance on the Fleet page; this photo is then classified."),
            )
        return await client.classify(jpeg, self.answering.requested, with_embedding=True)

    async def ask_version(self, jpeg: bytes, model: str, version: int) -> Prediction:
        """Ask the instances for the answer of a version that they have loaded."""
        return await (await self.client).classify(jpeg, model, version=version)

    def _on_answer(self, path: Path, prediction: Prediction) -> None:
        self.pool_queue.offer(path, prediction)
        self.likeness.offer(path, prediction)

    async def _load_likeness(self, report: Report) -> None:
        await self.likeness.load()
        await self.classify.wait_until_loaded()
        await self.likeness.tidy()

    async def _label(
        self, image: bytes, class_name: str | None, model: str, batch: str
    ) -> QueuedLabel:
        model = model or self.answering.requested or ""
        label = await submit_label(await self.outbox, image, class_name, model, batch=batch)
        self.on_label(label.images, model, True)
        if self.first_steps.take_label():
            self.notifications.info(
                tr("The label is saved. A minute after the last one, the model learns by itself."),
                tr("Learn now…"),
                lambda: self.window.show_page(PageName.LEARN),
            )
        return label

    async def _unlabel(self, label: QueuedLabel) -> None:
        await (await self.outbox).undo(label)
        self.on_label(label.images, label.statement.model, False)

    def _show_first_steps(self) -> None:
        self.window.show_page(PageName.CLASSIFY)
        self.first_steps.show_again()

    def _show_choices(self) -> None:
        choices = self.answering.choices()
        for button in (self.window.status.model, self.classify_page.pane.models):
            button.show_choices(choices)

    def _on_settings_changed(self, preferences: Preferences) -> None:
        self.theme.set_appearance(preferences.appearance)
        self.gallery.set_unsure_below(preferences.unsure_below)

    @asynccontextmanager
    async def _report_errors(self, *parts: Pending[Any]) -> AsyncIterator[None]:
        """Show an error raised inside to the person, and raise it for those who await `parts`."""
        try:
            yield
        except Exception as error:
            self.notifications.error(error)
            if not isinstance(error, ServeryError):
                error = ServeryError(
                    tr("A part of Servery did not start."), tr("Start Servery again.")
                )
            for part in parts:
                part.fail(error)


async def _import_in_thread(module: str) -> None:
    """Import a module that is slow to import, while the window goes on answering."""
    await asyncio.to_thread(importlib.import_module, module)


def run(options: Options, script: Script | None = None) -> int:
    """Run the application until it quits; with a `script`, until that has run.

    Returns the exit code; raises what the script raised.
    """
    log_lines("%(asctime)s %(levelname)s %(name)s %(message)s")
    limit_memory()
    application = QApplication.instance()
    if not isinstance(application, QApplication):
        application = QApplication(["servery"])
    application.setApplicationName("Servery")
    application.setDesktopFileName("servery")
    keep_system_errors_english()
    translate_qt(application)
    loop = EventLoop(application)
    app = App(application, options)
    loop.on_error = app.notifications.error
    loop.on_stopped = app.quit_flow.quit_as_set
    return loop.run(lambda: _run(app, script))


async def _run(app: App, script: Script | None) -> int:
    await app.show()
    async with AsyncExitStack() as stack:
        stack.callback(app.window.close_now)
        stack.enter_context(app.quit_flow.on_signals())
        try:
            async with in_background(_build_and_drive(app, stack, script), name="build"):
                await app.quit_flow.quit_requested.wait()
        finally:
            await app.close()
    return 0


async def _build_and_drive(app: App, stack: AsyncExitStack, script: Script | None) -> None:
    try:
        await app.build(stack)
        if script is not None:
            await script(app)
    except Exception as error:
        app.notifications.error(error)
        if script is not None:
            raise
    finally:
        if script is not None:
            app.quit_flow.quit(app.quit_flow.on_quit)
