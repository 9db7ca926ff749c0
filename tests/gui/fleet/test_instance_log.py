"""The log follows, can be searched, and does not scroll away from a person who reads it."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtTest import QSignalSpy, QTest
from PySide6.QtWidgets import QApplication, QFileDialog

from desktop.fleet.instance_log import InstanceLog
from tests.gui.conftest import show


@pytest.fixture
def log(application: QApplication) -> InstanceLog:
    made = show(InstanceLog(), 700, 300)
    made.show_instance("one")
    return made


def lines(first: int, last: int) -> list[str]:
    return [f"line {number}" for number in range(first, last + 1)]


def text(first: int, last: int) -> str:
    return "\n".join(lines(first, last))


def at_end(log: InstanceLog) -> bool:
    bar = log.text.verticalScrollBar()
    return bar.value() == bar.maximum()


def test_new_lines_are_added_and_followed(log: InstanceLog) -> None:
    log.show_latest("one", lines(1, 200))
    log.show_latest("one", lines(51, 250))
    assert log.text.toPlainText() == text(1, 250)
    assert at_end(log)


def test_a_log_that_began_again_replaces_the_old_one(log: InstanceLog) -> None:
    log.show_latest("one", lines(1, 20))
    log.show_latest("one", ["another start"])
    assert log.text.toPlainText() == "another start"


def test_lines_of_an_instance_that_is_no_longer_selected_are_dropped(log: InstanceLog) -> None:
    log.show_latest("one", lines(1, 20))
    log.show_instance("two")
    log.show_latest("one", lines(1, 30))
    assert log.text.toPlainText() == ""


def test_scrolling_up_ends_following_and_scrolling_down_resumes_it(log: InstanceLog) -> None:
    log.show_latest("one", lines(1, 200))
    log.text.setFocus()
    QTest.keyClick(log.text, Qt.Key.Key_PageUp)
    bar = log.text.verticalScrollBar()
    bar.triggerAction(bar.SliderAction.SliderPageStepSub)
    assert not log.follow.isChecked()
    position = bar.value()
    log.show_latest("one", lines(1, 260))
    assert bar.value() == position
    bar.triggerAction(bar.SliderAction.SliderToMaximum)
    assert log.follow.isChecked()


def test_a_search_marks_every_hit_and_enter_steps_through_them(log: InstanceLog) -> None:
    log.show_latest("one", lines(1, 30))
    QTest.keyClicks(log.search, "line 1")
    QTest.keyClick(log.search, Qt.Key.Key_Return)
    assert len(log.text.extraSelections()) == 11
    assert log.hits.text() == "1 of 11"
    QTest.keyClick(log.search, Qt.Key.Key_Return)
    assert log.hits.text() == "2 of 11"
    QTest.keyClick(log.search, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClick(log.search, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    assert log.hits.text() == "11 of 11"
    assert log.text.textCursor().selectedText() == "line 1"
    QTest.keyClick(log.search, Qt.Key.Key_Escape)
    assert log.search.text() == ""


def test_a_search_without_a_hit_says_so(log: InstanceLog) -> None:
    log.show_latest("one", lines(1, 3))
    QTest.keyClicks(log.search, "absent")
    QTest.keyClick(log.search, Qt.Key.Key_Return)
    assert log.hits.text() == "No hit"


def test_saving_asks_where_without_stopping_the_window(log: InstanceLog) -> None:
    log.show_latest("one", lines(1, 3))
    saved = QSignalSpy(log.save_requested)
    log.save.click()
    QCoreApplication.processEvents()
    dialog = log.findChild(QFileDialog)
    assert dialog is not None
    dialog.fileSelected.emit("/somewhere/one.log")
    dialog.close()
    assert saved.at(0) == ["/somewhere/one.log", text(1, 3) + "\n"]
