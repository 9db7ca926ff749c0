"""A Keras file in a real window: dropped, corrected, imported, used, and it answers a photo."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from desktop.app import App, Options, run
from desktop.main_window import PageName
from desktop.models.importing.import_dialog import ImportDialog
from desktop.models.page import ModelsPage
from desktop.widgets.notice_stack import NoticeBar
from serving.importing.interface import ValueRange
from serving.workspace import Workspace
from tests.e2e.test_window import sees, shown_class
from tests.support.drag_and_drop import drop_files
from tests.support.keras_file import LABELS, write_keras_file
from tests.support.sample_images import image_file
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.gui, pytest.mark.slow, pytest.mark.timeout(600)]

LOOKING = 120.0
"""Seconds; TensorFlow is loaded for each look."""


def test_a_person_drops_a_keras_file_and_uses_the_model(
    workspace: Workspace, tmp_path: Path
) -> None:
    file = write_keras_file(tmp_path / "models")
    first = image_file(tmp_path / "first.jpg", color="red")

    async def person(app: App) -> None:
        fleet = await app.fleet
        await wait_until(lambda: fleet.view.ready >= 1)
        await sees(app, [first])
        app.window.show_page(PageName.MODELS)
        page = app.window.page(PageName.MODELS)
        assert isinstance(page, ModelsPage)
        await wait_until(page.add.isEnabled)
        dialog = await drops(page, file)
        await corrects(dialog)
        expected = dialog.photos.grid.tiles[0].lines[0].text
        assert expected in LABELS
        QTest.keyClick(dialog.name.field, Qt.Key.Key_Return)
        await wait_until(lambda: page.names().count("pets") == 1, LOOKING)
        bar = await wait_until(lambda: notice_of(app))
        assert bar is not None
        QTest.mouseClick(bar.action, Qt.MouseButton.LeftButton)
        await wait_until(lambda: fleet.view.model == "pets")
        app.window.show_page(PageName.CLASSIFY)
        app.classify.reclassify([str(first)])
        await wait_until(lambda: shown_class(app) == expected)

    run(Options(workspace, engine="process"), person)


def notice_of(app: App) -> NoticeBar | None:
    """Return the notice that offers to use the model."""
    return next((bar for bar in app.window.notices.bars if bar.notice.action == "Use it"), None)


async def drops(page: ModelsPage, file: Path) -> ImportDialog:
    """Drop the file, and return the dialog once it shows answers for the photo of the history."""
    assert drop_files(page, [file])
    dialogs = await wait_until(lambda: page.findChildren(ImportDialog))
    dialog = dialogs[0]
    await wait_until(lambda: answers(dialog), LOOKING, dialog.problem.text)
    assert dialog.facts.classes.text() == "3 scores, 3 labels from labels.txt"
    assert dialog.facts.input.text() == "32 by 32 pixels"
    assert dialog.facts.origin("resize") == "guessed"
    return dialog


async def corrects(dialog: ImportDialog) -> None:
    """Say that values are 0 to 255, as the file says itself, and wait for the answers."""
    combo = dialog.facts.choices["value_range"]
    combo.select(ValueRange.BYTES)
    combo.activated.emit(combo.currentIndex())
    assert dialog.step.text()
    await wait_until(lambda: answers(dialog), LOOKING, dialog.problem.text)
    assert dialog.facts.origin("value_range") == "as you say"


def answers(dialog: ImportDialog) -> bool:
    """Whether the first photo has scores, and nothing is asked any more."""
    tiles = dialog.photos.grid.tiles
    return not dialog.step.text() and bool(tiles) and bool(tiles[0].lines[0].end)
