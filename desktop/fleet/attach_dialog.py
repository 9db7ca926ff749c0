"""Asks for the address of a server that somebody else runs."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialogButtonBox, QLineEdit, QWidget

from desktop import theme
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.dialogs import Dialog
from desktop.widgets.plain_label import PlainLabel
from serving.errors import EngineError
from serving.fleet.attached import checked_address

_EXPLANATION = tr(
    "TensorFlow Serving, or what speaks like it, that runs there gets photos"
    " while it serves the version that is live here. It is never started,"
    " changed or stopped. Photos are sent as they are, without encryption."
)


class AttachDialog(Dialog):
    """One field for `host:port`, and why it cannot be used as long as it cannot."""

    address_chosen = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(tr("Attach a server"), parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(440)
        self.address = QLineEdit()
        self.address.setPlaceholderText("10.0.0.5:8500")
        self.address.setAccessibleName(tr("Host and port of its gRPC API"))
        self.problem = PlainLabel(role="error", wrap=True)
        self.problem.hide()
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.apply = buttons.addButton(tr("Attach"), QDialogButtonBox.ButtonRole.AcceptRole)
        theme.set_role(self.apply, "primary")
        self.apply.setDefault(True)
        buttons.accepted.connect(self._accept)
        buttons.rejected.connect(self.reject)
        self.address.textChanged.connect(self._on_edited)
        caption = PlainLabel(tr("Host and port of its gRPC API"), "small")
        caption.setBuddy(self.address)
        build.column(
            PlainLabel(tr("Attach a server"), "heading"),
            PlainLabel(_EXPLANATION, wrap=True),
            caption,
            self.address,
            self.problem,
            buttons,
            parent=self,
            spacing=theme.M,
            margins=(theme.XL, theme.XL, theme.XL, theme.L),
        )
        self._on_edited()

    def _on_edited(self) -> None:
        self.problem.hide()
        self.apply.setEnabled(bool(self.address.text().strip()))

    def _accept(self) -> None:
        try:
            address = checked_address(self.address.text())
        except EngineError as error:
            self.problem.setText(translated(str(error)))
            self.problem.show()
            return
        self.address_chosen.emit(address)
        self.accept()
