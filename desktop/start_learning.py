"""Starts the backend and connects it to the window. Slow to import: after the first paint."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from backend.client import BackendClient
from desktop.backend_process import BackendOptions, interrupted_runs
from desktop.backend_supervisor import supervised_backend
from desktop.learn.outbox import Outbox
from desktop.learn.page import LearnPage
from desktop.learn.pool_sender import send_to_pool
from desktop.learn.presenter import LearnPresenter
from desktop.left_running import runs_sentence
from desktop.main_window import PageName
from desktop.running_programs import WINDOW
from desktop.settings import OnQuit, Preferences
from desktop.start_labelling import start_labelling
from desktop.translation import tr
from serving.access_token import AccessToken
from serving.background import in_background

if TYPE_CHECKING:
    from desktop.app import App


async def start_learning(app: App, stack: AsyncExitStack) -> None:
    """Build the backend's client, the outbox and the Learn page.

    If the backend cannot be started, the person is told and it is tried again: labels wait in the
    outbox until then.
    """
    page = LearnPage()
    page.classify_requested.connect(lambda: app.window.show_page(PageName.CLASSIFY))
    page.models.models_requested.connect(lambda: app.window.show_page(PageName.MODELS))
    app.window.set_page(PageName.LEARN, page)
    backend = await stack.enter_async_context(
        BackendClient("", token=AccessToken(app.workspace.token))
    )
    supervisor = await stack.enter_async_context(
        supervised_backend(
            app.workspace,
            BackendOptions(engine=app.engine_setting, started_by=WINDOW),
            on_url=backend.move,
            on_error=app.notifications.error,
            on_recovered=lambda: app.notifications.info(tr("The backend is running again.")),
            required=False,
            stop_on_exit=lambda: app.quit_flow.stops_fleet,
        )
    )

    def keep_running(preferences: Preferences) -> None:
        supervisor.keep_running(preferences.on_quit is OnQuit.KEEP)

    keep_running(app.settings.preferences)
    stack.callback(app.settings.subscribe(keep_running))
    handle = supervisor.handle
    interrupted = await interrupted_runs(app.workspace, handle) if handle else 0
    if sentence := runs_sentence(interrupted):
        app.notifications.info(sentence)
    outbox = await stack.enter_async_context(Outbox(app.workspace.desktop_database, backend))
    await stack.enter_async_context(
        in_background(
            send_to_pool(app.pool_queue, backend, lambda: app.classify.is_classifying),
            name="pass photos to the pool",
        )
    )
    labelling = await start_labelling(app, stack, page, backend, outbox)
    learn = LearnPresenter(
        page,
        backend,
        outbox,
        app.jobs,
        app.notifications,
        on_model=labelling.show_model,
        history=lambda: [photo.path for photo in app.gallery.photos],
    )
    app.presenters += [labelling, learn]
    app.backend.set(backend)
    app.outbox.set(outbox)
