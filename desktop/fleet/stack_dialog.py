"""The dialog that asks which stack is to be written, and where to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QDialogButtonBox,
    QFormLayout,
    QLineEdit,
    QSpinBox,
    QWidget,
)

from desktop import theme
from desktop.fleet import wording
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.combo_box import ComboBox
from desktop.widgets.dialogs import Dialog, FileDialog
from desktop.widgets.plain_label import PlainLabel
from serving.errors import ServeryError
from serving.stack.plan import StackFormat, StackPlan

MAX_SHOWN = 100
"""Instances, and replicas of the API."""
NO_IMAGE = tr(
    "The container engine has no image of a model. Make one in the menu of a"
    " version, or name one that a registry has."
)


class StackDialog(Dialog):
    """Edits a StackPlan."""

    export_requested = Signal(object, object)
    """StackPlan, and the Path of the folder"""

    def __init__(
        self, images: Sequence[str], instances: int, parent: QWidget | None = None
    ) -> None:
        """`images` are those of models that the engine has."""
        super().__init__(tr("Export a stack"), parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(520)
        self.format = ComboBox(tr("Format"), wording.STACK_FORMATS.items())
        self.explanation = PlainLabel(role="muted", wrap=True)
        self.image = ComboBox(tr("Image of the model"), ((name, name) for name in images))
        self.image.setLineEdit(QLineEdit(self.image.currentText()))
        self.image.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.image.setPlaceholderText(tr("Such as registry.example.com/team/waste:3"))
        self.instances = _count_box(max(1, instances))
        self.api_replicas = _count_box(1)
        self.shared_folder = QLineEdit()
        self.shared_folder.setPlaceholderText(tr("None: each version travels as an image"))
        self.host = QLineEdit()
        self.host.setPlaceholderText("photos.example.com")
        self.target = QLineEdit(str(Path.home() / "servery-stack"))
        self.choose = build.button(tr("Choose…"))
        self.no_image = PlainLabel(NO_IMAGE, "muted", wrap=True)
        self.no_image.setVisible(not images)
        self.problem = PlainLabel(role="error", wrap=True)

        self._form = QFormLayout()
        self._form.setHorizontalSpacing(theme.XL)
        self._form.setVerticalSpacing(theme.M)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for title, field in (
            (tr("Format"), self.format),
            (tr("Image of the model"), self.image),
            (tr("Instances"), self.instances),
            (tr("Replicas of the API"), self.api_replicas),
            (tr("Folder that all nodes have"), self.shared_folder),
            (tr("Host name"), self.host),
            (tr("Folder for the files"), self.target),
        ):
            field.setAccessibleName(title)
            label = PlainLabel(title)
            label.setMinimumHeight(theme.CONTROL_HEIGHT)
            label.setBuddy(field)
            if field is self.target:
                self._form.addRow(label, build.row((self.target, 1), self.choose))
            else:
                self._form.addRow(label, field)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.export = buttons.addButton(tr("Export"), QDialogButtonBox.ButtonRole.AcceptRole)
        theme.set_role(self.export, "primary")
        self.export.setDefault(True)
        build.column(
            PlainLabel(wording.STACK_EXPLANATION, "muted", wrap=True),
            self._form,
            self.explanation,
            self.no_image,
            self.problem,
            buttons,
            parent=self,
            spacing=theme.M,
            margins=(theme.XL, theme.XL, theme.XL, theme.L),
        )
        self.format.currentIndexChanged.connect(self._show)
        self.image.editTextChanged.connect(self._show)
        for line in (self.shared_folder, self.host, self.target):
            line.textChanged.connect(self._show)
        self.choose.clicked.connect(self.open_file_dialog)
        buttons.accepted.connect(self._accept)
        buttons.rejected.connect(self.reject)
        self._plan = StackPlan(StackFormat.COMPOSE, "")
        self._show()

    @property
    def kind(self) -> StackFormat:
        """The format that is selected."""
        return StackFormat(str(self.format.currentData()))

    def plan(self) -> StackPlan:
        """Return what the controls ask for now; raises StackError, and ListenError."""
        swarm = self.kind is StackFormat.SWARM
        plan = replace(
            self._plan,
            format=self.kind,
            image=self.image.currentText().strip(),
            instances=self.instances.value(),
            api_replicas=self.api_replicas.value(),
            shared_folder=self.shared_folder.text().strip() if swarm else "",
            host=self.host.text().strip(),
        )
        plan.check()
        return plan

    def open_file_dialog(self) -> None:
        """Ask for the name of the folder that is made."""
        dialog = FileDialog(self, tr("Export to"), self.target.text())
        dialog.setAcceptMode(FileDialog.AcceptMode.AcceptSave)
        dialog.setOption(FileDialog.Option.DontConfirmOverwrite)
        dialog.fileSelected.connect(self.target.setText)
        dialog.open()

    def _show(self) -> None:
        self.explanation.setText(wording.STACK_EXPLANATIONS[self.kind])
        self._form.setRowVisible(self.shared_folder, self.kind is StackFormat.SWARM)
        problem = ""
        try:
            self.plan()
        except ServeryError as error:
            problem = translated(str(error))
        path = Path(self.target.text().strip())
        if not problem and (not path.is_absolute() or not path.name):
            problem = tr("Give the whole path to a new folder.")
        self.export.setEnabled(not problem)
        # What is still to be filled in is no error yet.
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem and self.image.currentText().strip()))

    def _accept(self) -> None:
        self.export_requested.emit(self.plan(), Path(self.target.text().strip()))
        self.accept()


def _count_box(value: int) -> QSpinBox:
    box = QSpinBox()
    box.setRange(1, max(MAX_SHOWN, value))
    box.setValue(value)
    box.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.UpDownArrows)
    box.lineEdit().setTextMargins(theme.S, 0, 0, 0)
    return box
