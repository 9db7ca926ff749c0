"""Lists the models that can be downloaded, and offers to import one from a file or folder."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QProgressBar,
    QScrollArea,
    QWidget,
)

from desktop import theme
from desktop.formats import percent, size
from desktop.models.importing.catalogue import CatalogueItem
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.dialogs import Dialog, ReturnField
from desktop.widgets.plain_label import PlainLabel

_HEADINGS = (tr("Model"), tr("Accuracy"), tr("Download"), tr("Input"), tr("Licence"), "")
_ACTION_WIDTH = 104


class CatalogueDialog(Dialog):
    """Shows the items of a catalogue. Closing it leaves downloads running."""

    download_requested = Signal(str, str)
    """The name of a model, and the address of a mirror or nothing."""
    cancel_requested = Signal(str)
    file_requested = Signal()
    """A model is to be imported from a file."""
    folder_requested = Signal()
    """A model is to be imported from a folder."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(tr("Add a model"), parent)
        self.rows: dict[str, CatalogueRow] = {}
        self.sentence = PlainLabel(tr("Asking for the catalogue."), "muted", wrap=True)
        self.mirror = ReturnField()
        self.mirror.setAccessibleName(tr("Address of a mirror"))
        self.mirror.setPlaceholderText(
            tr("Mirror, if the usual address cannot be reached: https://…")
        )
        self.from_file = build.button(tr("From a file…"), tip=tr("A .keras, .h5 or .zip file"))
        self.from_folder = build.button(
            tr("From a folder…"),
            "folder",
            tip=tr("A SavedModel or a model folder of TensorFlow Serving"),
        )
        self.close_button = build.button(tr("Close"))
        inside = QWidget()
        inside.setProperty("role", "scrolled")
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(theme.L)
        self._grid.setVerticalSpacing(theme.XS)
        self._grid.setColumnStretch(0, 1)
        self._grid.setColumnMinimumWidth(len(_HEADINGS) - 1, _ACTION_WIDTH)
        build.column(self._grid, None, parent=inside, margins=(0, 0, theme.M, 0))
        area = QScrollArea()
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(inside)
        build.column(
            PlainLabel(tr("Catalogue"), "title"),
            self.sentence,
            (area, 1),
            self.mirror,
            build.row(
                PlainLabel(tr("A model of yours:"), "muted"),
                self.from_file,
                self.from_folder,
                None,
                self.close_button,
            ),
            parent=self,
            spacing=theme.M,
            margins=(theme.XL, theme.L, theme.XL, theme.L),
        )
        window = parent.window().size()
        self.setMinimumSize(620, 380)
        self.resize(min(860, window.width() - 40), min(680, window.height() - 40))
        self.close_button.clicked.connect(self.reject)
        self.from_file.clicked.connect(self.file_requested)
        self.from_folder.clicked.connect(self.folder_requested)
        self.close_button.setFocus()

    def show_items(self, items: Sequence[CatalogueItem]) -> None:
        """Show the catalogue, the download of each model in its place."""
        self.sentence.setText(
            tr(
                "Networks that were trained on ImageNet's thousand classes, the"
                " smallest first. Accuracy is what their authors published."
            )
        )
        if [each.entry.name for each in items] != list(self.rows):
            self._make_rows(items)
        for each in items:
            self.rows[each.entry.name].show_item(each)

    def show_problem(self, sentence: str) -> None:
        """Say why there is no catalogue."""
        self.sentence.setText(sentence)

    def _make_rows(self, items: Sequence[CatalogueItem]) -> None:
        while (taken := self._grid.takeAt(0)) is not None:
            if (widget := taken.widget()) is not None:
                widget.deleteLater()
        for column, words in enumerate(_HEADINGS):
            self._grid.addWidget(PlainLabel(words, "small"), 0, column)
        self.rows = {each.entry.name: CatalogueRow(each) for each in items}
        for number, (name, row) in enumerate(self.rows.items()):
            row.add_to(self._grid, 1 + 3 * number)
            row.action.clicked.connect(lambda _, name=name: self._act(name))
        offered = [self.rows[each.entry.name] for each in items if not each.entry.installed]
        if offered and self.close_button.hasFocus():
            offered[0].action.setFocus()

    def _act(self, name: str) -> None:
        if self.rows[name].item.running:
            self.cancel_requested.emit(name)
        else:
            self.download_requested.emit(name, self.mirror.text().strip())


class CatalogueRow:
    """The widgets of one model of the catalogue."""

    def __init__(self, item: CatalogueItem) -> None:
        self.item = item
        entry = item.entry
        self.title = PlainLabel(entry.title, "heading")
        self.description = PlainLabel(entry.description, "small", wrap=True)
        self.facts = [
            PlainLabel(words)
            for words in (
                percent(entry.accuracy),
                size(entry.size_bytes),
                tr("{pixels} px", pixels=entry.input_side),
                entry.licence,
            )
        ]
        for label, heading in zip(self.facts, _HEADINGS[1:], strict=False):
            label.setFont(theme.font(numbers=True))
            label.setAccessibleName(f"{entry.title}, {heading}: {label.text()}")
        self.action = build.button(tr("Download"))
        self.added = PlainLabel(tr("Added"), "state accent")
        self.step = PlainLabel("", "small", wrap=True)
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(tr("Download of {title}", title=entry.title))
        self.problem = PlainLabel("", "error", wrap=True, selectable=True, limit=800)
        self._below = QWidget()
        build.column(
            self.progress,
            self.step,
            self.problem,
            parent=self._below,
            spacing=theme.XS,
        )
        self._line = QFrame()
        theme.set_role(self._line, "separator")
        self._line.setFixedHeight(1)

    def add_to(self, grid: QGridLayout, row: int) -> None:
        """Put it into three rows of a grid."""
        named = QWidget()
        build.column(self.title, self.description, parent=named, spacing=0)
        grid.addWidget(self._line, row, 0, 1, len(_HEADINGS))
        grid.addWidget(named, row + 1, 0)
        for column, label in enumerate(self.facts, 1):
            grid.addWidget(label, row + 1, column)
        grid.addWidget(self.action, row + 1, len(_HEADINGS) - 1)
        grid.addWidget(self.added, row + 1, len(_HEADINGS) - 1)
        grid.addWidget(self._below, row + 2, 0, 1, len(_HEADINGS))

    def show_item(self, item: CatalogueItem) -> None:
        """Show what became of it."""
        self.item = item
        words = tr("Download")
        if item.running:
            words = tr("Cancel")
        elif item.problem:
            words = tr("Try again")
        elif item.stopped:
            words = tr("Continue")
        self.action.setText(words)
        self.action.setAccessibleName(f"{words}: {item.entry.title}")
        self.action.setVisible(not item.entry.installed)
        self.added.setVisible(item.entry.installed)
        self.added.setAccessibleName(tr("{title} is added", title=item.entry.title))
        self.progress.setValue(round(1000 * item.progress))
        self.progress.setVisible(item.running)
        self.step.setText(translated(item.step))
        self.step.setVisible(item.running)
        self.problem.setText(f"{item.problem} {item.advice}".strip())
        self.problem.setVisible(bool(item.problem) and not item.running)
        self._below.setVisible(item.running or bool(item.problem))
