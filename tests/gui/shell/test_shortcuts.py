"""One table is the source of every key: what is bound, what menus show, and what Help lists."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QApplication, QLabel, QWidget

from desktop.app import App, Options
from desktop.help_page import HelpPage
from desktop.shortcuts import Context, Shortcut
from serving.workspace import Workspace
from tests.conftest import ROOT
from tests.support.screens import OWNERS, SCREENS

_ELSEWHERE = re.compile(r"QKeySequence\(|QShortcut\(|StandardKey|setShortcuts?\(")


@pytest.fixture
def screens(application: QApplication, workspace: Workspace) -> Iterator[list[QWidget]]:
    made = [SCREENS[name]("otter") for name in SCREENS if "dialog" not in name]
    yield [*made, App(application, Options(workspace)).window]
    for owner in OWNERS:
        owner.deleteLater()
    OWNERS.clear()


def test_no_key_has_two_meanings_in_one_place() -> None:
    for context in Context:
        keys = Counter(keys for each in Shortcut if each.context is context for keys in each.keys)
        assert [keys for keys, number in keys.items() if number > 1] == [], context
    everywhere = {
        keys
        for each in Shortcut
        if each.context is Context.WINDOW and each is not Shortcut.LEAVE
        for keys in each.keys
    }
    for each in Shortcut:
        if each.context is not Context.WINDOW:
            assert not everywhere & set(each.keys), each


def test_every_key_is_one_that_qt_knows() -> None:
    for each in Shortcut:
        for keys, written in zip(each.sequences, each.keys, strict=True):
            assert keys.toString(QKeySequence.SequenceFormat.PortableText) == written


def test_the_sheet_lists_every_key(application: QApplication) -> None:
    page = HelpPage()
    texts = Counter(label.text() for label in page.findChildren(QLabel))
    for each in Shortcut:
        assert texts[each.text]
        assert texts[each.meaning]
    page.deleteLater()


def test_whatever_is_bound_is_in_the_table_and_bound_once(screens: list[QWidget]) -> None:
    known = {keys for each in Shortcut for keys in each.keys}
    bound: set[str] = set()
    for screen in screens:
        found: Counter[tuple[int, str]] = Counter()
        for action in screen.findChildren(QAction):
            for sequence in action.shortcuts():
                if isinstance(action.parent(), QWidget) and not _made_by_qt(action):
                    found[id(action.parent()), sequence.toString()] += 1
        assert screen.findChildren(QShortcut) == []
        assert [keys for keys, number in found.items() if number > 1] == []
        bound |= {keys for _, keys in found}
    assert bound <= known
    assert {"Ctrl+1", "Ctrl+N", "Ctrl+O", "Ctrl+Z", "Esc", "F2"} <= bound


def test_nothing_is_bound_beside_the_table_and_all_of_it_is_used() -> None:
    used: set[str] = set()
    for path in (ROOT / "desktop").rglob("*.py"):
        text = path.read_text()
        if path.name != "shortcuts.py":
            assert _ELSEWHERE.search(text) is None, path
            used |= set(re.findall(r"\bShortcut\.([A-Z_]+)", text))
    assert {each.name for each in Shortcut} <= used


def test_a_key_counts_as_it_is_typed() -> None:
    kind, key, modifier = QEvent.Type.KeyPress, Qt.Key, Qt.KeyboardModifier
    above_shift = QKeyEvent(kind, key.Key_1, modifier.ShiftModifier, "1")
    number_pad = QKeyEvent(kind, key.Key_1, modifier.KeypadModifier, "1")
    held = QKeyEvent(kind, key.Key_1, modifier.ControlModifier, "1")
    assert Shortcut.LABEL_BY_RANK.matches(above_shift)
    assert Shortcut.LABEL_BY_RANK.matches(number_pad)
    assert not Shortcut.LABEL_BY_RANK.matches(held)
    assert Shortcut.ACCEPT.matches(QKeyEvent(kind, key.Key_Enter, modifier.KeypadModifier, "\r"))
    assert Shortcut.FORMER_HIT.matches(QKeyEvent(kind, key.Key_Return, modifier.ShiftModifier))
    assert not Shortcut.NEXT_HIT.matches(QKeyEvent(kind, key.Key_Return, modifier.ShiftModifier))


def _made_by_qt(action: QAction) -> bool:
    """Whether Qt made it for the menu of one of its own widgets."""
    return bool(action.objectName()) or type(action.parent()).__module__.startswith("PySide6")
