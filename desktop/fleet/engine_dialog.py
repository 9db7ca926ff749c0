"""Asks which container engine to use: the first one here, a context of Docker, or an address."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDialogButtonBox, QLineEdit, QWidget

from desktop import theme
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.combo_box import ComboBox
from desktop.widgets.dialogs import Dialog, FileDialog
from desktop.widgets.plain_label import PlainLabel
from serving.engines.engine_address import EngineAddress

EXPLANATION = tr(
    "Containers can run on another machine: photos that are classified are"
    " sent there, by ssh or by TLS. Instances that run now are kept until"
    " you move them."
)
_ADDRESS, _CONTEXT = "address", "context:"
"""What stands in the list for an address, and before the name of a context."""
_WITH_TLS = ("tcp://", "https://")


class EngineDialog(Dialog):
    """Edits an EngineAddress; stays open until an engine answers there, or none needs to."""

    address_requested = Signal(object, bool)
    """EngineAddress, and whether to use it even if nothing answers there"""

    def __init__(
        self,
        address: EngineAddress,
        contexts: Sequence[tuple[str, str]],
        variable: str = "",
        parent: QWidget | None = None,
    ) -> None:
        """`contexts` are names and addresses; `variable` names the engine in place of a choice."""
        super().__init__(tr("Container engine"), parent)
        self.setMinimumWidth(520)
        self._failed: EngineAddress | None = None
        """The one that was tried last and did not answer."""
        self.choice = ComboBox(tr("Engine"), [("", tr("Automatic: the first that answers here"))])
        for name, url in contexts:
            self.choice.add(f"{name} ({url})", f"{_CONTEXT}{name}")
        known = any(name == address.context for name, _ in contexts)
        if address.context and not known:
            self.choice.add(address.context, f"{_CONTEXT}{address.context}")
        self.choice.add(tr("An address…"), _ADDRESS)
        self.choice.select(
            f"{_CONTEXT}{address.context}" if address.context else _ADDRESS if address.url else ""
        )
        self.url = QLineEdit(address.url)
        self.url.setAccessibleName(tr("Address of the engine"))
        self.url.setPlaceholderText(tr("ssh://user@host or tcp://host:2376"))
        self.certificates = QLineEdit(address.certificates)
        self.certificates.setAccessibleName(tr("Folder with the certificates"))
        self.certificates.setPlaceholderText(tr("Folder with ca.pem, cert.pem and key.pem"))
        self.browse = build.button(tr("Choose…"))
        self.problem = PlainLabel(role="error", wrap=True, selectable=True)
        self.variable = PlainLabel(
            tr(
                "The environment variable {variable} names the engine, so no"
                " choice counts. Start Servery without it to choose another one.",
                variable=variable,
            ),
            "muted",
            wrap=True,
        )
        self._address_title = PlainLabel(tr("Address"), "heading")
        self._certificates_title = PlainLabel(tr("Certificates"), "heading")
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.use_anyway = buttons.addButton(
            tr("Use it all the same"), QDialogButtonBox.ButtonRole.ActionRole
        )
        self.connect_button = buttons.addButton(
            tr("Connect"), QDialogButtonBox.ButtonRole.ActionRole
        )
        theme.set_role(self.connect_button, "primary")
        self.connect_button.setDefault(True)
        build.column(
            PlainLabel(EXPLANATION, "muted", wrap=True),
            self.variable,
            PlainLabel(tr("Engine"), "heading"),
            self.choice,
            self._address_title,
            self.url,
            self._certificates_title,
            build.row((self.certificates, 1), self.browse),
            self.problem,
            theme.S,
            buttons,
            parent=self,
            spacing=theme.S,
            margins=(theme.XL, theme.XL, theme.XL, theme.L),
        )
        self._is_fixed = bool(variable)
        self._is_busy = False
        self.variable.setVisible(self._is_fixed)
        self.problem.hide()
        self.choice.currentIndexChanged.connect(self._show)
        self.url.textChanged.connect(self._show)
        self.certificates.textChanged.connect(self._show)
        self.browse.clicked.connect(self.open_folder_dialog)
        self.connect_button.clicked.connect(lambda: self._request(unchecked=False))
        self.use_anyway.clicked.connect(lambda: self._request(unchecked=True))
        buttons.rejected.connect(self.reject)
        self._show()

    def selected_address(self) -> EngineAddress:
        """The address that the controls show now."""
        value = str(self.choice.currentData())
        if value.startswith(_CONTEXT):
            return EngineAddress(context=value.removeprefix(_CONTEXT))
        if value != _ADDRESS:
            return EngineAddress()
        url = self.url.text().strip()
        with_tls = url.startswith(_WITH_TLS)
        return EngineAddress(
            url=url, certificates=self.certificates.text().strip() if with_tls else ""
        )

    def set_busy(self, busy: bool) -> None:
        """Show that the engine is being asked."""
        self._is_busy = busy
        self._show()

    def show_problem(self, sentence: str, *, answers_later: bool) -> None:
        """Say why the engine is not used; it can be all the same if it may answer later."""
        self._failed = self.selected_address() if answers_later else None
        self.problem.setText(sentence)
        self.problem.show()
        self._show_buttons()

    def open_folder_dialog(self) -> None:
        dialog = FileDialog(self, tr("Folder with the certificates"), self.certificates.text())
        dialog.setFileMode(FileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self.certificates.setText)
        dialog.open()

    def _show(self) -> None:
        is_address = self.choice.currentData() == _ADDRESS
        with_tls = is_address and self.url.text().strip().startswith(_WITH_TLS)
        self._address_title.setVisible(is_address)
        self.url.setVisible(is_address)
        for widget in (self._certificates_title, self.certificates, self.browse):
            widget.setVisible(with_tls)
        for control in (self.choice, self.url, self.certificates, self.browse):
            control.setEnabled(not self._is_busy and not self._is_fixed)
        if self._failed is not None and self._failed != self.selected_address():
            self._failed = None
            self.problem.hide()
        self._show_buttons()

    def _show_buttons(self) -> None:
        address = self.selected_address()
        complete = self.choice.currentData() != _ADDRESS or bool(address.url)
        self.connect_button.setText(tr("Connecting…") if self._is_busy else tr("Connect"))
        self.connect_button.setEnabled(complete and not self._is_busy and not self._is_fixed)
        self.use_anyway.setVisible(self._failed is not None and not self._is_busy)

    def _request(self, *, unchecked: bool) -> None:
        self.problem.hide()
        self.address_requested.emit(self.selected_address(), unchecked)
