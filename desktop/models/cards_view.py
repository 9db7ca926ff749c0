"""The cards of the models: a grid that fills the width."""

from __future__ import annotations

from PySide6.QtCore import QItemSelection, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractItemView

from desktop.models.cards_model import ENTRY, CardsModel
from desktop.models.entries import ModelEntry
from desktop.models.model_cards import ModelCards
from desktop.shortcuts import Shortcut
from desktop.translation import tr
from desktop.widgets.pictures import Pictures
from desktop.widgets.tile_grid import TileGrid


class CardsView(TileGrid):
    """Shows the cards of a CardsModel and which one is selected."""

    selection_changed = Signal()
    open_requested = Signal(str)
    """The name of a model: Enter or a double click on its card."""
    rename_requested = Signal(str)
    """F2 on the card of a model."""
    delete_requested = Signal(str)
    """Delete on the card of a model."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__(tr("Models"))
        self.cards = CardsModel()
        self.setModel(self.cards)
        self.set_tiles(ModelCards(pictures, self))
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.activated.connect(lambda index: self.open_requested.emit(index.data(ENTRY).name))
        pictures.ready.connect(lambda _: self.viewport().update())

    @property
    def selected(self) -> ModelEntry | None:
        """The entry of the selected card."""
        indexes = self.selectionModel().selectedIndexes()
        entry: ModelEntry | None = indexes[0].data(ENTRY) if indexes else None
        return entry

    def select(self, name: str) -> None:
        """Select the card called `name`, and scroll to it."""
        row = self.cards.row(name)
        if row is not None:
            index = self.cards.index(row)
            self.setCurrentIndex(index)
            self.scrollTo(index)

    def selectionChanged(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        super().selectionChanged(selected, deselected)
        self.selection_changed.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        entry = self.selected
        model = entry.model if entry is not None else None
        if model is not None and Shortcut.RENAME_MODEL.matches(event):
            self.rename_requested.emit(model.name)
        elif model is not None and Shortcut.DELETE_MODEL.matches(event):
            self.delete_requested.emit(model.name)
        else:
            super().keyPressEvent(event)
