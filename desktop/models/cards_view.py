"""The cards of the models: a grid that fills the width."""

from __future__ import annotations

from PySide6.QtCore import QItemSelection, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QFrame, QListView

from desktop.models.card_delegate import CardDelegate
from desktop.models.cards_model import ENTRY, CardsModel
from desktop.models.entries import ModelEntry
from desktop.models.pictures import Pictures


class CardsView(QListView):
    """Shows the cards of a CardsModel and which one is selected."""

    selection_changed = Signal()
    open_requested = Signal(str)
    """The name of a model: Enter or a double click on its card."""
    rename_requested = Signal(str)
    """F2 on the card of a model."""
    delete_requested = Signal(str)
    """Delete on the card of a model."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__()
        self.cards = CardsModel()
        self._delegate = CardDelegate(pictures, self)
        self.setModel(self.cards)
        self.setItemDelegate(self._delegate)
        self.setAccessibleName("Models")
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setMovement(QListView.Movement.Static)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setMouseTracking(True)
        self.verticalScrollBar().setSingleStep(24)
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
        if model is not None and event.key() == Qt.Key.Key_F2:
            self.rename_requested.emit(model.name)
        elif model is not None and event.key() == Qt.Key.Key_Delete:
            self.delete_requested.emit(model.name)
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        width = self.width() - self.verticalScrollBar().sizeHint().width() - 1
        cell = self._delegate.fit(width, self.devicePixelRatioF())
        if cell != self.gridSize():
            self.setGridSize(QSize(cell))
        super().resizeEvent(event)
