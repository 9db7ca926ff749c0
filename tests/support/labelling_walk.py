"""A person who knows what photos show, and labels them on the Learn page with keys and clicks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from desktop.learn.labelling.class_picker import ClassPicker
from desktop.learn.labelling.groups_view import GroupsView
from desktop.learn.page import LearnPage, LearnView
from tests.support.waiting import TIMEOUT_SECONDS, wait_until

_NO_GROUPS = ("Every group has been looked at", "No photos that look alike", "No photos to label")
RETURN = Qt.Key.Key_Return


@dataclass
class Effort:
    """What labelling took: a name that is typed is one action, as a key or a click is."""

    actions: int = 0
    keys: int = 0
    """Every letter counts."""


class Walker:
    """Labels the photos of `truth`, which has the class of each by its SHA-256."""

    def __init__(
        self, page: LearnPage, truth: Mapping[str, str], seconds: float = TIMEOUT_SECONDS
    ) -> None:
        """`seconds` is how long finding out what to label may take."""
        self.page, self.truth, self.effort = page, truth, Effort()
        self._seconds = seconds
        self.labelled: dict[str, str] = {}

    async def name_groups(self, until: int = 0) -> None:
        """Name group after group, with what does not belong there clicked away.

        Until there are no more, or `until` photos and all classes are labelled.
        """
        view = self.page.groups_view
        self.page.show_view(LearnView.GROUPS)
        while await self._shows_group(view):
            assert view.group is not None
            named = set(self.labelled.values())
            if until and len(self.labelled) >= until and named == set(self.truth.values()):
                return
            images = list(view.group.images)
            (name, times), *_ = Counter(self.truth[image] for image in images).most_common()
            if 2 * times <= len(images):  # a group of everything is left for later
                self._press(view, "-")
                continue
            for number, image in enumerate(images):
                if self.truth[image] != name:
                    self._click(view, number)
                else:
                    self.labelled[image] = name
            self.name(view, view.picker, name)

    async def _shows_group(self, view: GroupsView) -> bool:
        """Wait for the next group; returns whether there is one."""
        await wait_until(
            lambda: view.group is not None or view.empty.heading.text() in _NO_GROUPS,
            self._seconds,
        )
        await asyncio.sleep(0)  # the window goes on meanwhile
        return view.group is not None

    def name(self, view: QWidget, picker: ClassPicker, name: str) -> None:
        """Give the photos on the screen a class, by its key or by typing it."""
        offered = [choice.name for choice in picker.choices]
        if offered[:1] == [name]:
            self._press(view, RETURN)
        elif name in offered:
            self._press(view, str(offered.index(name) + 1))
        else:
            focused = self._focused(view)
            QTest.keyClicks(focused, name[0])
            QTest.keyClicks(picker.field, name[1:])
            matches = [choice.name for choice in picker.choices]
            for _ in range(matches.index(name)):
                QTest.keyClick(picker.field, Qt.Key.Key_Down)
            QTest.keyClick(picker.field, RETURN)
            self.effort.actions += 1
            self.effort.keys += len(name) + matches.index(name) + 1

    def _press(self, view: QWidget, key: Qt.Key | str) -> None:
        if isinstance(key, str):
            QTest.keyClicks(self._focused(view), key)
        else:
            QTest.keyClick(self._focused(view), key)
        self.effort.actions += 1
        self.effort.keys += 1

    def _focused(self, view: QWidget) -> QWidget:
        focused = view.window().focusWidget()
        assert focused is not None
        return focused

    def _click(self, view: GroupsView, number: int) -> None:
        index = view.grid.model().index(number, 0)
        view.grid.scrollTo(index)
        at = view.grid.visualRect(index).center()
        QTest.mouseClick(view.grid.viewport(), Qt.MouseButton.LeftButton, pos=at)
        self.effort.actions += 1
        self.effort.keys += 1
