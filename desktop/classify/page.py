"""The Classify place: drop photos, see what they show, say what they really show."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from PySide6.QtCore import QMimeData, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import (
    QAction,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QGuiApplication,
    QImage,
    QKeySequence,
    QShortcut,
)
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QLabel,
    QMenu,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop import formats, theme
from desktop.classify.detail_pane import DetailPane
from desktop.classify.drop_overlay import DropOverlay
from desktop.classify.gallery_model import PHOTO, GalleryModel
from desktop.classify.gallery_view import GalleryView
from desktop.classify.photo import Photo, PhotoState
from desktop.classify.score_chart import ROWS
from desktop.classify.thumbnails import Thumbnails
from desktop.widgets.combo_box import ComboBox
from desktop.widgets.empty_state import EmptyState
from desktop.widgets.page_header import PageHeader
from desktop.widgets.search_field import SearchField

_READABLE = "Photos (*.jpg *.jpeg *.png *.webp *.gif *.bmp *.tif *.tiff *.avif);;All files (*)"
_REFRESH_MILLISECONDS = 30
"""Counts and pane follow a burst of answers this closely, instead of each one."""


class ClassifyPage(QWidget):
    """Shows the gallery and the selected photo; what a person wants leaves as signals."""

    classify_requested = Signal(list)
    """list[Path]: files and folders that were dropped, opened or pasted."""
    image_pasted = Signal(QImage)
    """A picture from the clipboard that is no file."""
    label_requested = Signal(list, str)
    """list[str] of photo keys, and the class that a person gave them."""
    undo_requested = Signal(list)
    """list[str] of photo keys whose label is to be taken back; empty for the last one given."""
    reclassify_requested = Signal(list)
    """list[str] of photo keys to classify again."""
    remove_requested = Signal(list)
    """list[str] of photo keys to take out of the gallery."""
    export_requested = Signal(list, Path)
    """list[str] of photo keys, and the file to write."""

    def __init__(self, unsure_below: float, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAcceptDrops(True)
        self._live_version: int | None = None
        self.thumbnails = Thumbnails(self)
        self.model = GalleryModel(unsure_below, self)
        self.gallery = GalleryView(self.model, self.thumbnails)
        self.pane = DetailPane(self.thumbnails)
        self.empty = EmptyState(
            "empty-photos",
            "Drop photos here",
            "They are classified on this machine. Nothing leaves it.",
            "Open photos…",
        )
        self._nothing_found = _nothing_found()
        self._left = QStackedWidget()
        for widget in (self.gallery, self._nothing_found):
            self._left.addWidget(widget)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._header())
        inner = QVBoxLayout()
        inner.setContentsMargins(theme.M, 0, 0, 0)
        inner.addWidget(self._left)
        column.addLayout(inner, 1)
        self._split = QSplitter(Qt.Orientation.Horizontal)
        self._split.setChildrenCollapsible(False)
        self._split.setHandleWidth(1)
        self._split.addWidget(left)
        self._split.addWidget(self.pane)
        self._split.setStretchFactor(0, 1)
        self._split.setStretchFactor(1, 0)
        self._split.setSizes([760, 360])
        self._whole = QStackedWidget()
        self._inviting = self._invitation()
        self._whole.addWidget(self._inviting)
        self._whole.addWidget(self._split)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._whole)
        self._overlay = DropOverlay(self)
        self.setFocusProxy(self.gallery)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_REFRESH_MILLISECONDS)
        self._soon.timeout.connect(self._refresh)
        self._connect()
        self._refresh()

    @property
    def live_version(self) -> int | None:
        return self._live_version

    def set_live_version(self, version: int | None) -> None:
        """Say which version is live, so that older answers can be told apart."""
        self._live_version = version
        self._refresh()

    def set_classes(self, names: Iterable[str]) -> None:
        """Offer `names` where a person says what a photo shows."""
        self.pane.set_classes(names)

    def set_note(self, sentence: str) -> None:
        """Say, under the invitation to drop photos, what there is to answer them."""
        self.note.setText(sentence)

    def outdated(self) -> list[str]:
        """Keys of the photos whose answer came from another version than the live one."""
        if self._live_version is None:
            return []
        return [
            photo.key
            for photo in self.model.photos
            if photo.prediction is not None
            and photo.prediction.version != self._live_version
            and not photo.waiting
        ]

    def select(self, key: str) -> None:
        """Select one photo and show it."""
        self.gallery.select(key)

    def shown(self) -> Photo | None:
        """The photo in the pane; None where none or more than one is selected."""
        selected_photos = self.gallery.selected_photos
        return selected_photos[0] if len(selected_photos) == 1 else None

    def open_photos(self) -> None:
        """Ask for files in a dialog that does not block."""
        dialog = QFileDialog(self, "Open photos", "", _READABLE)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        self._classify_selected_files(dialog)

    def open_folder(self) -> None:
        """Ask for a folder in a dialog that does not block."""
        dialog = QFileDialog(self, "Open a folder of photos")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        self._classify_selected_files(dialog)

    def paste(self) -> None:
        """Take files or a picture from the clipboard."""
        self._take(QGuiApplication.clipboard().mimeData())

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if _has_photos(event.mimeData()):
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self._overlay.appear()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._overlay.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        self._overlay.hide()
        if self._take(event.mimeData()):
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()

    def _invitation(self) -> QWidget:
        self.note = QLabel()
        theme.set_role(self.note, "small")
        self.note.setWordWrap(True)
        self.note.setAlignment(Qt.AlignmentFlag.AlignCenter)
        zone = QFrame()
        theme.set_role(zone, "dropzone")
        inside = QVBoxLayout(zone)
        inside.setContentsMargins(theme.XL, theme.XL, theme.XL, theme.L)
        inside.addWidget(self.empty, 1)
        inside.addWidget(self.note)
        whole = QWidget()
        around = QVBoxLayout(whole)
        around.setContentsMargins(theme.XL, theme.XL, theme.XL, theme.XL)
        around.addWidget(zone)
        return whole

    def _header(self) -> PageHeader:
        self.header = PageHeader("Classify")
        self.search = SearchField("Search photos by name, class or label")
        self.search.setToolTip("Name, class or label (Ctrl+F)")
        self.search.setMinimumWidth(104)
        self.search.setMaximumWidth(220)
        self.states = ComboBox("Show only photos in a state")
        self.states.addItem("All", None)
        for state in PhotoState:
            self.states.addItem(state.value.capitalize(), state)
        self.reclassify = QPushButton()
        theme.set_icon(self.reclassify, "refresh", side=16)
        self.reclassify.hide()
        self.open = QPushButton("Open")
        theme.set_icon(self.open, "photo-add", side=16)
        self.more = QToolButton()
        theme.set_role(self.more, "quiet")
        theme.set_icon(self.more, "more")
        self.more.setToolTip("More")
        self.more.setAccessibleName("More")
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.more.setMenu(self._menu())
        for control in (self.search, self.states, self.reclassify, self.open, self.more):
            self.header.add(control)
        return self.header

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        paste = QKeySequence(QKeySequence.StandardKey.Paste)
        self._add_action(menu, "Open a folder…", self.open_folder, QKeySequence("Ctrl+Shift+O"))
        self._add_action(menu, "Paste", self.paste, paste)
        menu.addSeparator()
        self._add_action(menu, "Export answers…", self._ask_export, QKeySequence("Ctrl+E"))
        menu.addSeparator()
        self._add_action(
            menu, "Classify selected again", self._again_selected, QKeySequence("Ctrl+R")
        )
        self._add_action(menu, "Remove selected from the gallery", self._remove_selected)
        self._add_action(menu, "Remove all from the gallery", self._remove_all)
        return menu

    def _add_action(
        self, menu: QMenu, text: str, act: Callable[[], None], keys: QKeySequence | None = None
    ) -> None:
        action = QAction(text, self)
        action.triggered.connect(lambda: act())
        if keys is not None:
            action.setShortcut(keys)
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        menu.addAction(action)
        self.addAction(action)

    def _connect(self) -> None:
        self.empty.action_requested.connect(self.open_photos)
        self.open.clicked.connect(self.open_photos)
        self.reclassify.clicked.connect(lambda: self.reclassify_requested.emit(self.outdated()))
        self.search.textChanged.connect(self.gallery.filter.set_text)
        self.states.currentIndexChanged.connect(self._show_state)
        self.gallery.selection_changed.connect(self._show_selected)
        self.gallery.remove_requested.connect(self._remove_selected)
        self.pane.label_requested.connect(self._label_selected)
        self.pane.undo_requested.connect(lambda: self.undo_requested.emit(self._selected_keys()))
        self.pane.reclassify_requested.connect(self._again_selected)
        for signal in (
            self.model.rowsInserted,
            self.model.rowsRemoved,
            self.model.dataChanged,
            self.gallery.filter.layoutChanged,
            self.gallery.filter.rowsInserted,
            self.gallery.filter.rowsRemoved,
        ):
            signal.connect(self._refresh_soon)
        self._bind(QKeySequence(QKeySequence.StandardKey.Open), self.open_photos)
        self._bind(
            QKeySequence(QKeySequence.StandardKey.Undo), lambda: self.undo_requested.emit([])
        )
        self._bind(QKeySequence(QKeySequence.StandardKey.Find), self.search.setFocus)
        for number in range(1, ROWS + 1):
            keys = QShortcut(QKeySequence(str(number)), self.gallery)
            keys.setContext(Qt.ShortcutContext.WidgetShortcut)
            keys.activated.connect(_numbered(self._label_by_number, number))

    def _bind(self, keys: QKeySequence, act: Callable[[], None]) -> None:
        shortcut = QShortcut(keys, self)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(act)

    def _take(self, data: QMimeData) -> bool:
        if files := _local_files(data):
            self.classify_requested.emit(files)
            return True
        if data.hasImage():
            image = QImage(data.imageData())
            if not image.isNull():
                self.image_pasted.emit(image)
                return True
        return False

    def _classify_selected_files(self, dialog: QFileDialog) -> None:
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.filesSelected.connect(
            lambda names: self.classify_requested.emit([Path(name) for name in names])
        )
        dialog.open()

    def _selected_keys(self) -> list[str]:
        return [photo.key for photo in self.gallery.selected_photos]

    def _label_selected(self, name: str) -> None:
        if keys := self._selected_keys():
            self.label_requested.emit(keys, name)

    def _label_by_number(self, number: int) -> None:
        photo = self.shown()
        if photo is not None and photo.prediction and len(photo.prediction.scores) >= number:
            self._label_selected(photo.prediction.scores[number - 1].name)

    def _show_state(self) -> None:
        state = self.states.currentData()
        self.gallery.filter.set_state(PhotoState(state) if state else None)

    def _undo_last(self) -> None:
        self.undo_requested.emit([])

    def _again_selected(self) -> None:
        if keys := self._selected_keys():
            self.reclassify_requested.emit(keys)

    def _remove_selected(self) -> None:
        if keys := self._selected_keys():
            self.remove_requested.emit(keys)

    def _remove_all(self) -> None:
        self.remove_requested.emit([photo.key for photo in self.model.photos])

    def _ask_export(self) -> None:
        if not self.model.photos:
            return
        dialog = QFileDialog(self, "Export answers", "answers.csv", "CSV (*.csv);;JSON (*.json)")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.filterSelected.connect(
            lambda name: dialog.setDefaultSuffix("json" if "JSON" in name else "csv")
        )
        dialog.setDefaultSuffix("csv")
        dialog.fileSelected.connect(lambda name: self.export_to(Path(name)))
        dialog.open()

    def export_to(self, target: Path) -> None:
        """Ask for the photos that the search and the filter let through to be written."""
        rows = range(self.gallery.filter.rowCount())
        shown = [self.gallery.filter.index(row, 0).data(PHOTO).key for row in rows]
        self.export_requested.emit(shown, target)

    def _show_selected(self) -> None:
        selected_photos = self.gallery.selected_photos
        state = selected_photos[0].state(self.model.unsure_below) if selected_photos else None
        self.pane.show_photos(selected_photos, state, self._live_version)

    def _refresh_soon(self) -> None:
        if not self._soon.isActive():
            self._soon.start()

    def _refresh(self) -> None:
        self._show_selected()
        total, shown = len(self.model.photos), self.gallery.filter.rowCount()
        self._whole.setCurrentWidget(self._split if total else self._inviting)
        self._left.setCurrentWidget(self.gallery if shown else self._nothing_found)
        if shown == total:
            self.header.sentence.setText(formats.plural(total, "photo"))
        else:
            self.header.sentence.setText(f"{formats.count(shown)} of {formats.count(total)}")
        outdated = len(self.outdated())
        self.reclassify.setVisible(outdated > 0)
        self.reclassify.setText(f"Classify {formats.count(outdated)} again")
        self.reclassify.setToolTip(
            f"Their answers came from another version than v{self._live_version}"
        )


def _nothing_found() -> QLabel:
    label = QLabel("No photo matches. Clear the search or show all states.")
    theme.set_role(label, "muted")
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    label.setWordWrap(True)
    return label


def _has_photos(data: QMimeData) -> bool:
    return bool(_local_files(data)) or data.hasImage()


def _local_files(data: QMimeData) -> list[Path]:
    urls: list[QUrl] = data.urls() if data.hasUrls() else []
    return [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]


def _numbered(act: Callable[[int], None], number: int) -> Callable[[], None]:
    return lambda: act(number)
