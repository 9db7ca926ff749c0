"""On every page, in a small window: no text is cut off, and the Tab key leads to every control."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton, QWidget

from desktop.first_steps import FirstSteps, Step
from desktop.jobs import Jobs
from desktop.main_window import MainWindow
from desktop.notifications import Notifications
from desktop.settings import Settings
from desktop.settings_page import SettingsPage
from desktop.widgets.plain_label import PlainLabel
from serving.workspace import Workspace
from tests.gui.conftest import show
from tests.support.clipped_text import clipped_texts
from tests.support.dialogs import DIALOGS
from tests.support.keyboard_walk import describe, missed, walk
from tests.support.screens import OWNERS, SCREENS

WINDOW = (900, 600)
PAGE = (820, 566)
"""Pixels of a page in such a window."""
WITHOUT_TAB = {"PhotoGrid 'Doubtful labels, worst first' in QFrame"}
"""The arrow keys walk through it from wherever the focus is on its page."""
WITHOUT_A_SIGN = {
    # All of it takes keys, and there is nothing in it yet.
    "LabelView 'Label photos' in QStackedWidget",
    "ModelsPage '' in QStackedWidget",
    "QWidget '' in QStackedWidget",
    # The cell that is current is marked in another colour than one that only is selected.
    "ConfusionMatrix 'Confusion matrix: 17 of 20 photos right' in QWidget",
}
"""They look the same with the focus."""
SETTLING_MILLISECONDS = 100
"""A page that is filled shows that after 30."""
PAGES = [name for name in SCREENS if name not in DIALOGS]


@pytest.fixture(autouse=True)
def _owners(application: QApplication) -> Iterator[None]:
    yield
    for owner in OWNERS:
        owner.deleteLater()
    OWNERS.clear()


@pytest.mark.parametrize("name", PAGES)
def test_all_text_of_a_page_is_seen_and_tab_leads_everywhere(name: str) -> None:
    page = SCREENS[name]("otter")
    window = page if isinstance(page, MainWindow) else MainWindow(Jobs(), Notifications())
    if window is not page:
        window.set_page(window.current_page, page)
    show(window, *WINDOW)
    QTest.qWait(SETTLING_MILLISECONDS)
    assert clipped_texts(window) == []
    assert (window.width(), window.height()) == WINDOW
    window.show_page(window.current_page)
    found = walk(window)
    assert not {describe(each) for each in missed(window, found)} - WITHOUT_TAB
    assert not {describe(each) for each in found.unseen} - WITHOUT_A_SIGN
    assert [describe(each) for each in found.nameless] == []


def test_no_text_of_settings_and_first_steps_is_cut_off(workspace: Workspace) -> None:
    page = show(SettingsPage(Settings(workspace.settings), workspace, lambda _: None), *PAGE)
    assert clipped_texts(page) == []
    assert [describe(each) for each in missed(page, walk(page))] == []
    steps = show(FirstSteps(), *PAGE)
    for step in Step:
        steps.show_step(step)
        QApplication.processEvents()
        assert clipped_texts(steps) == []


def test_the_check_sees_text_without_room() -> None:
    window = show(QWidget(), 300, 300)
    label, wrapped = PlainLabel("a long sentence"), PlainLabel("one two three four", wrap=True)
    button = QPushButton("a long button")
    for number, each in enumerate((label, wrapped, button)):
        each.setParent(window)
        each.setGeometry(0, 40 * number, 30, 20)
        each.show()
    assert len(clipped_texts(window)) == 3
