"""Asks for the new name of a model."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialogButtonBox, QWidget

from desktop import theme
from desktop.models.name_field import NameField
from desktop.widgets import build
from desktop.widgets.dialogs import Dialog
from desktop.widgets.plain_label import PlainLabel


class NameDialog(Dialog):
    """One name field, and a button named for what it does."""

    name_requested = Signal(str)

    def __init__(
        self, title: str, action: str, text: str, taken: Iterable[str], parent: QWidget
    ) -> None:
        super().__init__(title, parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(400)
        self.name = NameField(taken, text)
        self.name.field.selectAll()
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.apply = buttons.addButton(action, QDialogButtonBox.ButtonRole.AcceptRole)
        theme.set_role(self.apply, "primary")
        self.apply.setDefault(True)
        buttons.accepted.connect(self._accept)
        buttons.rejected.connect(self.reject)
        self.name.changed.connect(self._enable)
        build.column(
            PlainLabel(title, "heading", wrap=True),
            self.name,
            buttons,
            parent=self,
            spacing=theme.M,
            margins=(theme.XL, theme.XL, theme.XL, theme.L),
        )
        self._enable()

    def _enable(self) -> None:
        self.apply.setEnabled(bool(self.name.name))

    def _accept(self) -> None:
        if self.name.name:
            self.name_requested.emit(self.name.name)
            self.accept()
