"""Starts the backend and connects it to the window. Slow to import: after the first paint."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from backend.client import BackendClient
from desktop.backend_supervisor import supervised_backend
from desktop.learn.outbox import Outbox, UnavailableBackend
from desktop.learn.page import LearnPage
from desktop.learn.presenter import LearnPresenter
from desktop.main_window import PageName
from serving.access_token import AccessToken
from serving.errors import BackendError

if TYPE_CHECKING:
    from desktop.app import App


async def start_learning(app: App, stack: AsyncExitStack) -> None:
    """Build the backend's client, the outbox and the Learn page; raises BackendError.

    Without a backend there is an outbox all the same: labels wait there until the next start.
    """
    page = LearnPage()
    page.classify_requested.connect(lambda: app.window.show_page(PageName.CLASSIFY))
    page.models.models_requested.connect(lambda: app.window.show_page(PageName.MODELS))
    app.window.set_page(PageName.LEARN, page)
    database = app.workspace.desktop_database
    try:
        url = await stack.enter_async_context(
            supervised_backend(
                app.workspace,
                app.engine_setting,
                on_error=app.notifications.error,
                stop_on_exit=lambda: app.quit_flow.stops_fleet,
            )
        )
    except BackendError as error:
        page.show_unavailable(str(error))
        outbox = Outbox(database, UnavailableBackend(error))
        app.outbox.set(await stack.enter_async_context(outbox))
        raise
    backend = await stack.enter_async_context(
        BackendClient(url, token=AccessToken(app.workspace.token))
    )
    outbox = await stack.enter_async_context(Outbox(database, backend))
    LearnPresenter(page, backend, outbox, app.jobs, app.notifications)
    app.backend.set(backend)
    app.outbox.set(outbox)
