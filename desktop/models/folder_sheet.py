"""Shows what was found in a folder, and asks which model is to learn from it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialogButtonBox, QWidget

from desktop import theme
from desktop.models.folder_summary import FolderSummary
from desktop.models.new_model_form import Backbone, NewModelForm
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.combo_box import ComboBox
from desktop.widgets.dialogs import Dialog
from desktop.widgets.plain_label import PlainLabel
from serving.models.model_names import same_name
from serving.photo_folder import PhotoFolder

_NEW = ""
"""The value of the entry for a new model."""


class FolderSheet(Dialog):
    """Emits the model that is to learn: a new one, or one of those that there are."""

    start_requested = Signal(object)
    """NewModel, or the name of a model."""

    def __init__(
        self,
        name: str,
        found: PhotoFolder | None,
        backbones: Sequence[Backbone],
        models: Sequence[str],
        parent: QWidget,
        *,
        model: str = "",
    ) -> None:
        """`name` is proposed for a new model, unless one of `models` has it, which then goes on
        learning; `found` is None for what is looked into later; `model` is selected first."""
        super().__init__(tr("Learn from a folder"), parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(480)
        again = next((each for each in models if same_name(each, name)), "")
        self.summary = None if found is None else FolderSummary(found)
        self.model = ComboBox(
            tr("The model that learns"),
            [(_NEW, tr("A new model")), *((each, each) for each in models)],
        )
        self.form = NewModelForm(backbones, models, "" if again else name)
        self.continuation = PlainLabel("", "muted", wrap=True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.start = buttons.addButton(tr("Start learning"), QDialogButtonBox.ButtonRole.AcceptRole)
        theme.set_role(self.start, "primary")
        self.start.setDefault(True)
        buttons.accepted.connect(self._accept)
        buttons.rejected.connect(self.reject)
        column = build.column(
            PlainLabel(tr("Model that learns"), "heading"),
            self.model,
            self.continuation,
            theme.XS,
            self.form,
            buttons,
            parent=self,
            margins=(theme.XL, theme.L, theme.XL, theme.L),
        )
        if self.summary is not None:
            column.insertWidget(0, self.summary, 1)
        self.model.currentIndexChanged.connect(self._show_model)
        self.form.changed.connect(self._enable)
        self.model.select(model or again or _NEW)
        self._show_model()

    def _show_model(self) -> None:
        model = self.model.currentData()
        self.form.setVisible(model == _NEW)
        self.continuation.setVisible(model != _NEW)
        self.continuation.setText(
            tr(
                "{model} learns these photos beside those that it has; what it"
                " has already is not read again.",
                model=model,
            )
        )
        self._enable()
        self.adjustSize()

    def _enable(self) -> None:
        self.start.setEnabled(bool(self.model.currentData()) or self.form.model() is not None)

    def _accept(self) -> None:
        model = self.model.currentData() or self.form.model()
        if model:
            self.start_requested.emit(model)
            self.accept()
