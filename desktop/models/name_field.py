"""A field for a model's name, checked as one types."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit, QWidget

from desktop import theme
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.focus import delegate_focus
from desktop.widgets.plain_label import PlainLabel
from serving.models.model_names import (
    MAX_MODEL_NAME,
    ModelNameError,
    checked_model_name,
    same_name,
)


class NameField(QWidget):
    """Says below the field, in the rule's own sentence, why a text cannot be a name."""

    changed = Signal()

    def __init__(self, taken: Iterable[str], text: str = "") -> None:
        """`taken` are the names of the other models."""
        super().__init__()
        self._taken = tuple(taken)
        self.field = QLineEdit(text)
        self.field.setAccessibleName(tr("Name of the model"))
        self.field.setMaxLength(2 * MAX_MODEL_NAME)
        self.problem = PlainLabel("", "small", wrap=True)
        # So that nothing moves as a sentence of one line comes and goes.
        self.problem.setMinimumHeight(self.problem.fontMetrics().height())
        build.column(self.field, self.problem, parent=self, spacing=theme.XS)
        delegate_focus(self, self.field)
        self.field.textChanged.connect(self._check)
        self._check()

    @property
    def name(self) -> str:
        """The name as it is kept; empty if the text cannot be one."""
        return self._name

    def _check(self) -> None:
        text = self.field.text()
        self._name, problem = "", ""
        try:
            name = checked_model_name(text)
        except ModelNameError as error:
            # An empty field needs no complaint: nobody has typed anything yet.
            problem = translated(str(error)) if text else ""
        else:
            other = next((each for each in self._taken if same_name(each, name)), None)
            if other is None:
                self._name = name
            else:
                problem = tr("There is a model called {other}. Choose another name.", other=other)
        self.problem.setText(problem)
        theme.set_role(self.problem, "error" if problem else "small")
        self.changed.emit()
