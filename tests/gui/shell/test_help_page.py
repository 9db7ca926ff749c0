"""Help says what comes with Servery and who made it."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel

from desktop.app import App, Options
from desktop.help_page import HelpPage
from desktop.main_window import PageName
from serving.licences import parts
from serving.models.builtin.catalog import built_in_models
from serving.version import VERSION
from serving.workspace import Workspace
from tests.gui.conftest import Run
from tests.support.waiting import wait_until


@pytest.fixture
def app(application: QApplication, workspace: Workspace) -> App:
    return App(application, Options(workspace))


def test_about_lists_the_built_in_models_with_makers_and_licence(application: QApplication) -> None:
    page = HelpPage()
    texts = [label.text() for label in page.findChildren(QLabel)]
    for model in built_in_models():
        assert any(model.title in text for text in texts)
        (text,) = [text for text in texts if text.startswith(model.attribution)]
        for word in ("Google", "ML Illustrated", "WordNet", "Changed for Servery", "Apache-2.0"):
            assert word in text
    page.deleteLater()


def test_about_lists_every_part_with_its_licences(app: App, run: Run) -> None:
    async def main() -> None:
        await app.show()
        app.window.show_page(PageName.HELP)
        panel = app.help_page.licences
        model = panel.names.model()
        await wait_until(model.rowCount)
        names = [model.index(row, 0).data() for row in range(model.rowCount())]
        assert names == [f"{each.name} {each.version}, {each.licence}" for each in parts()]
        assert any(name.startswith("PySide6_Essentials") for name in names)
        for row, part in enumerate(parts()[:6]):
            panel.names.setCurrentIndex(model.index(row, 0))
            assert panel.text.toPlainText() == part.full_text()

    run(main)


def test_the_diagnostics_are_copied_by_a_button(app: App, run: Run) -> None:
    async def main() -> None:
        await app.show()
        app.window.show_page(PageName.HELP)
        QTest.mouseClick(app.help_page.copy, Qt.MouseButton.LeftButton)
        text = await wait_until(QGuiApplication.clipboard().text)
        assert f"Servery {VERSION}" in text
        assert "Fleet: none" in text
        assert any(line.startswith("PySide6_Essentials ") for line in text.splitlines())
        assert str(app.workspace.root) not in text
        (notice,) = app.window.notices.bars
        assert "clipboard" in notice.notice.text

    QGuiApplication.clipboard().clear()
    run(main)
