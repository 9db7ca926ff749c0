"""The composition root: builds the application in order; each part's teardown is registered
where the part is built.

The window comes first. What is slow to import or to start is built after its first paint, by
`start_fleet`, `start_models` and `start_learning`.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QApplication

from desktop.classify.gallery import Gallery
from desktop.classify.history import History
from desktop.classify.page import ClassifyPage
from desktop.classify.presenter import ClassifyPresenter
from desktop.event_loop import EventLoop
from desktop.free_memory import return_free_memory
from desktop.help_page import HelpPage
from desktop.jobs import Jobs
from desktop.learn.submit_label import submit_label
from desktop.main_window import MainWindow, PageName
from desktop.model_choices import AnsweringModel
from desktop.notifications import Notifications
from desktop.pending import Pending
from desktop.pool_queue import PoolQueue
from desktop.quit_flow import QuitFlow
from desktop.settings import Preferences, Settings
from desktop.settings_page import SettingsPage
from desktop.theme import Theme
from serving.background import in_background
from serving.errors import FleetUnavailable, ServeryError
from serving.licences import parts
from serving.predict.prediction import Prediction
from serving.private import access_warnings
from serving.progress import Report
from serving.text.log_lines import log_lines
from serving.workspace import Workspace, WorkspaceError

if TYPE_CHECKING:
    from backend.client import BackendClient
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
        self.theme = Theme(application, preferences.appearance)
        self.notifications = Notifications()
        self.settings.on_error = self.notifications.error
        self.jobs = Jobs()
        self.window = MainWindow(self.jobs, self.notifications)
        self.quit_flow = QuitFlow(self.window, self.settings, self.jobs)
        self.gallery = Gallery(preferences.unsure_below)
        self.classify_page = ClassifyPage(self.gallery)
        self.settings_page = SettingsPage(
            self.settings, self.workspace.root, self.notifications.error
        )
        self.window.set_page(PageName.CLASSIFY, self.classify_page)
        self.window.set_page(PageName.SETTINGS, self.settings_page)
        self.help_page = HelpPage()
        self.help_page.licences_requested.connect(self._read_licences)
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
        self.history = History(self.workspace.desktop_database)
        self.pool_queue = PoolQueue()
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
            on_answer=self.pool_queue.offer,
        )
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

    def _read_licences(self) -> None:
        async def read(_: Report) -> None:
            try:
                self.help_page.licences.show_parts(await asyncio.to_thread(parts))
            except OSError as error:
                sentence = f"The licences could not be read: {error.strerror or error}."
                self.help_page.licences.show_problem(sentence)

        self.jobs.start("Read the licences", read, background=True)

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
        if self.options.photos:
            self.classify.classify(self.options.photos)
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
        await self.classify.close()

    async def _predict(self, jpeg: bytes) -> Prediction:
        client, fleet = await self.client, await self.fleet
        if fleet.configured and fleet.view.desired_count == 0 and not fleet.view.instances:
            raise FleetUnavailable(
                "The fleet is stopped.",
                "Start an instance on the Fleet page; this photo is then classified.",
            )
        return await client.classify(jpeg, self.answering.requested, with_embedding=True)

    async def _label(
        self, image: bytes, class_name: str | None, model: str, batch: str
    ) -> QueuedLabel:
        model = model or self.answering.requested or ""
        return await submit_label(await self.outbox, image, class_name, model, batch=batch)

    async def _unlabel(self, label: QueuedLabel) -> None:
        await (await self.outbox).undo(label)

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
                error = ServeryError("A part of Servery did not start.", "Start Servery again.")
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
    application = QApplication.instance()
    if not isinstance(application, QApplication):
        application = QApplication(["servery"])
    application.setApplicationName("Servery")
    application.setDesktopFileName("servery")
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
