"""Connects the Models page to the backend. Slow to import: comes after the first paint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from desktop.classify.speeds import quick_milliseconds
from desktop.fleet.page import FleetPage
from desktop.main_window import PageName
from desktop.models.page import ModelsPage
from desktop.models.presenter import ModelsPresenter
from serving.errors import ServeryError
from serving.progress import Report

if TYPE_CHECKING:
    from desktop.app import App


def start_models(app: App) -> None:
    """Build the Models page, and connect it as soon as there is a backend."""
    page = ModelsPage()
    app.window.set_page(PageName.MODELS, page)

    def show_versions(model: str) -> None:
        app.window.show_page(PageName.MODELS)
        page.open_model(model)

    fleet_page = app.window.page(PageName.FLEET)
    if isinstance(fleet_page, FleetPage):  # not if there is no fleet
        fleet_page.versions_requested.connect(show_versions)

    async def connect(report: Report) -> None:
        try:
            backend = await app.backend
        except ServeryError as error:
            page.show_unavailable(str(error))
        else:
            presenter = ModelsPresenter(
                page,
                backend,
                app.jobs,
                app.notifications,
                milliseconds=lambda: quick_milliseconds(app.gallery.photos),
                on_models=app.answering.set_models,
                history=lambda: [photo.path for photo in app.gallery.photos],
            )
            for button in (app.window.status.model, app.classify_page.pane.models):
                button.use_requested.connect(presenter.use)

    app.jobs.start("Connect the Models page", connect, background=True)
