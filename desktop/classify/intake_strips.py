"""Lines on the Classify page about what came in: a drop to label, folders that are watched."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QMenu, QToolButton

from desktop import formats, theme
from desktop.classify.watched_folders import WatchedFolder
from desktop.translation import tr
from desktop.widgets import build, plain_text
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.wrapping_row import WrappingRow
from serving.class_names import ClassNameError, checked_class_name


class DropStrip(QFrame):
    """Offers to label all photos of a drop at once; hidden until there is one."""

    label_requested = Signal(list, str)
    """list[str], str: the keys of the photos, and the class that all of them show."""
    select_requested = Signal(list)
    """list[str]: the photos are to be selected, so that a person can say what they show."""

    def __init__(self) -> None:
        super().__init__()
        theme.set_role(self, "strip")
        self._keys: list[str] = []
        self._class = ""
        self._text = ElidedLabel()
        self.label = build.button(tr("Label all"))
        self.label.clicked.connect(lambda: self.label_requested.emit(self._keys, self._class))
        self.select = build.button(
            tr("Another class…"), role="quiet", tip=tr("Select them, then say what they show")
        )
        self.select.clicked.connect(lambda: self.select_requested.emit(self._keys))
        self.close_button = build.icon_button("close", tr("Close"), "muted")
        for button in (self.label, self.select, self.close_button):
            button.clicked.connect(self.hide)
        margins = (theme.L, theme.XS, theme.M, theme.XS)
        buttons = WrappingRow(self.label, self.select)
        row = WrappingRow(self._text, buttons, words=self._text, last=self.close_button)
        build.column(row, parent=self, margins=margins)
        self.hide()

    def offer(self, keys: Sequence[str], name: str) -> None:
        """Offer to label these photos by the name of their folder, if that can be a class, or as
        another class; `name` is empty if several things were dropped."""
        try:
            self._class = checked_class_name(name) if name else ""
        except ClassNameError:
            self._class = ""
        self._keys = list(keys)
        photos = formats.plural(len(keys), "photo")
        self._text.setText(
            tr("Do all {photos} from {name} show the same thing?", photos=photos, name=name)
            if name
            else tr("Do all {photos} show the same thing?", photos=photos)
        )
        self.label.setText(
            plain_text.caption(tr("Label all “{class_name}”", class_name=self._class))
        )
        self.label.setVisible(bool(self._class))
        self.select.setText(tr("Another class…") if self._class else tr("Label all…"))
        self.show()


class WatchStrip(QFrame):
    """Says which folders are watched, and ends it; hidden while none is."""

    end_requested = Signal(Path)

    def __init__(self) -> None:
        super().__init__()
        theme.set_role(self, "bar")
        self.text = ElidedLabel(role="small")
        self.end = QToolButton()
        theme.set_role(self.end, "status")
        self.end.setText(tr("Stop watching"))
        self.end.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu = QMenu(self)
        self.end.setMenu(self.menu)
        margins = (theme.L, 0, theme.S, 0)
        mark = build.icon("folder", "muted", side=16)
        build.row(mark, (self.text, 1), self.end, parent=self, margins=margins)
        self.hide()

    def show_folders(self, folders: Sequence[WatchedFolder]) -> None:
        self.text.setText(_words(folders))
        self.menu.clear()
        for folder in folders:
            action = self.menu.addAction(plain_text.caption(str(folder.path), 120))
            action.triggered.connect(partial(self._end, folder.path))
        self.setVisible(bool(folders))

    def _end(self, folder: Path) -> None:
        self.end_requested.emit(folder)


def _words(folders: Sequence[WatchedFolder]) -> str:
    """Return what is watched and what came of it, the problems first."""
    missing = [folder.path.name for folder in folders if folder.problem]
    arrived = sum(folder.arrived for folder in folders)
    parts = [tr("{folders} cannot be read", folders=", ".join(missing))] if missing else []
    parts.append(
        tr("Watching {name} for new photos", name=folders[0].path.name)
        if len(folders) == 1
        else tr("Watching {count} folders for new photos", count=formats.count(len(folders)))
    )
    if arrived:
        parts.append(tr("{photos} came", photos=formats.plural(arrived, "photo")))
    return "; ".join(parts) + "."
