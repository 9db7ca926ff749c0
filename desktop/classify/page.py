"""The Classify page: drop photos, see what they show, say what they really show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtGui import QAction, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QKeySequence
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QMenu,
    QSplitter,
    QStackedWidget,
    QWidget,
)

from desktop import formats, theme
from desktop.classify.detail_pane import DetailPane, answering_words
from desktop.classify.gallery import Gallery
from desktop.classify.gallery_model import GalleryModel
from desktop.classify.gallery_view import GalleryView
from desktop.classify.header import ClassifyHeader
from desktop.classify.photo import Photo, PhotoState
from desktop.classify.photo_intake import PhotoIntake
from desktop.classify.thumbnails import Thumbnails
from desktop.known_classes import KnownClasses
from desktop.widgets import build
from desktop.widgets.drop_overlay import DropOverlay
from desktop.widgets.empty_state import EmptyState
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.timers import single_shot_timer

_REFRESH_MILLISECONDS = 30
"""Counts follow a burst of answers this closely, instead of each answer."""


class ClassifyPage(QWidget):
    """Shows a gallery and its selected photos.

    What a person asks for is signalled by the part that was used: `intake`, `grid`,
    `pane`, `header` and the actions.
    """

    export_requested = Signal(Path)
    """The file to write the answers of `shown_keys` to."""
    shown_photo_changed = Signal()
    """There is a new answer or label of the photo in the pane."""

    def __init__(self, gallery: Gallery) -> None:
        super().__init__()
        self.setAcceptDrops(True)
        self.gallery = gallery
        self._shown_key = ""
        self.thumbnails = Thumbnails(self)
        self.intake = PhotoIntake(self)
        self.grid = GalleryView(GalleryModel(gallery, self), self.thumbnails)
        self.pane = DetailPane(gallery, self.thumbnails)
        self.undo_action = self._action("Undo the last label", QKeySequence.StandardKey.Undo)
        self.reclassify_action = self._action("Classify selected again", "Ctrl+R")
        self.remove_action = self._action("Remove selected from the gallery")
        self.remove_all_action = self._action("Remove all from the gallery")
        self._no_match = PlainLabel(
            "No photo matches. Clear the search or show all states.", "muted", wrap=True
        )
        self._no_match.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.header = ClassifyHeader(self._menu())
        self._left = _stack(self.grid, self._no_match)
        left = QWidget()
        indented = build.row((self._left, 1), margins=(theme.M, 0, 0, 0))
        build.column(self.header, (indented, 1), parent=left, spacing=0)
        self._split = QSplitter(Qt.Orientation.Horizontal)
        self._split.setChildrenCollapsible(False)
        self._split.setHandleWidth(1)
        self._split.addWidget(left)
        self._split.addWidget(self.pane)
        self._split.setStretchFactor(0, 1)
        self._split.setSizes([760, 360])
        self._invitation = self._invite()
        self._whole = _stack(self._invitation, self._split)
        build.column(self._whole, parent=self)
        self._overlay = DropOverlay(self, "Drop to classify")
        self.setFocusProxy(self.grid)
        self._refresh_soon = single_shot_timer(_REFRESH_MILLISECONDS, self._refresh, self)
        self._connect()
        self._refresh()

    def set_classes(self, known: KnownClasses) -> None:
        """Offer `known` where a person says what a photo shows."""
        self.pane.label_box.chooser.set_classes(known)

    def set_note(self, sentence: str) -> None:
        """Say, under the invitation to drop photos, what there is to answer them."""
        self.note.setText(sentence)

    def select(self, key: str) -> None:
        """Select one photo and show it."""
        self.grid.select(key)

    def selected_keys(self) -> list[str]:
        return [photo.key for photo in self.grid.selected_photos]

    def shown_photo(self) -> Photo | None:
        """Return the photo in the pane; None if none or more than one is selected."""
        return self.gallery.photo(self._shown_key)

    def first_selected_photo(self) -> Photo | None:
        """Return the selected photo that is nearest to the top; None if none is selected."""
        selected = self.grid.selected_photos
        return selected[0] if selected else None

    def shown_keys(self) -> list[str]:
        """Return the keys of the photos that match the search and the state."""
        return [photo.key for photo in self.grid.filter.photos]

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if self.intake.accepts(event.mimeData()):
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self._overlay.appear()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._overlay.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        self._overlay.hide()
        if self.intake.take(event.mimeData()):
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()

    def _invite(self) -> QWidget:
        self.empty = EmptyState(
            "empty-photos",
            "Drop photos here",
            "They are classified on this machine. Nothing leaves it.",
            "Open photos…",
        )
        self.note = PlainLabel("", "small", wrap=True)
        self.note.setAlignment(Qt.AlignmentFlag.AlignCenter)
        zone = QFrame()
        theme.set_role(zone, "dropzone")
        margins = (theme.XL, theme.XL, theme.XL, theme.L)
        build.column((self.empty, 1), self.note, parent=zone, margins=margins)
        whole = QWidget()
        build.column(zone, parent=whole, margins=(theme.XL, theme.XL, theme.XL, theme.XL))
        return whole

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        paste = QKeySequence.StandardKey.Paste
        menu.addAction(self._action("Open a folder…", "Ctrl+Shift+O", self.intake.open_folder))
        menu.addAction(self._action("Paste", paste, self.intake.paste))
        menu.addSeparator()
        menu.addAction(self._action("Export answers…", "Ctrl+E", self._open_export_dialog))
        menu.addSeparator()
        menu.addActions([self.reclassify_action, self.remove_action, self.remove_all_action])
        return menu

    def _action(
        self,
        text: str,
        keys: QKeySequence.StandardKey | str = "",
        act: Callable[[], object] | None = None,
    ) -> QAction:
        action = QAction(text, self)
        action.setShortcut(QKeySequence(keys))
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        if act is not None:
            action.triggered.connect(lambda: act())
        self.addAction(action)
        return action

    def _connect(self) -> None:
        self._action("Open photos…", QKeySequence.StandardKey.Open, self.intake.open_photos)
        self._action("Search", QKeySequence.StandardKey.Find, self.header.search.setFocus)
        self.empty.action_requested.connect(self.intake.open_photos)
        self.header.open.clicked.connect(self.intake.open_photos)
        self.header.search.textChanged.connect(self.grid.filter.set_text)
        self.header.states.currentIndexChanged.connect(self._filter_by_state)
        self.grid.selection_changed.connect(self._show_selected)
        self.grid.photo_model.dataChanged.connect(self._on_photos_changed)
        for signal in (
            self.grid.photo_model.rowsInserted,
            self.grid.photo_model.rowsRemoved,
            self.grid.filter.layoutChanged,
            self.grid.filter.rowsInserted,
            self.grid.filter.rowsRemoved,
        ):
            signal.connect(self._start_refresh)

    def _filter_by_state(self) -> None:
        state = self.header.states.currentData()
        self.grid.filter.set_state(PhotoState(state) if state else None)

    def _open_export_dialog(self) -> None:
        if not self.gallery.photos:
            return
        dialog = QFileDialog(self, "Export answers", "answers.csv", "CSV (*.csv);;JSON (*.json)")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.filterSelected.connect(
            lambda name: dialog.setDefaultSuffix("json" if "JSON" in name else "csv")
        )
        dialog.setDefaultSuffix("csv")
        dialog.fileSelected.connect(lambda name: self.export_requested.emit(Path(name)))
        dialog.open()

    def _show_selected(self) -> None:
        selected = self.grid.selected_photos
        self._shown_key = selected[0].key if len(selected) == 1 else ""
        self.pane.show_photos(selected)

    def _on_photos_changed(self, first: QModelIndex, last: QModelIndex) -> None:
        row = self.gallery.row(self._shown_key)
        # The pane never lags behind the one photo it shows. A summary of many waits for
        # the timer, because it would be made again for each answer of a burst.
        if row is not None and first.row() <= row <= last.row():
            self._show_selected()
            self.shown_photo_changed.emit()
        self._start_refresh()

    def _start_refresh(self) -> None:
        # Not restarted: a burst longer than the interval is to be seen while it lasts.
        if not self._refresh_soon.isActive():
            self._refresh_soon.start()

    def _refresh(self) -> None:
        self._show_selected()
        total, shown = len(self.gallery.photos), self.grid.filter.rowCount()
        self._whole.setCurrentWidget(self._split if total else self._invitation)
        self._left.setCurrentWidget(self.grid if shown else self._no_match)
        if shown == total:
            self.header.sentence.setText(formats.plural(total, "photo"))
        else:
            self.header.sentence.setText(f"{formats.count(shown)} of {formats.count(total)}")
        self.header.show_outdated(
            self.gallery.outdated_count, answering_words(self.gallery.answering)
        )


def _stack(*widgets: QWidget) -> QStackedWidget:
    stack = QStackedWidget()
    for widget in widgets:
        stack.addWidget(widget)
    return stack
