"""The dialogs by which models are added: the catalogue, and the import of a file."""

from __future__ import annotations

from pathlib import Path

from desktop.app import App
from desktop.main_window import PageName
from desktop.models.importing.catalogue_dialog import CatalogueDialog
from desktop.models.importing.import_dialog import ImportDialog
from desktop.models.page import ModelsPage
from desktop.theme import Appearance
from tests.screenshots.waiting import save
from tests.support.drag_and_drop import drop_files
from tests.support.waiting import wait_until

_SECONDS = 120.0
"""TensorFlow is loaded to look at a file."""


async def save_adding(app: App, out: Path, appearance: Appearance, file: Path) -> None:
    """Open the catalogue, then the dialog for a model file."""
    page = app.window.page(PageName.MODELS)
    assert isinstance(page, ModelsPage)
    app.window.show_page(PageName.MODELS)
    await wait_until(page.add.isEnabled)
    page.add.click()
    (catalogue,) = page.findChildren(CatalogueDialog)
    await wait_until(lambda: bool(catalogue.rows))
    await save(catalogue, out / f"models-catalogue-{appearance.value}.png")
    catalogue.reject()
    assert drop_files(page, [file])
    dialog = await wait_until(lambda: page.findChild(ImportDialog))
    assert dialog is not None
    await save(dialog, out / f"models-import-looking-{appearance.value}.png")
    await wait_until(lambda: not dialog.step.text(), _SECONDS)
    await save(dialog, out / f"models-import-{appearance.value}.png")
    dialog.reject()
    await wait_until(lambda: page.findChild(ImportDialog) is None)
