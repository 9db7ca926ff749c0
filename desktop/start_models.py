"""Connects the Models page to the backend. Slow to import: comes after the first paint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backend.contract import FilePrediction
from desktop.classify.compare.answers import VersionChoice
from desktop.classify.compare.presenter import ComparePresenter
from desktop.classify.speeds import quick_milliseconds
from desktop.fleet.page import FleetPage
from desktop.main_window import PageName
from desktop.models.page import ModelsPage
from desktop.models.presenter import ModelsPresenter
from desktop.service_sentences import translated
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

    async def versions() -> list[VersionChoice]:
        return [
            VersionChoice(model.name, version.number, model.served and version.live)
            for model in await (await app.backend).models()
            for version in model.versions
        ]

    async def predict_stored(
        model: str, version: int, files: Sequence[Path], report: Report
    ) -> Sequence[FilePrediction]:
        return await (await app.backend).predictions(model, version, files, report)

    app.compare = ComparePresenter(
        app.classify_page,
        app.jobs,
        choices=versions,
        predict_served=app.ask_version,
        predict_stored=predict_stored,
    )

    async def connect(report: Report) -> None:
        try:
            backend = await app.backend
        except ServeryError as error:
            page.show_unavailable(translated(str(error)))
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
            app.presenters.append(presenter)
            for button in (app.window.status.model, app.classify_page.pane.models):
                button.use_requested.connect(presenter.use)

    app.jobs.start("Connect the Models page", connect, background=True)
