"""The composition root: builds everything in order, and registers each teardown with it.

The window is shown first. Whatever is slow to import or to start comes after the
first paint, so it is imported where it is used.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QApplication

from desktop import main_window as pages
from desktop.classify.history import History
from desktop.classify.presenter import ClassifyPresenter
from desktop.event_loop import EventLoop
from desktop.formats import plural
from desktop.settings import OnQuit
from desktop.shell import Shell
from serving.errors import BackendError, FleetUnavailable, ServeryError
from serving.predict.prediction import Prediction
from serving.progress import Report
from serving.workspace import Workspace

if TYPE_CHECKING:
    from backend.client import BackendClient
    from desktop.learn.outbox import Outbox, QueuedLabel
    from serving.engines.protocol import Engine
    from serving.fleet.fleet import Fleet
    from serving.fleet.view import FleetView
    from serving.models.repository import ModelRepository
    from serving.predict.client import PredictClient

log = logging.getLogger(__name__)

DEFAULT_INSTANCES = 2
"""What a fleet gets that nobody has sized yet, on a machine with as many cores."""
PATIENCE = 30.0
"""Seconds that a photo waits for an instance: a cold start included."""

Script = Callable[["App"], Awaitable[None]]
"""Drives the real application instead of a person."""

_HEAVY = (
    "serving.models.starter.install",
    "serving.engines.choose",
    "serving.fleet.fleet",
    "desktop.fleet.engine_presenter",
    "desktop.fleet.presenter",
    "desktop.backend_supervisor",
    "desktop.learn.presenter",
)
"""Imported off the main thread, so that the window answers meanwhile."""


@dataclass(frozen=True)
class Options:
    """How one run of the application differs from another."""

    workspace: Workspace
    engine: str = ""
    """auto, docker or process; empty leaves it to the settings."""
    photos: tuple[Path, ...] = ()
    """Files and folders to classify at once."""


class App:
    """The running application, as a script or a test sees it."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.workspace = shell.workspace
        self.settings = shell.settings
        self.theme = shell.theme
        self.jobs = shell.jobs
        self.notifications = shell.notifications
        self.window = shell.window
        self.classify_page = shell.classify_page
        loop = asyncio.get_running_loop()
        self.client: asyncio.Future[PredictClient] = loop.create_future()
        self.fleet: asyncio.Future[Fleet] = loop.create_future()
        self.backend: asyncio.Future[BackendClient] = loop.create_future()
        self.outbox: asyncio.Future[Outbox] = loop.create_future()
        self.history = History(shell.workspace.desktop_database)
        self.classify = ClassifyPresenter(
            shell.classify_page,
            shell.gallery,
            self._predict,
            self.history,
            shell.jobs,
            shell.notifications,
            label=self._label,
            unlabel=self._unlabel,
            pasted_folder=shell.workspace.root / "pasted",
        )

    def quit(self, on_quit: OnQuit = OnQuit.STOP) -> None:
        """End the application."""
        self.shell.quit(on_quit)

    async def _predict(self, jpeg: bytes) -> Prediction:
        client = await asyncio.shield(self.client)
        fleet = await asyncio.shield(self.fleet)
        if fleet.configured and fleet.view.desired_count == 0 and not fleet.view.instances:
            raise FleetUnavailable(
                "The fleet is stopped.",
                "Start an instance in Fleet; this photo then gets its turn.",
            )
        return await client.classify(jpeg)

    async def _label(self, image: bytes, class_name: str) -> QueuedLabel:
        from desktop.learn.submit_label import submit_label

        return await submit_label(await asyncio.shield(self.outbox), image, class_name)

    async def _unlabel(self, label: QueuedLabel) -> None:
        await (await asyncio.shield(self.outbox)).undo(label)

    async def close(self) -> None:
        """End what is under way and write what is not on disk; photos on their way are
        classified the next time."""
        await self.jobs.close()
        await self.classify.close()
        for future in (self.client, self.fleet, self.backend, self.outbox):
            future.cancel()


async def build(
    app: App, options: Options, stack: AsyncExitStack, *, engine: Engine | None = None
) -> None:
    """Build everything behind the window, each thing's teardown pushed on `stack`.

    What cannot be had is told to the person, and the rest is built all the same.
    `engine` replaces the choice of one.
    """
    async with _told(app):
        await stack.enter_async_context(app.history)
        await app.classify.load()
    if options.photos:
        app.classify.classify(options.photos)
    await asyncio.to_thread(_import_heavy)
    async with _told(app, app.client, app.fleet):
        await _build_fleet(app, options, stack, engine)
    async with _told(app, app.backend, app.outbox):
        await _build_learning(app, options, stack)


async def _build_fleet(
    app: App, options: Options, stack: AsyncExitStack, engine: Engine | None
) -> None:
    from desktop.fleet.engine_presenter import EnginePresenter
    from desktop.fleet.engines import FleetEngines
    from desktop.fleet.page import FleetPage
    from desktop.fleet.presenter import FleetPresenter
    from serving.engines.choose import awaited_engine
    from serving.engines.docker.engine import DockerEngine
    from serving.engines.process import ProcessEngine
    from serving.engines.switch import EngineSwitch
    from serving.fleet.fleet import Fleet
    from serving.models.repository import ModelRepository
    from serving.models.starter.install import STARTER_MODEL, install_starter
    from serving.predict.client import PredictClient

    app.classify_page.set_note("The starter model is starting; photos can be dropped already.")
    page = FleetPage()
    app.window.set_page(pages.FLEET, page)

    def engine_setting() -> str:
        return options.engine or app.settings.preferences.engine

    try:
        repository = ModelRepository(app.workspace.models)
        await asyncio.to_thread(install_starter, repository)
        chosen = engine or await awaited_engine(engine_setting(), app.workspace)
    except ServeryError as error:
        app.window.status.show_failed(f"Fleet: {error.what}")
        raise
    client = PredictClient(STARTER_MODEL, timeout=PATIENCE)
    stack.push_async_callback(client.close)
    switch = EngineSwitch(chosen)
    docker = chosen if isinstance(chosen, DockerEngine) else DockerEngine(app.workspace)
    process = chosen if isinstance(chosen, ProcessEngine) else ProcessEngine(app.workspace)
    fleet = Fleet(STARTER_MODEL, switch, repository, app.workspace, client)
    engines = FleetEngines(fleet, switch, docker, process, engine_setting)
    stack.push_async_callback(engines.close)
    stack.push_async_callback(_leave_fleet, app, fleet)
    FleetPresenter(page, fleet, app.jobs, app.notifications)
    EnginePresenter(page, fleet, engines, app.settings, app.jobs, app.notifications)
    show = _FleetWatcher(app, repository)
    stack.callback(fleet.subscribe(show))
    _run_until_closed(app, stack, fleet.run())
    show(fleet.view)
    if not fleet.configured:
        count = min(DEFAULT_INSTANCES, os.cpu_count() or 1)
        app.jobs.start(
            f"Start {plural(count, 'instance')}", lambda report: fleet.scale(count, report)
        )
    app.shell.has_fleet = True
    app.fleet.set_result(fleet)
    app.client.set_result(client)


async def _build_learning(app: App, options: Options, stack: AsyncExitStack) -> None:
    from backend.client import BackendClient
    from desktop.backend_supervisor import supervised_backend
    from desktop.learn.outbox import Outbox, UnavailableBackend
    from desktop.learn.page import LearnPage
    from desktop.learn.presenter import LearnPresenter

    page = LearnPage()
    page.classify_requested.connect(lambda: app.window.show_page(pages.CLASSIFY))
    app.window.set_page(pages.LEARN, page)
    engine = options.engine or app.settings.preferences.engine
    kept = supervised_backend(
        app.workspace,
        engine,
        stop_on_exit=lambda: app.shell.on_quit is OnQuit.STOP,
        on_error=app.notifications.error,
    )
    try:
        url = await stack.enter_async_context(kept)
    except BackendError as error:
        page.show_unavailable(str(error))
        waiting = Outbox(app.workspace.desktop_database, UnavailableBackend(error))
        app.outbox.set_result(await stack.enter_async_context(waiting))
        raise
    backend = await stack.enter_async_context(BackendClient(url))
    outbox = await stack.enter_async_context(Outbox(app.workspace.desktop_database, backend))
    LearnPresenter(page, backend, outbox, app.jobs, app.notifications)
    app.backend.set_result(backend)
    app.outbox.set_result(outbox)


class _FleetWatcher:
    """Passes what the fleet looks like to the status bar and the Classify place."""

    def __init__(self, app: App, repository: ModelRepository) -> None:
        self._app = app
        self._repository = repository
        self._classes_of: int | None = None

    def __call__(self, view: FleetView) -> None:
        status = self._app.window.status
        status.show_fleet(view.ready, view.desired_count, view.model, view.live_version)
        self._app.classify.fleet_changed(view.ready, view.live_version)
        version = view.live_version
        if version is not None and version != self._classes_of:
            self._classes_of = version

            async def offer(report: Report) -> None:
                card = await asyncio.to_thread(self._repository.version(view.model, version).card)
                self._app.classify.set_classes(card.classes)

            self._app.jobs.start("Read the model card", offer)


async def _leave_fleet(app: App, fleet: Fleet) -> None:
    if app.shell.on_quit is OnQuit.STOP:
        try:
            await fleet.stop_and_remember()
        except ServeryError as error:
            log.error("The fleet could not be stopped: %s", error)


def _run_until_closed(app: App, stack: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)

    def tell(ended: asyncio.Task[None]) -> None:
        if not ended.cancelled() and (error := ended.exception()) is not None:
            app.notifications.error(error)

    task.add_done_callback(tell)
    stack.push_async_callback(_cancelled, task)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _told(app: App, *promised: asyncio.Future[Any]) -> AsyncIterator[None]:
    """Tell of whatever goes wrong inside, also to those who wait for what was promised."""
    try:
        yield
    except Exception as error:
        app.notifications.error(error)
        reason = (
            error
            if isinstance(error, ServeryError)
            else ServeryError("A part of Servery did not start.", "Start Servery again.")
        )
        for future in promised:
            if not future.done():
                future.set_exception(reason)
                future.exception()


def _import_heavy() -> None:
    for name in _HEAVY:
        importlib.import_module(name)


def main(workspace: Workspace) -> int:
    """Open the window on `workspace`; returns the exit code once it is closed."""
    return run(Options(workspace))


def run(options: Options, script: Script | None = None) -> int:
    """Run the application until it is left; with a `script`, until that has run.

    Raises what the script raised.
    """
    application = QApplication.instance()
    if not isinstance(application, QApplication):
        application = QApplication(["servery"])
    application.setApplicationName("Servery")
    application.setDesktopFileName("servery")
    loop = EventLoop(application)
    shell = Shell(application, options.workspace)
    loop.on_error = shell.notifications.error
    return loop.run(lambda: _live(shell, options, script))


async def _live(shell: Shell, options: Options, script: Script | None) -> int:
    await shell.show()
    async with AsyncExitStack() as stack:
        stack.callback(shell.window.close_now)
        stack.enter_context(_ended_by_signals(shell))
        app = App(shell)
        living = asyncio.create_task(_start(app, options, stack, script))
        await shell.quit_requested.wait()
        await _cancelled(living)
        await app.close()
    if script is not None and not living.cancelled():
        living.result()
    return 0


async def _start(app: App, options: Options, stack: AsyncExitStack, script: Script | None) -> None:
    try:
        await build(app, options, stack)
        if script is not None:
            await script(app)
    except Exception as error:
        app.notifications.error(error)
        raise
    finally:
        if script is not None:
            app.quit(app.shell.on_quit)


@contextmanager
def _ended_by_signals(shell: Shell) -> Iterator[None]:
    """Leave in good order on Ctrl+C and when the system asks the process to end."""
    loop = asyncio.get_running_loop()
    remembered = shell.settings.preferences.on_quit
    on_quit = OnQuit.STOP if remembered is OnQuit.ASK else remembered

    def quit(number: int, frame: object) -> None:
        loop.call_soon_threadsafe(shell.quit, on_quit)

    before = {number: signal.signal(number, quit) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
