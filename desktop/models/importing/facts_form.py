"""What a model takes and gives, each fact with where it comes from and a choice of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QWheelEvent
from PySide6.QtWidgets import QCheckBox, QGridLayout, QSpinBox, QWidget

from desktop import theme
from desktop.models.importing import wording
from desktop.models.importing.draft import ImportDraft
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.combo_box import ComboBox
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.plain_text import caption, tooltip
from serving.importing.interface import Channels, InputKind, Interface

MIN_SIDE, MAX_SIDE = 8, 4096
_COMBO_LENGTH = 5
"""Characters that a list shows at least."""
_CHOICES: dict[str, tuple[str, Mapping[Any, str]]] = {
    "resize": (tr("Resizing"), wording.RESIZES),
    "value_range": (tr("Values of pixels"), wording.VALUE_RANGES),
    "channels": (tr("Order of colors"), wording.CHANNELS),
    "gives": (tr("It gives"), wording.OUTPUT_WORDS),
}
"""By the field of Corrections: its title, and its values with the words for them."""


class FactsForm(QWidget):
    """Shows a draft; what a person corrects is signalled, not shown until the draft has it."""

    corrected = Signal(object)
    """dict: fields of Corrections, and their values. As a `dict` of Qt's it would lose the
    enumerations."""
    labels_requested = Signal()
    """A file of labels is to be chosen."""
    all_versions_toggled = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(theme.S)
        self._grid.setVerticalSpacing(theme.S)
        self._grid.setColumnStretch(1, 1)
        self._rows: dict[str, tuple[PlainLabel, QWidget, PlainLabel]] = {}
        self.classes = PlainLabel(wrap=True)
        self.labels = ElidedLabel(role="small")
        self.choose_labels = build.button(
            tr("Choose labels…"), tip=tr("A file with one name a line")
        )
        named = QWidget()
        build.column(
            self.classes,
            self.labels,
            build.row(self.choose_labels, None),
            parent=named,
            spacing=theme.XS,
        )
        self._add("classes", tr("Classes"), named)
        self.signature = ComboBox(tr("Signature"))
        self._add("signature", tr("Signature"), self.signature)
        self.height_box, self.width_box = (
            _side_box(tr("Height of the input")),
            _side_box(tr("Width of the input")),
        )
        self.input = PlainLabel(wrap=True)
        side = QWidget()
        build.row(
            self.input,
            self.width_box,
            self.height_box,
            None,
            parent=side,
            spacing=theme.XS,
        )
        self._add("height", tr("Input"), side)
        self.choices = {
            name: _FactBox(title, words.items()) for name, (title, words) in _CHOICES.items()
        }
        for name, combo in self.choices.items():
            # Otherwise the longest words in any of them would widen the form beyond its dialog.
            combo.setSizeAdjustPolicy(combo.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumContentsLength(_COMBO_LENGTH)
            self._add(name, _CHOICES[name][0], combo)
        self.learning = PlainLabel(wrap=True)
        self._add("learning", tr("It learns"), self.learning)
        self.all_versions = QCheckBox()
        self._grid.addWidget(self.all_versions, self._grid.rowCount(), 1, 1, 2)
        self._controls = (
            *(self.choose_labels, self.signature, self.height_box, self.width_box),
            *(*self.choices.values(), self.all_versions),
        )
        self._connect()

    def show_draft(self, draft: ImportDraft) -> None:
        """Show what is known now."""
        found, interface = draft.found, draft.interface
        for control in self._controls:
            control.setEnabled(draft.progress is None)
        self.setVisible(interface is not None)
        if found is None or interface is None:
            return
        self.classes.setText(wording.classes_sentence(draft))
        self.classes.setVisible(True)
        self.labels.setText(wording.labels_sentence(found))
        self.labels.setVisible(bool(found.labels))
        is_counted = found.labels is not None and len(found.labels) == interface.classes
        theme.set_role(self.classes, "" if is_counted else "error")
        if self.signature.count() != len(found.choices):
            self.signature.clear()
            for choice in found.choices:
                self.signature.add(choice, choice)
        self.signature.select(draft.corrections.signature or interface.signature)
        self._show_row("signature", len(found.choices) > 1, draft)
        self._show_size(draft, interface)
        for name, combo in self.choices.items():
            combo.select(getattr(interface, name))
            self._show_row(name, _is_shown(name, interface), draft, name)
        self.learning.setText(wording.learning_sentence(interface))
        versions = wording.versions_sentence(found)
        self.all_versions.setText(caption(versions, 60))
        self.all_versions.setVisible(bool(versions))
        self.all_versions.setChecked(draft.all_versions)

    def origin(self, name: str) -> str:
        """Return what is said of where a fact comes from."""
        return self._rows[name][2].text()

    def _show_size(self, draft: ImportDraft, interface: Interface) -> None:
        found = draft.found
        original = found.interface.guessed if found and found.interface else ()
        is_open = "height" in original
        self.input.setText(wording.input_sentence(interface))
        self.input.setVisible(not is_open)
        for box, value in ((self.height_box, interface.height), (self.width_box, interface.width)):
            box.setVisible(is_open)
            if not box.hasFocus() and value is not None:
                box.blockSignals(True)
                box.setValue(value)
                box.blockSignals(False)
        self._show_row("height", True, draft, "height", "width")

    def _show_row(self, name: str, shown: bool, draft: ImportDraft, *facts: str) -> None:
        """Show a row or not, with where `facts` come from, if any are named."""
        origin = wording.origin(draft, *facts) if facts else ""
        for widget in self._rows[name]:
            widget.setVisible(shown)
        label = self._rows[name][2]
        label.setText(origin)
        theme.set_role(label, "state waiting" if draft.is_guessed(*facts) else "small")
        title, control, _ = self._rows[name]
        if isinstance(control, ComboBox):
            said = f", {origin}" if origin else ""
            control.setAccessibleName(f"{title.text()}{said}")

    def _add(self, name: str, title: str, control: QWidget) -> None:
        row = self._grid.rowCount()
        label, origin = PlainLabel(title, "muted"), PlainLabel("", "small")
        top = Qt.AlignmentFlag.AlignTop if name in ("classes", "learning") else Qt.AlignmentFlag(0)
        self._grid.addWidget(label, row, 0, top)
        self._grid.addWidget(control, row, 1)
        self._grid.addWidget(origin, row, 2)
        self._rows[name] = (label, control, origin)

    def _connect(self) -> None:
        for name, combo in self.choices.items():
            combo.activated.connect(
                # Qt would return the values of the enumerations as plain text.
                lambda row, name=name: self.corrected.emit({name: list(_CHOICES[name][1])[row]})
            )
        self.signature.activated.connect(
            lambda _: self.corrected.emit({"signature": self.signature.currentData()})
        )
        for box in (self.height_box, self.width_box):
            box.valueChanged.connect(
                lambda _: self.corrected.emit(
                    {"height": self.height_box.value(), "width": self.width_box.value()}
                )
            )
        self.choose_labels.clicked.connect(self.labels_requested)
        self.all_versions.clicked.connect(self.all_versions_toggled)


class _FactBox(ComboBox):
    def wheelEvent(self, event: QWheelEvent) -> None:
        # The wheel scrolls the form, and corrects nothing on its way.
        event.ignore()


class _SideBox(QSpinBox):
    def keyPressEvent(self, event: QKeyEvent) -> None:
        super().keyPressEvent(event)
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            event.accept()  # otherwise it would start the import before the answers are seen


def _side_box(name: str) -> QSpinBox:
    box = _SideBox()
    box.setRange(MIN_SIDE, MAX_SIDE)
    box.setKeyboardTracking(False)
    box.setSuffix(" px")
    box.setAccessibleName(name)
    box.setToolTip(tooltip(name))
    return box


def _is_shown(name: str, interface: Interface) -> bool:
    """Whether a fact can be anything else for this model."""
    match name:
        case "resize":
            return interface.takes is not InputKind.JPEG
        case "value_range":
            return interface.takes is InputKind.FLOAT
        case "channels":
            return interface.takes is not InputKind.JPEG and interface.channels is not Channels.GRAY
        case _:
            return True
