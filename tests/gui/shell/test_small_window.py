"""In the least window that there may be, every page shows all of its parts, or scrolls to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import QPoint, QPointF, QSize
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QLabel,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from desktop.first_steps import FirstSteps, Step
from desktop.jobs import Jobs
from desktop.main_window import MIN_SIZE, MainWindow
from desktop.notifications import Notifications
from desktop.widgets import build
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.page_body import CurrentStack, CurrentTabs, PageBody, min_height
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.scroll_page import ScrollPage
from desktop.widgets.wrapping_row import WrappingRow
from tests.gui.conftest import show
from tests.support.busy_screens import BUSY_SCREENS
from tests.support.clipped_text import clipped_texts
from tests.support.crowded import crowded_widgets
from tests.support.dialogs import DIALOGS
from tests.support.screens import OWNERS, SCREENS

PAGES = {
    **{name: make for name, make in SCREENS.items() if name not in DIALOGS},
    **BUSY_SCREENS,
}
SETTLING_MILLISECONDS = 100
"""A page that is filled shows that after 30."""


def _scrolled_body(number: QSpinBox, choice: QComboBox) -> QWidget:
    rest = QWidget()
    rest.setMinimumHeight(600)
    window = QWidget()
    build.column(PageBody(number, choice, rest), parent=window)
    return window


def _scroll_page(number: QSpinBox, choice: QComboBox) -> QWidget:
    page = ScrollPage("Settings")
    page.add_panel(build.column(number, choice, 600))
    return page


@pytest.fixture(autouse=True)
def _owners(application: QApplication) -> Iterator[None]:
    yield
    for owner in OWNERS:
        owner.deleteLater()
    OWNERS.clear()


@pytest.mark.parametrize("name", PAGES)
def test_nothing_overlaps_and_no_text_is_cut_off(name: str) -> None:
    page = PAGES[name]("otter")
    window = page if isinstance(page, MainWindow) else MainWindow(Jobs(), Notifications())
    if window is not page:
        window.set_page(window.current_page, page)
    show(window, *MIN_SIZE)
    QTest.qWait(SETTLING_MILLISECONDS)
    assert (window.width(), window.height()) == MIN_SIZE
    assert clipped_texts(window) == []
    assert crowded_widgets(window) == []


def test_the_first_steps_have_room() -> None:
    window = MainWindow(Jobs(), Notifications())
    steps = FirstSteps()
    window.set_page(window.current_page, steps)
    show(window, *MIN_SIZE)
    for step in Step:
        steps.show_step(step)
        QTest.qWait(SETTLING_MILLISECONDS)
        assert clipped_texts(window) == []
        assert crowded_widgets(window) == []


def test_a_body_scrolls_only_if_it_is_too_low() -> None:
    few, many = _label("few words"), _label("many words " * 40)
    stack = CurrentStack()
    for each in (few, many):
        stack.addWidget(each)
    above, below = QPushButton("above"), QPushButton("below")
    body = PageBody(above, (stack, 1), below)
    window = QWidget()
    build.column(body, parent=window)
    show(window, 300, 200)
    bar = body.verticalScrollBar()
    assert bar.maximum() == 0
    stack.setCurrentWidget(many)
    QTest.qWait(SETTLING_MILLISECONDS)
    assert bar.maximum() > 0
    assert many.height() >= many.heightForWidth(many.width())
    assert crowded_widgets(window) == []
    bar.setValue(bar.maximum())
    assert body.viewport().rect().contains(below.geometry().translated(0, -bar.value()))
    stack.setCurrentWidget(few)
    QTest.qWait(SETTLING_MILLISECONDS)
    assert bar.maximum() == 0


def test_tabs_need_the_height_of_the_one_that_is_shown() -> None:
    tabs = CurrentTabs()
    low, high = _label("low"), _label("high " * 300)
    tabs.addTab(low, "low")
    tabs.addTab(high, "high")
    show(tabs, 300, 100)
    before = min_height(tabs, 300)
    assert before < 100
    tabs.setCurrentWidget(high)
    assert min_height(tabs, 300) >= high.heightForWidth(300) > before


def test_a_row_wraps_where_its_parts_have_no_room() -> None:
    words = ElidedLabel("Do all 40 photos show the same thing, or do some show another one?")
    first, second, close = QPushButton("Label them all"), QPushButton("Another"), QPushButton("x")
    row = WrappingRow(words, WrappingRow(first, second), words=words, last=close)
    window = QWidget()
    build.column(row, None, parent=window)
    show(window, row.sizeHint().width(), 200)
    assert row.height() == row.sizeHint().height()
    assert words.width() == words.sizeHint().width()
    buttons = first.parentWidget()
    assert buttons is not None
    narrow = buttons.sizeHint().width()
    for width, lines in ((narrow + 10, 2), (narrow - 10, 3)):
        window.resize(width, 200)
        QTest.qWait(SETTLING_MILLISECONDS)
        tops = {each.mapTo(window, each.rect().center()).y() for each in (words, first, second)}
        assert len(tops) == lines
        assert close.mapTo(window, close.rect().topRight()).x() == width - 1
        assert abs(close.geometry().center().y() - words.geometry().center().y()) <= 1
        assert crowded_widgets(window) == []
        assert clipped_texts(window) == []
    second.hide()
    QTest.qWait(SETTLING_MILLISECONDS)
    assert row.height() == row.heightForWidth(row.width()) < 3 * first.height()


@pytest.mark.parametrize("make", [_scrolled_body, _scroll_page])
def test_the_wheel_changes_no_value_that_it_comes_across(
    make: Callable[[QSpinBox, QComboBox], QWidget],
) -> None:
    number, choice = QSpinBox(), QComboBox()
    number.setValue(5)
    choice.addItems(["one", "two", "three"])
    choice.setCurrentIndex(1)
    window = show(make(number, choice), 300, 150)
    window.activateWindow()
    bar = window.findChildren(QScrollArea)[0].verticalScrollBar()
    assert bar.maximum() > 0
    for box in (number, choice):
        box.clearFocus()  # the first one has it as soon as the window is there
        bar.setValue(0)
        _turn_wheel(box)
        assert bar.value() > 0
    assert (number.value(), choice.currentIndex()) == (5, 1)
    bar.setValue(0)
    number.setFocus()
    assert number.hasFocus()
    _turn_wheel(number)
    assert number.value() < 5
    assert bar.value() == 0


def test_the_check_sees_what_has_no_room() -> None:
    window = QWidget()
    column = QVBoxLayout(window)
    for words in ("one", "two", "three", "four"):
        label = QLabel(words)
        label.setMinimumSize(QSize(40, 30))
        column.addWidget(label)
    column.setSizeConstraint(QVBoxLayout.SizeConstraint.SetNoConstraint)
    show(window, 100, 40)
    found = crowded_widgets(window)
    assert any("overlaps" in each for each in found)
    assert any("sticks out" in each for each in found)
    lone = QWidget()
    button = QPushButton("a long button")
    build.row(button, parent=lone).setSizeConstraint(QVBoxLayout.SizeConstraint.SetNoConstraint)
    show(lone, 30, 30)
    assert crowded_widgets(lone)


def _turn_wheel(widget: QWidget) -> None:
    """Turn it towards the person by a step, with the pointer over `widget`."""
    window = widget.window()
    at = widget.mapTo(window, QPointF(widget.rect().center()))
    QTest.wheelEvent(window.windowHandle(), at, QPoint(0, -120))


def _label(words: str) -> PlainLabel:
    return PlainLabel(words, wrap=True, limit=10_000)
