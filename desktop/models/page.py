"""The Models page: the models of the workspace as cards, the selected one beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QMimeData, QPoint, Qt, Signal
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QMenu,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QWidget,
)

from backend.contract import BuiltInSummary, DeletedModel, ModelSummary, NewModel
from desktop import theme
from desktop.dropped_addresses import addresses_in
from desktop.models import wording
from desktop.models.cards_view import CardsView
from desktop.models.entries import ModelEntry
from desktop.models.folder_sheet import FolderSheet
from desktop.models.learn_from_folder import is_archive
from desktop.models.name_dialog import NameDialog
from desktop.models.new_model_dialog import NewModelDialog
from desktop.models.new_model_form import Backbone
from desktop.models.one_model import OneModelView
from desktop.models.pane import ModelPane
from desktop.shortcuts import Shortcut, bind, menu_text
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.dialogs import FileDialog
from desktop.widgets.drop_overlay import DropOverlay
from desktop.widgets.empty_state import EmptyState
from desktop.widgets.focus import delegate_focus
from desktop.widgets.page_header import PageHeader
from desktop.widgets.pictures import Pictures
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.plain_text import caption
from serving.importing.holds_model import is_model_file
from serving.photo_folder import PhotoFolder

_MODEL_FILTER = tr("Models (*.keras *.h5 *.hdf5 *.zip *.pb);;All files (*)")


class ModelsPage(QWidget):
    """Shows the entries; what a person asks for is signalled here, by `pane` and by `one`."""

    new_requested = Signal(object)
    """NewModel"""
    folder_requested = Signal(list, str)
    """list[Path]: what was dropped or selected to learn from; and the model that is to,
    empty for a new one."""
    catalogue_requested = Signal()
    """A model is to be added that others made."""
    model_requested = Signal(Path)
    """A model is to be imported from this file or folder."""
    rename_requested = Signal(str, str)
    duplicate_requested = Signal(str, str)
    delete_requested = Signal(str)
    restore_requested = Signal(str)
    """The token of a deleted model."""
    keep_requested = Signal(str, int)
    """A model, and how many of its newest versions stay."""
    shown = Signal()
    """A person went to the page: what only this process knows may have changed meanwhile."""
    one_model_view_made = Signal(OneModelView)
    """The view of one model was made; its signals can be connected."""

    def __init__(self) -> None:
        super().__init__()
        self.setAcceptDrops(True)
        self._known = False
        self._built_in: Sequence[BuiltInSummary] = ()
        self._deleted: Sequence[DeletedModel] = ()
        self.pictures = Pictures(self)
        self.header = PageHeader(tr("Models"))
        self.from_folder = build.button(
            tr("From photos…"), "folder", tip=tr("Learn from a folder with one folder a class")
        )
        self.add = build.button(
            tr("Add model…"),
            "plus",
            tip=tr("Download one of the catalogue, or import one of yours"),
        )
        self.new = build.button(
            tr("New model…"),
            role="primary",
            tip=tr("Begin with a name; it learns the photos that you label"),
        )
        self.more = build.icon_button("more", tr("More"), side=20)
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._page_menu = QMenu(self)
        self._page_menu.aboutToShow.connect(self._fill_page_menu)
        self.more.setMenu(self._page_menu)
        for control in (self.from_folder, self.add, self.new, self.more):
            self.header.add(control)
        self.cards = CardsView(self.pictures)
        self._model_menu = QMenu(self)
        self._model_menu.aboutToShow.connect(self._fill_model_menu)
        self.pane = ModelPane(self._model_menu)
        self._split = QSplitter(Qt.Orientation.Horizontal)
        self._split.setChildrenCollapsible(False)
        self._split.setHandleWidth(1)
        left = QWidget()
        build.row((self.cards, 1), parent=left, margins=(theme.M, 0, 0, 0))
        left.setMinimumWidth(240)
        self._split.addWidget(left)
        self._split.addWidget(self.pane)
        self._split.setStretchFactor(0, 1)
        self._split.setSizes([780, 300])
        self.empty = EmptyState(
            "empty-models",
            tr("No models yet"),
            tr(
                "Make one of your own classes: drop a folder with one folder a"
                " class here, or begin with a name and label photos."
            ),
            tr("New model…"),
        )
        self.waiting = PlainLabel(tr("The backend is starting."), "muted", wrap=True)
        self.waiting.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.waiting.setMargin(theme.XL)
        self._body = QStackedWidget()
        for widget in (self.waiting, self.empty, self._split):
            self._body.addWidget(widget)
        listed = QWidget()
        build.column(self.header, (self._body, 1), parent=listed, spacing=0)
        self._one: OneModelView | None = None
        self._whole = QStackedWidget()
        self._whole.addWidget(listed)
        build.column(self._whole, parent=self)
        self._overlay = DropOverlay(self, tr("Drop a folder with one folder a class, or a model"))
        delegate_focus(self, self.cards)
        self._connect()
        self._enable(False)

    @property
    def one(self) -> OneModelView:
        """The view of one model; made when it is needed first, for most days pass without it."""
        if self._one is None:
            self._one = OneModelView(self.pictures)
            self._one.back_requested.connect(self.close_model)
            self._whole.addWidget(self._one)
            self.one_model_view_made.emit(self._one)
        return self._one

    @property
    def opened_model(self) -> str:
        """The model whose versions are on show; empty while the cards are."""
        shown = self._whole.currentWidget()
        return self._one.model if self._one is not None and shown is self._one else ""

    def show_entries(self, entries: Sequence[ModelEntry]) -> None:
        """Show the cards; a model that disappeared is no longer on show."""
        self._known = True
        self._enable(True)
        models = [each.model for each in entries if each.model is not None]
        self._built_in = [each.built_in for each in entries if each.built_in is not None]
        self.header.sentence.setText(wording.page_sentence(models))
        self.cards.cards.show_entries(entries)
        self._body.setCurrentWidget(self._split if entries else self.empty)
        if entries and self.cards.selected is None:
            self.cards.select(entries[0].name)
        self._show_selected()
        if self.opened_model and self.opened_model not in {each.name for each in models}:
            self.close_model()

    def show_deleted(self, deleted: Sequence[DeletedModel]) -> None:
        """Offer the models that can be restored."""
        self._deleted = deleted

    def show_unavailable(self, sentence: str) -> None:
        """Say why nothing is known, until something is."""
        if not self._known:
            self.waiting.setText(sentence)
            self.header.sentence.setText("")
        else:
            self.header.sentence.setText(sentence)

    def select(self, name: str) -> None:
        """Select the card of a model and show it in the pane."""
        self.cards.select(name)

    def open_model(self, name: str) -> None:
        """Show the versions of a model in place of the cards."""
        entry = self.entry(name)
        if entry is None or entry.model is None:
            return
        self.cards.select(name)
        self.one.show_model(entry.model)
        self._whole.setCurrentWidget(self.one)
        self.one.setFocus(Qt.FocusReason.OtherFocusReason)

    def close_model(self) -> None:
        """Show the cards again."""
        self._whole.setCurrentIndex(0)
        self.cards.setFocus(Qt.FocusReason.OtherFocusReason)

    def entry(self, name: str) -> ModelEntry | None:
        return next((each for each in self.cards.cards.entries if each.name == name), None)

    def names(self) -> list[str]:
        """Return the names of the workspace's models."""
        return [each.name for each in self.cards.cards.entries if each.model is not None]

    def backbones(self) -> list[Backbone]:
        """Return what a new model can be built on, the built-in models first."""
        models = {
            each.name: each.model for each in self.cards.cards.entries if each.model is not None
        }
        found = [
            Backbone(each.name, each.title, models[each.name].class_count)
            if each.name in models
            else Backbone(each.name, each.title)
            for each in sorted(self._built_in, key=lambda each: not each.installed)
        ]
        known = {each.name for each in found}
        found += [
            Backbone(name, name, model.class_count)
            for name, model in models.items()
            if name not in known and model.live_version is not None
        ]
        return found

    def open_new_dialog(self) -> NewModelDialog | None:
        """Ask for a new model; None if there is nothing to build one on."""
        backbones = self.backbones()
        if not backbones:
            return None
        dialog = NewModelDialog(backbones, self.names(), self)
        dialog.model_requested.connect(self.new_requested)
        dialog.open()
        return dialog

    def open_folder_sheet(
        self,
        name: str,
        found: PhotoFolder | None,
        start: Callable[[NewModel | str], object],
        model: str = "",
    ) -> FolderSheet | None:
        """Show what was found, and ask which model is to learn from it.

        `name` is proposed for a new model; `found` is None for what is looked into later.
        None if there is nothing to build a model on.
        """
        backbones = self.backbones()
        if not backbones:
            return None
        sheet = FolderSheet(name, found, backbones, self.names(), self, model=model)
        sheet.start_requested.connect(start)
        sheet.open()
        return sheet

    def open_folder_dialog(self, model: str = "") -> None:
        """Ask for a folder that a new model, or `model`, is to learn from."""
        dialog = FileDialog(self, tr("Open a folder with one folder a class"))
        dialog.setFileMode(FileDialog.FileMode.Directory)
        dialog.fileSelected.connect(lambda name: self.folder_requested.emit([Path(name)], model))
        dialog.open()

    def open_model_file_dialog(self, parent: QWidget) -> None:
        """Ask for the file of a model to import."""
        dialog = FileDialog(parent, tr("Import a model from a file"))
        dialog.setFileMode(FileDialog.FileMode.ExistingFile)
        dialog.setNameFilter(_MODEL_FILTER)
        self._open_model_dialog(dialog)

    def open_model_folder_dialog(self, parent: QWidget) -> None:
        """Ask for the folder of a model to import."""
        dialog = FileDialog(parent, tr("Import a model from a folder"))
        dialog.setFileMode(FileDialog.FileMode.Directory)
        self._open_model_dialog(dialog)

    def _open_model_dialog(self, dialog: FileDialog) -> None:
        dialog.fileSelected.connect(lambda name: self.model_requested.emit(Path(name)))
        dialog.open()

    def open_rename_dialog(self, name: str) -> NameDialog:
        taken = [each for each in self.names() if each != name]
        dialog = NameDialog(tr("Rename {name}", name=name), tr("Rename"), name, taken, self)
        dialog.name_requested.connect(lambda new: self.rename_requested.emit(name, new))
        dialog.open()
        return dialog

    def open_duplicate_dialog(self, name: str) -> NameDialog:
        dialog = NameDialog(
            tr("Duplicate {name}", name=name),
            tr("Duplicate"),
            tr("{name} copy", name=name),
            self.names(),
            self,
        )
        dialog.name_requested.connect(lambda new: self.duplicate_requested.emit(name, new))
        dialog.open()
        return dialog

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.shown.emit()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        # Photos by themselves are for the Classify page, which the window then shows.
        if any(
            path.is_dir() or is_archive(path) or is_model_file(path)
            for path in dropped_paths(event.mimeData())
        ):
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self._overlay.appear()
        else:
            event.ignore()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._overlay.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        self._overlay.hide()
        if paths := dropped_paths(event.mimeData()):
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self.folder_requested.emit(paths, "")

    def _enable(self, enabled: bool) -> None:
        for control in (self.new, self.from_folder, self.add, self.more):
            control.setEnabled(enabled)

    def _connect(self) -> None:
        self.new.clicked.connect(self.open_new_dialog)
        self.empty.action_requested.connect(self.open_new_dialog)
        self.from_folder.clicked.connect(lambda: self.open_folder_dialog())
        self.add.clicked.connect(self.catalogue_requested)
        self.cards.selection_changed.connect(self._show_selected)
        self.cards.open_requested.connect(self.open_model)
        self.cards.rename_requested.connect(self.open_rename_dialog)
        self.cards.delete_requested.connect(self._delete)
        self.cards.customContextMenuRequested.connect(self._open_context_menu)
        self.pane.open_requested.connect(self.open_model)
        for keys, act in (
            (Shortcut.NEW_MODEL, self.open_new_dialog),
            (Shortcut.LEARN_FROM_FOLDER, self.open_folder_dialog),
        ):
            bind(keys, self, act)

    def _show_selected(self) -> None:
        self.pane.show_entry(self.cards.selected)

    def _delete(self, name: str) -> None:
        entry = self.entry(name)
        if entry is not None and entry.model is not None and not entry.model.current:
            self.delete_requested.emit(name)

    def _open_context_menu(self, position: QPoint) -> None:
        entry = self.cards.selected
        if entry is not None and entry.model is not None:
            self._model_menu.popup(self.cards.viewport().mapToGlobal(position))

    def _fill_model_menu(self) -> None:
        self._model_menu.clear()
        entry = self.cards.selected
        model = entry.model if entry is not None else None
        if model is None:
            return
        name = model.name
        menu, add = self._model_menu, self._model_menu.addAction
        add(menu_text(tr("Versions and report"), Shortcut.OPEN_MODEL)).triggered.connect(
            lambda: self.open_model(name)
        )
        add(tr("Learn from a folder…")).triggered.connect(lambda: self.open_folder_dialog(name))
        menu.addSeparator()
        add(menu_text(tr("Rename…"), Shortcut.RENAME_MODEL)).triggered.connect(
            lambda: self.open_rename_dialog(name)
        )
        add(tr("Duplicate…")).triggered.connect(lambda: self.open_duplicate_dialog(name))
        menu.addMenu(self._keep_menu(model))
        menu.addSeparator()
        delete = add(
            menu_text(
                tr("Delete, with {contents}", contents=wording.deleted_contents(model)),
                Shortcut.DELETE_MODEL,
            )
        )
        delete.setEnabled(not model.current)
        if model.current:
            delete.setText(tr("Delete (use another model first)"))
        delete.triggered.connect(lambda: self.delete_requested.emit(name))

    def _keep_menu(self, model: ModelSummary) -> QMenu:
        menu = QMenu(tr("Keep versions"), self._model_menu)
        for number in sorted({3, 5, 10, 20, 50, model.keep_versions}):
            action = menu.addAction(tr("The newest {number}", number=number))
            action.setCheckable(True)
            action.setChecked(number == model.keep_versions)
            action.triggered.connect(
                lambda checked, number=number: self.keep_requested.emit(model.name, number)
            )
        return menu

    def _fill_page_menu(self) -> None:
        self._page_menu.clear()
        for each in self._built_in:
            if not each.installed:
                add = self._page_menu.addAction(tr("Add {title}", title=caption(each.title)))
                add.triggered.connect(
                    lambda checked, name=each.name: self.pane.add_requested.emit(name)
                )
        if self._deleted:
            self._page_menu.addSeparator()
        for deleted in self._deleted:
            restore = self._page_menu.addAction(tr("Restore {name}", name=caption(deleted.name)))
            restore.triggered.connect(
                lambda checked, token=deleted.token: self.restore_requested.emit(token)
            )
        if self._page_menu.isEmpty():
            self._page_menu.addAction(tr("Nothing was deleted")).setEnabled(False)


def dropped_paths(data: QMimeData) -> list[Path]:
    """Return the files and folders of this machine in `data`."""
    return list(addresses_in(data).files)
