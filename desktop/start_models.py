"""Connects the Models page to the backend. Slow to import: comes after the first paint."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from backend.contract import ModelSummary
from desktop.classify.speeds import quick_milliseconds
from desktop.help_page import HelpPage
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
                on_models=partial(_models_changed, app),
            )
            for button in (app.window.status.model, app.classify_page.pane.models):
                button.use_requested.connect(presenter.use)

    app.jobs.start("Connect the Models page", connect, background=True)


def _models_changed(app: App, models: Sequence[ModelSummary]) -> None:
    app.answering.set_models(models)
    # Those on the same network come from the same people: each text once.
    origins = {each.attribution: each.backbone or each.name for each in models if each.attribution}
    help_page = app.window.page(PageName.HELP)
    if isinstance(help_page, HelpPage):
        help_page.show_models([(name, text) for text, name in origins.items()])
