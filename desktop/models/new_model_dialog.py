"""Asks what a new model is to be: its name, its network, and which classes it begins with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QDialog, QDialogButtonBox, QRadioButton, QWidget

from backend.contract import NewModel
from desktop import theme
from desktop.models.name_field import NameField
from desktop.widgets import build
from desktop.widgets.combo_box import ComboBox


@dataclass(frozen=True)
class Backbone:
    """A model whose network a new one can use."""

    name: str
    title: str
    class_count: int = 0
    """How many classes the new model would begin with; 0 if that is not known."""


class NewModelDialog(QDialog):
    """Emits a NewModel; with a folder's sentence on top it is the sheet of an import."""

    model_requested = Signal(object)
    """NewModel"""

    def __init__(
        self,
        backbones: Sequence[Backbone],
        taken: Sequence[str],
        parent: QWidget,
        *,
        name: str = "",
        action: str = "Make the model",
    ) -> None:
        """`backbones` has at least one; the first is selected."""
        super().__init__(parent)
        self.setWindowTitle("New model")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(480)
        self._backbones = {each.name: each for each in backbones}
        self.name = NameField(taken, name)
        self.name.field.setPlaceholderText("What it tells apart, such as “Birds”")
        self.backbone = ComboBox("Network", ((each.name, each.title) for each in backbones))
        self.only_mine = QRadioButton("Only my classes")
        self.and_mine = QRadioButton()
        self.only_mine.setChecked(True)
        group = QButtonGroup(self)
        group.addButton(self.only_mine)
        group.addButton(self.and_mine)
        self.explanation = build.label("", "small", wrap=True)
        self.explanation.setMinimumHeight(2 * self.explanation.fontMetrics().height())
        self.content = build.column(spacing=theme.M)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.make = buttons.addButton(action, QDialogButtonBox.ButtonRole.AcceptRole)
        theme.set_role(self.make, "primary")
        self.make.setDefault(True)
        buttons.accepted.connect(self._accept)
        buttons.rejected.connect(self.reject)
        build.column(
            self.content,
            build.label("Name", "heading"),
            self.name,
            build.label("Network", "heading"),
            self.backbone,
            theme.XS,
            build.label("Classes", "heading"),
            self.only_mine,
            self.and_mine,
            self.explanation,
            buttons,
            parent=self,
            spacing=theme.S,
            margins=(theme.XL, theme.XL, theme.XL, theme.L),
        )
        self.name.changed.connect(self._enable)
        self.backbone.currentIndexChanged.connect(self._explain)
        self.only_mine.toggled.connect(self._explain)
        self._explain()
        self._enable()

    def requested_model(self) -> NewModel:
        """The model that the controls describe now."""
        backbone = str(self.backbone.currentData())
        return NewModel(self.name.name, backbone, keep_classes=self.and_mine.isChecked())

    def _explain(self) -> None:
        backbone = self._backbones[str(self.backbone.currentData())]
        count = f"{backbone.class_count:,} " if backbone.class_count else ""
        self.and_mine.setText(f"The {count}classes of {backbone.title} and mine")
        self.explanation.setText(
            "It answers with nothing else. It knows none until photos are labelled or a folder"
            " of folders is dropped."
            if self.only_mine.isChecked()
            else "It answers at once, and learns yours beside them."
        )

    def _enable(self) -> None:
        self.make.setEnabled(bool(self.name.name))

    def _accept(self) -> None:
        if self.name.name:
            self.model_requested.emit(self.requested_model())
            self.accept()
