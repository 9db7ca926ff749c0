"""Asks what a new model is to be."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialogButtonBox, QWidget

from desktop import theme
from desktop.models.new_model_form import Backbone, NewModelForm
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.dialogs import Dialog


class NewModelDialog(Dialog):
    """Emits the model that is to be made."""

    model_requested = Signal(object)
    """NewModel"""

    def __init__(
        self, backbones: Sequence[Backbone], taken: Sequence[str], parent: QWidget
    ) -> None:
        """`backbones` has at least one; `taken` are names of other models."""
        super().__init__(tr("New model"), parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(480)
        self.form = NewModelForm(backbones, taken)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.make = buttons.addButton(tr("Make the model"), QDialogButtonBox.ButtonRole.AcceptRole)
        theme.set_role(self.make, "primary")
        self.make.setDefault(True)
        buttons.accepted.connect(self._accept)
        buttons.rejected.connect(self.reject)
        build.column(
            self.form,
            buttons,
            parent=self,
            spacing=theme.M,
            margins=(theme.XL, theme.XL, theme.XL, theme.L),
        )
        self.form.changed.connect(self._enable)
        self._enable()
        self.form.setFocus()

    def _enable(self) -> None:
        self.make.setEnabled(self.form.model() is not None)

    def _accept(self) -> None:
        model = self.form.model()
        if model is not None:
            self.model_requested.emit(model)
            self.accept()
