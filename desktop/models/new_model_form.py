"""What a new model is to be: its name, its network, and which classes it begins with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QRadioButton, QWidget

from backend.contract import NewModel
from desktop import theme
from desktop.formats import count
from desktop.models.name_field import NameField
from desktop.translation import tr, tr_plural
from desktop.widgets import build
from desktop.widgets.combo_box import ComboBox
from desktop.widgets.focus import delegate_focus
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.plain_text import caption


@dataclass(frozen=True)
class Backbone:
    """A model whose network a new one can use."""

    name: str
    title: str
    class_count: int = 0
    """How many classes the new model would begin with; 0 if that is not known."""


class NewModelForm(QWidget):
    """The controls that describe a NewModel."""

    changed = Signal()

    def __init__(self, backbones: Sequence[Backbone], taken: Sequence[str], name: str = "") -> None:
        """`backbones` has at least one; the first is selected."""
        super().__init__()
        self._backbones = {each.name: each for each in backbones}
        self.name = NameField(taken, name)
        self.name.field.setPlaceholderText(tr("What it tells apart, such as “Birds”"))
        self.backbone = ComboBox(tr("Network"), ((each.name, each.title) for each in backbones))
        self.only_mine = QRadioButton(tr("Only my classes"))
        self.with_foundation_classes = QRadioButton()
        self.only_mine.setChecked(True)
        group = QButtonGroup(self)
        group.addButton(self.only_mine)
        group.addButton(self.with_foundation_classes)
        self.explanation = PlainLabel("", "small", wrap=True)
        self.explanation.setMinimumHeight(2 * self.explanation.fontMetrics().height())
        build.column(
            PlainLabel(tr("Name"), "heading"),
            self.name,
            PlainLabel(tr("Network"), "heading"),
            self.backbone,
            theme.XS,
            PlainLabel(tr("Classes"), "heading"),
            self.only_mine,
            self.with_foundation_classes,
            self.explanation,
            parent=self,
        )
        delegate_focus(self, self.name)
        self.name.changed.connect(self.changed)
        self.backbone.currentIndexChanged.connect(self._explain)
        self.only_mine.toggled.connect(self._explain)
        self._explain()

    def model(self) -> NewModel | None:
        """The model that the controls describe now; None while its name cannot be used."""
        if not self.name.name:
            return None
        backbone = str(self.backbone.currentData())
        return NewModel(
            self.name.name, backbone, keep_classes=self.with_foundation_classes.isChecked()
        )

    def _explain(self) -> None:
        backbone = self._backbones[str(self.backbone.currentData())]
        number, title = backbone.class_count, caption(backbone.title)
        self.with_foundation_classes.setText(
            tr_plural(
                "The {count} class of {title} and mine",
                "The {count} classes of {title} and mine",
                number,
            ).format(count=count(number), title=title)
            if number
            else tr("The classes of {title} and mine", title=title)
        )
        self.explanation.setText(
            tr(
                "It answers with nothing else, and knows what photos that are"
                " labelled or dropped in a folder teach it."
            )
            if self.only_mine.isChecked()
            else tr("It answers at once, and learns yours beside them.")
        )
