"""Every dialog takes the keyboard as it opens, and Return has one meaning in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QSignalSpy, QTest
from PySide6.QtWidgets import QApplication, QDialog, QLineEdit, QPushButton, QWidget

from desktop.fleet.attach_dialog import AttachDialog
from desktop.fleet.nodes_dialog import NodesDialog
from tests.gui.conftest import show
from tests.support.clipped_text import clipped_texts
from tests.support.dialogs import DIALOGS
from tests.support.keyboard_walk import describe, missed, walk
from tests.support.screens import OWNERS

DEFAULTS = {
    "attach": "Attach",
    "catalogue": "Close",
    "engine": "Connect",
    "export": "Export",
    "file": "&Open",
    "folder_sheet": "Start learning",
    "image": "Make the image",
    "import_model": "Import",
    "limits": "Apply",
    "new_dialog": "Make the model",
    "nodes_of_swarm": "Close",
    "nodes_outside": "Close",
    "question": "OK",
    "rename_dialog": "Rename",
    "stack": "Export",
    "text": "OK",
}
"""The button that Return presses, by the dialog."""


WITHOUT_A_SIGN = {"_RemovingGrid 'Photos and what the model answers' in PhotoStrip"}
"""There is nothing in it yet."""


@pytest.fixture
def owner(application: QApplication) -> Iterator[QWidget]:
    yield show(QWidget(), 900, 600)
    for each in OWNERS:
        each.deleteLater()
    OWNERS.clear()


def opened(name: str, owner: QWidget) -> QDialog:
    dialog = DIALOGS[name]("otter", owner)
    dialog.open()
    QApplication.processEvents()
    return dialog


@pytest.mark.parametrize("name", DIALOGS)
def test_a_dialog_takes_the_keyboard_has_one_default_button_and_all_of_its_text(
    owner: QWidget, name: str
) -> None:
    dialog = opened(name, owner)
    assert clipped_texts(dialog) == []
    assert dialog.width() <= owner.width()
    assert dialog.height() <= owner.height()
    assert QApplication.activeWindow() is dialog
    assert [button.text() for button in dialog.findChildren(QPushButton) if button.isDefault()] == [
        DEFAULTS[name]
    ]
    if name != "file":  # which Qt makes
        found = walk(dialog)
        assert [describe(each) for each in missed(dialog, found)] == []
        assert not {describe(each) for each in found.unseen} - WITHOUT_A_SIGN
        assert [describe(each) for each in found.nameless] == []
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()


def test_return_in_a_field_of_the_nodes_does_what_stands_beside_it(owner: QWidget) -> None:
    dialog = opened("nodes_outside", owner)
    assert isinstance(dialog, NodesDialog)
    started, joined = QSignalSpy(dialog.start_requested), QSignalSpy(dialog.join_requested)
    dialog.manager.setText("192.0.2.9:2377")
    dialog.token.setFocus()
    QTest.keyClicks(dialog.token, "SWMTKN-1")
    QTest.keyClick(dialog.token, Qt.Key.Key_Return)
    assert (joined.count(), started.count()) == (1, 0)
    assert joined.at(0)[:2] == ["192.0.2.9:2377", "SWMTKN-1"]
    field = dialog.address.lineEdit()
    assert isinstance(field, QLineEdit)
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert (joined.count(), started.count()) == (1, 1)
    assert dialog.isVisible()


def test_a_dialog_grows_with_a_text_that_appears_in_it(owner: QWidget) -> None:
    dialog = AttachDialog(owner)
    dialog.open()
    QApplication.processEvents()
    before = dialog.height()
    dialog.address.setText("http://x y")
    dialog.apply.click()
    QApplication.processEvents()
    assert dialog.problem.isVisible()
    assert dialog.height() > before
    assert not clipped_texts(dialog)
